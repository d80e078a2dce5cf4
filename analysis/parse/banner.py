"""The runtime's banner: versions, platform, the model's own facts, CPUs, and whether the model loaded.

A value counts where its whole label and its whole value stand on one line; the first in the file wins. The
core count is what the toolkit line admits, never a file name or a command line.
"""

from __future__ import annotations

import re
from typing import Any

from analysis.parse.lines import MARK, Line
from analysis.parse.scene import Scene

_END = r"(?=[^0-9A-Za-z.]|\.\s)"  # a version may end a sentence
VERSION = r"(\d{1,9}\.\d{1,9}\.\d{1,9}[0-9A-Za-z]*)" + _END
_SOC = r"((?:RK|RV)\d{4}[A-Za-z]?)(?=[^0-9A-Za-z])"

_RUNTIME = re.compile(r"rkllm-runtime version:\s*" + VERSION)
_DRIVER = re.compile(r"rknpu driver version:\s*" + VERSION)
_PLATFORM = re.compile(r" platform:\s*" + _SOC)
_TOOLKIT = re.compile(r"rkllm-toolkit version:\s*(?:" + VERSION + r"|(unknown)(?=\W))")
_MODEL = {
    "max_context_limit": re.compile(r"max_context_limit:\s*(\d{1,15})(?=[^\w.])"),
    "npu_core_num": re.compile(r"npu_core_num:\s*(\d{1,15})(?=[^\w.])"),
    "target_platform": re.compile(r"target_platform:\s*" + _SOC),
    # W8A8, W4A16_G128; a closing quote mark `_` is not of it.
    "model_dtype": re.compile(r"model_dtype:\s*([A-Za-z0-9]+(?:_[A-Za-z0-9]+)*)(?=_*[^\w])"),
}
_CPUS = re.compile(r"Enabled cpus:\s*\[\s*((?:\d{1,4}(?:,\s*\d{1,4})*)?)\s*\]")
_CPU = re.compile(r"\d+")  # what stands between them may be blank to a pattern and not to int()
_CPUS_NUM = re.compile(r"Enabled cpus num:\s*(\d{1,15})(?=[^\w.])")
_LIBRKNNRT = re.compile(r"librknnrt version:\s*" + VERSION)
_RKNN_DRIVER = re.compile(r"RKNN Driver Information, version:\s*" + VERSION)
_KERNEL_DRIVER = re.compile(r"Initialized rknpu\s+" + VERSION + r"|RKNPU driver:\s*v" + VERSION)
_VERDICT = re.compile(r"rkllm[ _]init (success|failed)|(initialized successfully)", re.IGNORECASE)
_MARK = re.compile(MARK)
_ERROR = re.compile(r"\bE[ /](?:rkllm|RKNN)\s*(?:\(\s*\d+\)\s*)?:")
# Errors that only a model that has loaded can run into: before the verdict they mean that stdout came late.
LATE_ERRORS = frozenset({"npu_submit_failed", "matmul_failed"})


