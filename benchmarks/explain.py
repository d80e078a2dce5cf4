"""Causes planted on virtual boards, and whether ``invoke explain`` names them first.

Every cause is a virtual board of its own that is measured by ``invoke bench`` as a real one would be; then ``invoke
explain --format json`` is asked, and its first cause is compared with what was planted. A limit of a clock is
written into the board's own sysfs over SSH, as a person would; a wrong core count is a catalogue that lies. A round
is one seed for all boards: other silicon, other luck. ``healthy`` counts when nothing above 10 % is named.

The rules of the checks were written from public numbers and before any of this was run against them; the boards' own
constants are drawn per name and seed, and hold effects that the checks do not model.

Not shown: a real board. That each planted cause looks on hardware as it looks here is what the virtual boards claim.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.boards import PROJECT
from benchmarks.measure import ENVIRONMENT, Failed
from benchmarks.report import Row

ROUNDS = 3
TARGET = 0.9
TIME_SCALE = 10
MODELS = ("qwen3-0.6b",)
NEW_TOKENS = 96
WAIT_S = 900.0
NOTICED = 0.10
CPUFREQ = "/sys/devices/system/cpu/cpufreq"
DEVFREQ = "/sys/class/devfreq"


@dataclass(frozen=True)
class Cause:
    """``named`` are the checks that are right answers; ``writes`` go into the board's sysfs before it is measured."""

    name: str
    named: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    writes: Mapping[str, str] = field(default_factory=dict)
    how: str = "plain"


CAUSES = (
    Cause("healthy", ()),
    Cause(
        "CPU limited to 816 MHz",
        ("cpu_clock",),
        writes={f"{CPUFREQ}/policy{n}/scaling_max_freq": "816000" for n in (4, 6)},
        how="by hand",
    ),
    Cause("runtime on the little cores", ("cpu_cluster",), {"traits": ["little_cores"]}),
    Cause("big cores capped under load", ("throttle", "cpu_clock"), {"traits": ["capped"]}),
    Cause(
        "NPU limited to 400 MHz",
        ("npu_clock",),
        writes={f"{DEVFREQ}/fdab0000.npu/max_freq": "400000000"},
        how="by hand",
    ),
    Cause("DRAM stuck at its lowest clock", ("dram_clock",), {"traits": ["dmc_stuck"]}),
    Cause("DRAM limited to 1068 MHz", ("dram_clock",), writes={f"{DEVFREQ}/dmc/max_freq": "1068000000"}, how="by hand"),
    Cause("no node of the DRAM", ("dram_node",), {"traits": ["no_dmc"]}),
    Cause("throttled: 80 °C around it", ("throttle",), {"ambient_c": 80}),
    Cause("swapping", ("swap",), {"swap_pages_s": 2000, "swap_used_mib": 200}),
    Cause("three cores busy elsewhere", ("background",), {"background_load": 3}),
    Cause("NPU driver too old", ("driver",), {"faults": ["driver_too_old"]}),
    Cause("prompt from a cache", ("cache_hit",), {"traits": ["cached_prompt"]}),
    Cause("model file of one core under the name of three", ("cores_label",), how="wrong cores"),
    Cause("context above the file's limit", ("context",), how="wrong context"),
    Cause("short answer", ("answer_length",), how="long answer"),
    Cause("governors as the board came", ("cpu_clock", "dram_clock"), how="as is"),
)
HIGHEST = {
    **{f"{CPUFREQ}/policy{n}/scaling_governor": "performance" for n in (0, 4, 6)},
    **{f"{DEVFREQ}/{name}/governor": "performance" for name in ("fdab0000.npu", "dmc")},
}
OPTIONS: dict[str, tuple[str, ...]] = {
    "wrong context": ("--context", "8192"),
    "long answer": ("--new-tokens", "1024"),
    "as is": ("--clocks", "as-is"),
    "by hand": ("--clocks", "as-is"),  # a pinned clock would lift the limit
}


@dataclass(frozen=True)
class Answer:
    """What was named first, of one cause and seed."""

    cause: Cause
    first: str
    effect: float
    sentence: str

    @property
    def right(self) -> bool:
        """Is it what was planted."""
        return self.first in self.cause.named if self.cause.named else self.effect < NOTICED


