"""Board facts that people paste: clocks and governors, temperatures, memory, device tree, NPU load.

Four ways of writing the same files are read: sbc-bench's lists (``dmc: governor / MHz (governors / MHz …)``),
``grep`` over ``/sys/class/devfreq`` (``path:value``), ``sensors -u`` and ``/proc/meminfo``. The first listing
of a node wins, because later ones show it after somebody tuned it.
"""

from __future__ import annotations

import re
from typing import Any

from analysis.parse.lines import Line, whole
from analysis.parse.scene import Scene

_LISTING = re.compile(r"(?:^|[\s*])([\w.-]+): ([\w-]+) / (\d{1,9}) MHz \(([\w ]+?) / ([\d ]+?)\)")
_POLICY = re.compile(r"cpufreq-(policy\d+)\Z")
_NPU = re.compile(r"(?:[0-9a-f]{8}\.)?npu\Z")
_GPU = re.compile(r"(?:[0-9a-f]{8}\.)?gpu\Z")
_SYSFS_FILE = re.compile(
    r"/sys/class/devfreq/([\w.-]+)/(governor|cur_freq|available_frequencies|available_governors):\s*(\S.*)"
)
_CPU_FILE = re.compile(r"/cpufreq/(policy\d+)/(?:cpuinfo_max_freq|scaling_max_freq):\s*(\d{1,15})(?=\D)")
_NPU_LOAD = re.compile(r"NPU load:\s*(.*)")
_CORE_LOAD = re.compile(r"(?:Core\d+:)?\s*(\d{0,3})\s*%")
_CHIP = re.compile(r"(\w+_thermal)-(?:virtual|\w+)-[\w-]+\s*\Z")
_TEMPERATURE = re.compile(r"\s+temp1_(input|crit):\s*(-?\d{1,9}(?:\.\d{1,9})?)(?=\s)")
_ZONE = re.compile(r"\b(\w+)[-_]thermal:?\s+(\d{4,6})(?=\s)")
_MEMORY = re.compile(r"(\w+(?:\(\w+\))?):\s+(\d{1,15}) kB")
_COMPATIBLE = re.compile(r"(?:DT compat|compatible)\s*:\s*(.*)", re.IGNORECASE)
_COMPATIBLE_NAME = re.compile(r"\s*([a-z0-9-]+,[a-z0-9.-]+)\s*\Z")
_KERNEL = re.compile(r"\bKernel:\s+(\d+\.\d+[\w.+~-]*)(?=[\s/])")

_MEMORY_NAMES = {
    "MemTotal": "mem_total_kb",
    "MemFree": "mem_free_kb",
    "MemAvailable": "mem_available_kb",
    "CmaTotal": "cma_total_kb",
    "CmaFree": "cma_free_kb",
    "SwapTotal": "swap_total_kb",
    "SwapFree": "swap_free_kb",
}
_HZ_IN_MHZ = 1_000_000
_KHZ_IN_MHZ = 1_000
_CHIP_LINES = 8  # a chip of `sensors -u` has five
_COMPATIBLE_LINES = 4  # board, maker, chip, chip family
_MEMINFO_LINES = 64  # /proc/meminfo has fifty


