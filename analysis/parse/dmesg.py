"""Kernel messages: which NPU driver came up and how. Failures in them are in the table of failures like all others."""

from __future__ import annotations

import re
from typing import Any

from analysis.parse.lines import Line
from analysis.parse.scene import Scene

_RKNPU = re.compile(r"Initialized (?:rknpu|RKNPU driver: v?)\s*\d+\.\d+\.\d+\w*(?: for)? (\d{8})(?=\D)")
_ROCKET = re.compile(r"\[drm\] Initialized rocket ")
_ROCKET_CORE = re.compile(r"\brocket .*Rockchip NPU core (\d{1,3}) version")
_IOMMU = re.compile(r"\bRKNPU\b.*\b(?:iommu is (enabled|disabled)|(using non-iommu mode))")
_UNAME = re.compile(r"\bLinux \S+ (\d+\.\d+[\w.+~-]*)(?= )")


class Kernel:
    """Reads dmesg and uname."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.facts: dict[str, Any] = {}
        self.rocket_cores: set[int] = set()

    def read_initialized(self, line: Line) -> None:
        if self.scene.in_answer:
            return
        if found := _RKNPU.search(line.text):
            self.facts.setdefault("driver_date", found[1])
        elif _ROCKET.search(line.text):
            self.facts["npu_driver"] = "rocket"
            self.facts["vendor_driver"] = False

    def read_rocket_core(self, line: Line) -> None:
        if not self.scene.in_answer and (found := _ROCKET_CORE.search(line.text)):
            self.rocket_cores.add(int(found[1]))
            self.facts["npu_cores"] = len(self.rocket_cores)

    def read_iommu(self, line: Line) -> None:
        if not self.scene.in_answer and (found := _IOMMU.search(line.text)):
            self.facts.setdefault("iommu", "on" if found[1] == "enabled" else "off")

    def read_uname(self, line: Line) -> None:
        if not self.scene.in_answer and (found := _UNAME.search(line.text)):
            self.facts.setdefault("kernel", found[1])

    CUES = (
        ("initialized rknpu", read_initialized),
        ("[drm] initialized rocket", read_initialized),
        ("rockchip npu core", read_rocket_core),
        ("iommu is ", read_iommu),
        ("non-iommu mode", read_iommu),
        ("linux ", read_uname),
    )