class Banner:
    """Reads the banner's lines."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.values: dict[str, Any] = {}
        self.drivers: dict[str, str] = {}  # by who said it
        self.cpus: tuple[int, ...] | None = None
        self.verdict: bool | None = None
        self.verdict_line = 0
        self.first_error_line: int | None = None
        self.modern_prefix: bool | None = None  # does a runtime of 1.2.0 or later mark its lines here
        self.is_loading = False

    def driver(self) -> str | None:
        """The banner's word, else the kernel's, else librknnrt's."""
        for source in ("banner", "kernel", "rknn"):
            if source in self.drivers:
                return self.drivers[source]
        return None

    def _first(self, name: str, found: re.Match[str] | None) -> None:
        if found is not None and name not in self.values:
            text = found[found.lastindex or 0]
            self.values[name] = int(text) if text.isdecimal() else text

    def read_runtime(self, line: Line) -> None:
        found = _RUNTIME.search(line.text)
        if found is None or (self.scene.in_answer and not line.is_runtimes):
            return
        self.scene.end_segment()
        if "runtime" not in self.values:
            self.values["runtime"] = found[1]
            major, minor, _ = found[1].split(".")
            if (int(major), int(minor)) >= (1, 2):
                self.modern_prefix = _MARK.search(line.text, 0, found.start()) is not None

    def read_driver(self, line: Line) -> None:
        if not self.scene.believes(line):
            return
        found = _DRIVER.search(line.text)
        if found is not None:
            self.drivers.setdefault("banner", found[1])
        if "rknpu driver version:" in line.text:
            self._first("platform", _PLATFORM.search(line.text))

    def read_toolkit(self, line: Line) -> None:
        text = line.text
        labelled = "rkllm-toolkit version:" in text
        # The line's own start may be lost; the labels of two values side by side are still the runtime's.
        if not self.scene.believes(line) or not (labelled or (text.count(": ") >= 2 and ", target_platform: " in text)):
            return
        self._first("toolkit", _TOOLKIT.search(text))
        for name, pattern in _MODEL.items():
            self._first(name, pattern.search(text))
        if labelled:
            self.is_loading = True
            if _MARK.search(text):
                self.modern_prefix = True

    def read_loading(self, line: Line) -> None:
        if self.scene.believes(line):
            self.is_loading = True

    def read_cpus(self, line: Line) -> None:
        if not self.scene.believes(line):
            return
        if self.cpus is None and (found := _CPUS.search(line.text)):
            self.cpus = tuple(map(int, _CPU.findall(found[1])))
            self.is_loading = False
        elif found := _CPUS_NUM.search(line.text):
            self._first("enabled_cpus_num", found)
            self.is_loading = False

    def read_rknn(self, line: Line) -> None:
        if not self.scene.believes(line):
            return
        self._first("librknnrt", _LIBRKNNRT.search(line.text))
        if found := _RKNN_DRIVER.search(line.text):
            self.drivers.setdefault("rknn", found[1])

    def read_kernel_driver(self, line: Line) -> None:
        if not self.scene.in_answer and (found := _KERNEL_DRIVER.search(line.text)):
            self.drivers.setdefault("kernel", found[1] or found[2])

    def read_verdict(self, line: Line) -> None:
        if self.scene.in_answer or (found := _VERDICT.search(line.text)) is None:
            return
        self.is_loading = False
        if self.verdict is None:
            self.verdict = (found[1] or "success").lower() == "success"
            self.verdict_line = self.scene.line_number

    def read_error(self, line: Line) -> None:
        if self.first_error_line is None and self.scene.believes(line) and _ERROR.search(line.text):
            self.first_error_line = self.scene.line_number

    def init_ok(self, first_seen: dict[str, tuple[int, int]]) -> bool | None:
        """Whether the model loaded; None without a verdict, or where the order of the lines is not that of events."""
        if not self.verdict:
            return self.verdict
        before = {name for name, (line, _) in first_seen.items() if line <= self.verdict_line}
        if before & LATE_ERRORS:
            return None
        late = self.first_error_line is None or self.first_error_line > self.verdict_line
        return late and not before

    CUES = (
        ("rkllm-runtime", read_runtime),
        ("driver version:", read_driver),
        ("rkllm-toolkit", read_toolkit),
        ("target_platform:", read_toolkit),
        ("loading rkllm model", read_loading),
        ("enabled cpus", read_cpus),
        ("librknnrt version:", read_rknn),
        ("driver information", read_rknn),
        ("initialized rknpu", read_kernel_driver),
        ("rknpu driver: v", read_kernel_driver),
        ("rkllm init ", read_verdict),
        ("rkllm_init ", read_verdict),
        ("initialized successfully", read_verdict),
        ("e rkllm", read_error),
        ("e rknn", read_error),
    )
