"""The vision part of a log: encoder load, image encode, image tokens, the demo's stages.

A load is never an encode: each number comes from the sentence that names it, in the official demos (``main:
ImgEnc Model inference took N ms``), in imgenc (``main: Encoder the image cost N ms``) or in a wrapper's own
words, given in seconds. An encoder that fails does not end the demo: it says so, and goes on without the image.
"""

from __future__ import annotations

import re
from typing import Any

from analysis.parse.lines import DECIMAL, Line
from analysis.parse.scene import Scene

_MS = rf"\s*:?\s*{DECIMAL}\s*ms\b"
_S = rf"\s*{DECIMAL}\s*(?:seconds|秒)"
_TIMES = (  # name, factor to the field's unit, sentence; the first sentence of a name in the file wins
    ("llm_load_ms", 1.0, re.compile(r"LLM Model loaded in" + _MS)),
    ("llm_load_ms", 1000.0, re.compile(r"Language model loaded in" + _S)),
    ("imgenc_load_ms", 1.0, re.compile(r"ImgEnc Model loaded in" + _MS)),
    ("imgenc_load_ms", 1.0, re.compile(r"main: Model loaded in" + _MS)),
    ("imgenc_load_ms", 1000.0, re.compile(r"Vision encoder loaded in" + _S)),
    ("image_encode_ms", 1.0, re.compile(r"ImgEnc Model inference took" + _MS)),
    ("image_encode_ms", 1.0, re.compile(r"Encoder the image cost" + _MS)),
    ("image_encode_ms", 1000.0, re.compile(r"Vision encoder inference time:" + _S)),
    ("image_encode_ms", 1000.0, re.compile(r"视觉编码器推理耗时[:：]" + _S)),
    ("ttft_s_script", 1.0, re.compile(r"Time to first token:" + _S)),
)
_CORES = re.compile(r"===\s*the core num is (\d{1,9})\s*===")
_TENSOR = re.compile(r"index=0\b.*?\bdims=\[(\d{1,15})\s*[,\]]")
_IMAGE_TOKENS = re.compile(r"n_image_tokens:\s*(\d{1,15})(?=[^\w.])")
_INPUT = re.compile(r"model input height=(\d{1,6}), width=(\d{1,6}), channel=\d", re.IGNORECASE)
_LINES_TO_TENSOR = 3  # another writer may get in between the heading and the first tensor


class Vision:
    """Reads the lines of encoder and demo."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.times: dict[str, Any] = {}
        self.core_num: int | None = None
        self.image_tokens: int | None = None
        self.resolution: str | None = None
        self.is_encoder_broken = False
        self.is_encoder_loaded = False  # and no image went through it yet
        self.is_menu_open = False

    def read_time(self, line: Line) -> None:
        if not self.scene.believes(line):
            return
        for name, factor, sentence in _TIMES:
            found = sentence.search(line.text)
            if found is None:
                continue
            self.times.setdefault(name, float(found[1]) * factor)
            if name == "image_encode_ms":
                self.is_encoder_loaded = False
            elif "ImgEnc Model loaded in" in line.text:
                self.is_encoder_loaded = True

    def read_cores(self, line: Line) -> None:
        if self.core_num is None and self.scene.believes(line) and (found := _CORES.search(line.text)):
            self.core_num = int(found[1])

    def read_heading(self, line: Line) -> None:
        if self.image_tokens is None and self.scene.believes(line):
            self.scene.want(self.read_tensor, _LINES_TO_TENSOR)

    def read_tensor(self, line: Line) -> bool:
        """A line below the heading; True while the tensor is still to come."""
        found = _TENSOR.search(line.text)
        if found:
            self.image_tokens = int(found[1])
        return found is None

    def read_image_tokens(self, line: Line) -> None:
        if self.image_tokens is None and self.scene.believes(line) and (found := _IMAGE_TOKENS.search(line.text)):
            self.image_tokens = int(found[1])

    def read_input(self, line: Line) -> None:
        if self.resolution is None and self.scene.believes(line) and (found := _INPUT.search(line.text)):
            self.resolution = f"{int(found[2])}x{int(found[1])}"

    def read_broken(self, line: Line) -> None:
        if self.scene.believes(line):
            self.is_encoder_broken = True

    def read_menu(self, line: Line) -> None:
        if not self.scene.in_answer:
            self.is_menu_open = True

    def move_on(self) -> None:
        """The dialogue has begun: the stages before it are over."""
        self.is_encoder_loaded = False
        self.is_menu_open = False

    CUES = (
        ("model loaded in", read_time),
        ("vision encoder ", read_time),
        ("model inference took", read_time),
        ("the image cost", read_time),
        ("推理耗时", read_time),
        ("time to first token:", read_time),
        ("===the core num is", read_cores),
        ("output tensors:", read_heading),
        ("n_image_tokens:", read_image_tokens),
        ("model input height=", read_input),
        ("run_imgenc fail!", read_broken),
        ("可输入以下问题对应序号", read_menu),
    )