class Sysfs:
    """Reads facts of a board out of any text."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.facts: dict[str, Any] = {}
        self._chip = ""

    def _node(self, name: str) -> dict[str, Any] | None:
        """The devfreq node's entry; the GPU has none."""
        if _GPU.search(name):
            return None
        nodes: dict[str, dict[str, Any]] = self.facts.setdefault("devfreq", {})
        return nodes.setdefault("npu" if _NPU.search(name) else name, {})

    def read_listing(self, line: Line) -> None:
        if self.scene.in_answer or (found := _LISTING.search(line.text)) is None:
            return
        name, governor, current, governors, clocks = found.groups()
        mhz = [number for word in clocks.split() if (number := whole(word)) is not None]
        if policy := _POLICY.match(name):
            self.facts.setdefault("cpu_max_mhz", {}).setdefault(policy[1], max(mhz, default=int(current)))
            return
        node = self._node(name)
        if node is None or "governor" in node:
            return
        node.update(governor=governor, cur_mhz=int(current), available_mhz=mhz)
        if _NPU.search(name):
            node["userspace_governor"] = "userspace" in governors.split()

    def read_sysfs_file(self, line: Line) -> None:
        if self.scene.in_answer or (found := _SYSFS_FILE.search(line.text)) is None:
            return
        node = self._node(found[1])
        if node is None:
            return
        value = found[3].strip()
        if found[2] == "governor":
            node.setdefault("governor", value)
        elif found[2] == "cur_freq" and (clock := whole(value)) is not None:
            node.setdefault("cur_mhz", clock // _HZ_IN_MHZ)
        elif found[2] == "available_frequencies":
            clocks = [clock // _HZ_IN_MHZ for word in value.split() if (clock := whole(word)) is not None]
            node.setdefault("available_mhz", clocks)
        elif found[2] == "available_governors" and _NPU.search(found[1]):
            node.setdefault("userspace_governor", "userspace" in value.split())

    def read_cpu_file(self, line: Line) -> None:
        if not self.scene.in_answer and (found := _CPU_FILE.search(line.text)):
            self.facts.setdefault("cpu_max_mhz", {}).setdefault(found[1], int(found[2]) // _KHZ_IN_MHZ)

    def read_npu_load(self, line: Line) -> None:
        if not self.scene.in_answer and (found := _NPU_LOAD.search(line.text)):
            # Some libcs print a zero of `%2.d` as blanks.
            loads = [whole(digits or "0") or 0 for digits in _CORE_LOAD.findall(found[1])]
            if loads:
                self.facts.setdefault("npu_load_percent", loads)

    def read_chip(self, line: Line) -> None:
        if not self.scene.in_answer and (found := _CHIP.match(line.body)):
            self._chip = found[1]
            self.scene.want(self.read_temperature, _CHIP_LINES)

    def read_temperature(self, line: Line) -> bool:
        """A line below a chip of ``sensors -u``; a blank one ends it."""
        if found := _TEMPERATURE.match(line.body):
            if found[1] == "input":
                self.facts.setdefault("temps_c", {}).setdefault(self._chip, float(found[2]))
            elif self._chip == "soc_thermal":
                self.facts.setdefault("soc_crit_c", float(found[2]))
        return bool(line.body.strip())

    def read_zone(self, line: Line) -> None:
        """``soc-thermal 45300``: type and temperature of a thermal zone side by side, in thousandths."""
        if not self.scene.in_answer and (found := _ZONE.search(line.text)):
            self.facts.setdefault("temps_c", {}).setdefault(f"{found[1]}_thermal", int(found[2]) / 1000)

    def read_meminfo(self, line: Line) -> None:
        """The first line of /proc/meminfo, or of what `grep` left of it."""
        if self.read_meminfo_line(line):
            self.scene.want(self.read_meminfo_line, _MEMINFO_LINES)

    def read_meminfo_line(self, line: Line) -> bool:
        """One line of it; False where it ends."""
        found = None if self.scene.in_answer else _MEMORY.match(line.body)
        if found and (name := _MEMORY_NAMES.get(found[1])):
            self.facts.setdefault(name, int(found[2]))
        return found is not None

    def read_compatible(self, line: Line) -> None:
        if self.scene.in_answer or "compatible" in self.facts or (found := _COMPATIBLE.search(line.text)) is None:
            return
        # Written by `tr '\\0' ' '`, with commas, or one a line.
        names = re.findall(r"[a-z0-9-]+,[a-z0-9.-]+", found[1])
        if names:
            self.facts["compatible"] = names
            self.scene.want(self.read_compatible_name, _COMPATIBLE_LINES)

    def read_compatible_name(self, line: Line) -> bool:
        """A line below the first of ``compatible``; False where the list ends."""
        found = _COMPATIBLE_NAME.match(line.text)
        if found:
            self.facts["compatible"].append(found[1])
        return found is not None

    def read_kernel(self, line: Line) -> None:
        if not self.scene.in_answer and (found := _KERNEL.search(line.text)):
            self.facts.setdefault("kernel", found[1])

    CUES = (
        (" mhz (", read_listing),
        ("/devfreq/", read_sysfs_file),
        ("/cpufreq/policy", read_cpu_file),
        ("npu load:", read_npu_load),
        ("_thermal-", read_chip),
        ("thermal", read_zone),
        ("memtotal:", read_meminfo),
        ("cmatotal:", read_meminfo),
        ("dt compat", read_compatible),
        ("compatible:", read_compatible),
        ("kernel:", read_kernel),
    )