def run(rounds: int, big: bool) -> list[Row]:
    """Each cause once a round."""
    answers = [answer for seed in range(rounds) for answer in asked(seed, CAUSES)]
    rows = []
    for cause in CAUSES:
        mine = [one for one in answers if one.cause is cause]
        right = sum(one.right for one in mine)
        firsts = ", ".join(sorted({one.first or "nothing" for one in mine}))
        rows.append(Row("explain", cause.name, f"{right} of {len(mine)} named first", f"named: {firsts}", None, None))
    causes = [cause for cause in CAUSES if cause.named]
    always = sum(all(one.right for one in answers if one.cause is cause) for cause in causes)
    share = always / len(causes)
    rows.append(
        Row("explain", "causes named first in every round", f"{always} of {len(causes)}", "", share, TARGET, True)
    )
    return rows


def asked(seed: int, causes: tuple[Cause, ...]) -> Iterator[Answer]:
    """Plant, measure and ask; the boards of one way to measure side by side."""
    for how in dict.fromkeys(cause.how for cause in causes):
        some = [cause for cause in causes if cause.how == how]
        with tempfile.TemporaryDirectory(prefix="rkfleet-explain-") as folder:
            home = Path(folder)
            try:
                yield from _asked(home, seed, how, some)
            finally:
                _run(
                    home, [sys.executable, "-m", "virtual", "down", "--all", "--state", str(home / ".virtual")], PROJECT
                )


def _asked(home: Path, seed: int, how: str, causes: list[Cause]) -> Iterator[Answer]:
    names = {f"b{at}": cause for at, cause in enumerate(causes)}
    boards = {
        name: {"virtual": {"time_scale": TIME_SCALE, "seed": seed, **cause.config}} for name, cause in names.items()
    }
    (home / "inventory.yaml").write_text(json.dumps({"boards": boards}))
    (home / "suites").mkdir()
    suite = {
        "models": list(MODELS),
        "cores": [3],
        "contexts": [4096],
        "workloads": [{"prompts": "prompts/default.txt", "new_tokens": NEW_TOKENS}],
        "repeats": 1,
        "gates": {"wait_s": 0},
    }
    (home / "suites" / "planted.yaml").write_text(json.dumps(suite))
    if how.startswith("wrong"):
        (home / "models.yaml").write_text(_lying(how))
    for name, cause in names.items():
        if cause.writes:
            _write(home, name, {**HIGHEST, **cause.writes})
    words = ["bench", "--suite", "planted", "--force", *OPTIONS.get(how, ())]
    measured = _invoke(home, *words)
    for name, cause in names.items():
        told = _invoke(home, "explain", "--board", name, "--model", MODELS[0], "--format", "json")
        if not told.stdout.strip():
            raise Failed(f"{cause.name}: {told.stderr[-500:]}\n{measured.stderr[-1500:]}")
        answer = json.loads(told.stdout)
        first = answer["causes"][0] if answer["causes"] else {}
        effect = max(first.get("share_of_token_time") or 0.0, first.get("share_of_ttft") or 0.0)
        yield Answer(cause, str(first.get("check", "")), effect, str(answer["sentence"]))


def _lying(how: str) -> str:
    catalogue = yaml.safe_load((PROJECT / "models.yaml").read_text(encoding="utf-8"))
    for model in MODELS:
        files = catalogue["models"][model]["artifacts"]
        standins: dict[int, dict[str, Any]] = {one["npu_core_num"]: one for one in files if one.get("standin")}
        if how == "wrong cores":
            one, three = standins[1], standins[3]
            for key in ("file", "sha256", "size_bytes"):
                one[key], three[key] = three[key], one[key]
        for one in standins.values():
            one["max_context"] = 16384 if how == "wrong context" else one["max_context"]
    return yaml.safe_dump(catalogue, sort_keys=False)


def _write(home: Path, name: str, writes: Mapping[str, str]) -> None:
    """Over SSH, with the driver's own connection."""
    from fleet.config.inventory import load_inventory
    from fleet.deadline import Deadline
    from fleet.session import Session
    from fleet.ssh.host_keys import HostKeys

    session = Session(PROJECT, home, load_inventory(home / "inventory.yaml"), HostKeys.load(home / "known_hosts"))
    (entry,) = session.select([name])
    script = "".join(f"echo {value} >{path}\n" for path, value in writes.items())
    with session.connect(entry) as board:
        board.run(["sh", "-c", script], deadline=Deadline.after(30))


def _invoke(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return _run(home, [sys.executable, "-m", "invoke", "--search-root", str(PROJECT), *words], home)


def _run(home: Path, argv: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**ENVIRONMENT, "HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        argv, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT_S
    )
