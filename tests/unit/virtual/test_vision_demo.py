"""The multimodal demos of a virtual board: their words by version, and that a reader of logs finds what really was."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analysis.parse import parse_log
from tests.unit.virtual.test_demo_layouts import ABORTED, CPUS, TOOLKIT, Bench, Script, banner, masked, table
from virtual import physics
from virtual.artifacts import ENCODERS, MODELS, artifact_bytes, encoder_bytes, read_encoder, read_header
from virtual.config import BoardConfig
from virtual.demo import File, Request
from virtual.physics import Clocks, Luck, silicon
from virtual.truth import Truth
from virtual.vision_demo import DEMOS

RUNTIMES = ("1.1.4", "1.2.0", "1.2.1", "1.2.2", "1.2.3", "1.3.0")
MARKERS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
FURTHER = {
    "1.1.4": (),
    "1.2.0": (),
    "1.2.1": ("2",),
    "1.2.2": ("2", *MARKERS),
    "1.2.3": ("2", *MARKERS),
    "1.3.0": ("2", "rk3588", *MARKERS),
}
FILES = ("i.png", "e.rknn", "m.rkllm", "40", "4096")
ASKED = "<image>What is it?"


@dataclass
class Seen:
    """One run of a multimodal demo, to its end."""

    folder: Path
    runtime: str
    further: tuple[str, ...] | None = None
    program: str = "demo"
    model: str = "qwen3-vl-2b"
    faults: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    lines: tuple[str, ...] = (ASKED, "exit")
    image: bool = True
    encoder: bytes | None = None

    def run(self) -> tuple[Script, dict[str, Any]]:
        script = Script(list(self.lines))
        config = BoardConfig(time_scale=900_000, runtime=self.runtime, faults=self.faults, traits=self.traits)
        truth = Truth(self.folder / "truth.jsonl")
        further = FURTHER[self.runtime] if self.further is None else self.further
        files = {
            1: file(self.encoder if self.encoder is not None else encoder_bytes(self.model), "e"),
            2: file(artifact_bytes(self.model, 3), "m"),
        }
        files |= {0: File("", 1495, "i")} if self.image else {}
        model = files[2]
        request = Request(
            *(7, "m.rkllm", "40", "4096", 1, "line", model.head, model.size_bytes, model.file_id),
            program=self.program,
            arguments=(*FILES, *further) if self.program == "demo" else FILES,
            files=files,
        )
        talk = DEMOS[self.program](Bench(config, truth), script, request, 1)  # type: ignore[arg-type]
        asyncio.run(asyncio.wait_for(talk.run(), 20))
        truth.close()
        return script, talk.made


def file(content: bytes, identity: str) -> File:
    return File(content.partition(b"\n")[0].decode(errors="replace"), len(content), identity)


def tensors(model: str, headings: tuple[str, str, str] = ("input tensors:", "output tensors:", "model input")) -> str:
    one = ENCODERS[model]
    pixels, made = 3 * one.resolution**2, one.image_tokens * one.width
    rest = "type=FP16, qnt_type=AFFINE, zp=0, scale=1.000000\n"
    shape = f"dims=[{one.image_tokens}, {one.width}, 0, 0], n_elems={made}, size={2 * made}, fmt=UNDEFINED, {rest}"
    return (
        f"model input num: 1, output num: {one.outputs}\n{headings[0]}\n"
        f"  index=0, name=pixel, n_dims=4, dims=[1, {one.resolution}, {one.resolution}, 3], n_elems={pixels},"
        f" size={2 * pixels}, fmt=NHWC, {rest}{headings[1]}\n"
        + "".join(f"  index={at}, name={4820 + at}, n_dims=2, {shape}" for at in range(one.outputs))
        + f"{headings[2]} height={one.resolution}, width={one.resolution}, channel=3\n"
    )


MENU = """
**********************可输入以下问题对应序号获取回答/或自定义输入********************

[0] <image>What is in the image?
[1] <image>这张图片中有什么？

*************************************************************************


user: robot: #
"""
TIME = re.compile(r"(main: (?:LLM|ImgEnc) Model (?:loaded in|inference took)) +\d+\.\d\d ms")


def without_numbers(text: str) -> str:
    """Times and the answer masked."""
    said = TIME.sub(r"\1 # ms", masked(text))
    return re.sub(r"((?:robot|Answer): ).*?(?=\n(?:I rkllm: )?-{86}\n)", r"\1#", said, count=1, flags=re.DOTALL)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_word_of_a_run_is_that_of_its_version(tmp_path: Path, runtime: str) -> None:
    script, _ = Seen(tmp_path, runtime).run()
    said = banner(runtime).removeprefix("rkllm init start\n")
    if runtime >= "1.2":
        said += TOOLKIT + CPUS + "I rkllm: Using mrope\n"
    said += "rkllm init success\nmain: LLM Model loaded in # ms\n"
    said += "===the core num is 2===\n" if runtime > "1.2.0" else ""
    said += tensors("qwen3-vl-2b")
    said += "main: ImgEnc Model loaded in # ms\nmain: ImgEnc Model inference took # ms\n"
    assert without_numbers(script.stdout) == said + MENU + table(runtime) + "\nuser: "
    assert (script.stderr, script.end) == ("", 0)


def test_vlm_npu_has_words_of_its_own_and_no_times(tmp_path: Path) -> None:
    script, made = Seen(tmp_path, "1.2.3", program="VLM_NPU", model="internvl3.5-1b").run()
    said = banner("1.2.3").removeprefix("rkllm init start\n") + TOOLKIT + CPUS
    said += "rkllm init success\nused NPU cores 3\n"
    said += tensors("internvl3.5-1b", ("Input tensors:", "Output tensors:", "Model input"))
    assert without_numbers(script.stdout) == said + "\nUser: Answer: #\n" + table("1.2.3") + "\nUser: "
    log = parse_log(script.stdout.encode())
    assert (log.image_encode_ms, log.llm_load_ms, log.vision_core_num) == (None, None, None)
    assert (log.n_image_tokens, log.resolution, made["vision_cores"]) == (256, "448x448", 3)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_reader_finds_what_really_was(tmp_path: Path, runtime: str) -> None:
    script, made = Seen(tmp_path, runtime).run()
    log = parse_log(script.stdout.encode())
    assert log.prefill and log.generate
    for name, seen in (
        ("image_encode_ms", log.image_encode_ms),
        ("imgenc_load_ms", log.imgenc_load_ms),
        ("llm_load_ms", log.llm_load_ms),
        ("prefill_ms", log.prefill.total_ms),
        ("generate_ms", log.generate.total_ms),
    ):
        assert seen == pytest.approx(made[name], abs=0.006), name
    assert log.image_encode_ms != log.imgenc_load_ms
    assert (log.prefill.tokens, log.n_image_tokens) == (made["prefill_tokens"], 196)
    assert made["prefill_tokens"] > 196
    assert log.vision_core_num == (2 if runtime > "1.2.0" else None)
    assert (log.resolution, log.truncated, log.failure, log.tainted) == ("448x448", None, None, None)
    if log.memory:
        assert log.memory_bytes == pytest.approx(made["peak_bytes"], abs=0.006 * 2**30)


def test_a_prompt_without_an_image_is_answered_as_text(tmp_path: Path) -> None:
    _, made = Seen(tmp_path, "1.2.3", lines=("What is it?", "exit")).run()
    assert made["prefill_tokens"] < 20  # type: ignore[operator]


def test_a_preset_is_about_the_image(tmp_path: Path) -> None:
    script, made = Seen(tmp_path, "1.2.3", lines=("0", "exit")).run()
    assert made["prefill_tokens"] > 196 and "user: <image>What is in the image?\nrobot: " in script.stdout  # type: ignore[operator]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_encoder_that_fails_is_one_line_and_the_demo_goes_on(tmp_path: Path, runtime: str) -> None:
    script, made = Seen(tmp_path, runtime, faults=("encoder_failed",)).run()
    assert (script.end, script.stderr) == (0, "")
    assert "run_imgenc fail! ret=-1\n" in script.stdout and made["generate_tokens"] == 39
    log = parse_log(script.stdout.encode())
    assert (log.encoder_failed, log.tainted, log.perf_present) == (True, True, True)


@pytest.mark.parametrize(
    ("runtime", "further", "says"),
    [
        ("1.2.1", (), "Usage: demo "),
        ("1.2.3", (), "[img_start] [img_end] [img_content]"),
        ("1.3.0", ("3",), " platform [img_start]"),
        ("1.3.0", ("3", *MARKERS), "Error: Unknown platform: <|vision_start|>"),
    ],
)
def test_the_arguments_of_another_version_are_refused(
    tmp_path: Path, runtime: str, further: tuple[str, ...], says: str
) -> None:
    script, _ = Seen(tmp_path, runtime, further).run()
    assert (script.stdout, script.end) == ("", 255) and says in script.stderr


@pytest.mark.parametrize(("runtime", "further"), [("1.2.3", ("3",)), ("1.3.0", ("3", "rk3588"))])
def test_markers_may_be_left_out_with_a_warning(tmp_path: Path, runtime: str, further: tuple[str, ...]) -> None:
    script, _ = Seen(tmp_path, runtime, further).run()
    assert script.end == 0 and script.stderr.startswith("[Warning] Using default img_start")


def test_a_missing_image_is_an_exception_and_a_broken_encoder_ends_the_demo(tmp_path: Path) -> None:
    script, _ = Seen(tmp_path, "1.2.3", image=False).run()
    assert script.end == ABORTED and "cv::Exception" in script.stderr
    script, _ = Seen(tmp_path, "1.2.3", encoder=b"version https://git-lfs.github.com/spec/v1\n").run()
    assert script.end == 255 and "Invalid RKNN format" in script.stderr


def test_the_process_holds_model_and_encoder_together(tmp_path: Path) -> None:
    _, seeing = Seen(tmp_path, "1.2.3").run()
    chip = silicon("bench", 0)
    text = physics.resident_bytes(chip, MODELS["qwen3-vl-2b"], int(seeing["prefill_tokens"]) + 40)
    assert seeing["peak_bytes"] == pytest.approx(text + physics.encoder_bytes(chip, ENCODERS["qwen3-vl-2b"]), rel=0.001)


def test_encoding_takes_what_was_published_and_follows_cores_and_resolution() -> None:
    """448 pixels on three cores: 2.1 to 2.2 s in Qwen3-VL and InternVL3.5, 3.28 s in Qwen2-VL at 392."""
    plain = Luck(1.0, 0.0, False, 1.0, 0.5)
    clocks = Clocks(physics.NPU_FULL_HZ, physics.DMC_FULL_HZ, physics.BIG_CPU_FULL_HZ, 50_000)
    for model, seconds in (("qwen3-vl-2b", 2.1), ("qwen3-vl-4b", 2.2), ("internvl3.5-2b", 2.1), ("qwen2-vl-2b", 3.28)):
        for name in "abc":
            chip = silicon(name, 0)
            three, two, one = (physics.encode_ms(chip, ENCODERS[model], n, clocks, plain) for n in (3, 2, 1))
            assert three == pytest.approx(1000 * seconds, rel=0.12)
            assert 1.2 * three < two < 1.6 * three < 2.2 * three < one < 3 * three
    small = ENCODERS["qwen3-vl-2b"]
    large = type(small)(**{**vars(small), "resolution": 672})
    chip = silicon("a", 0)
    share = physics.encode_ms(chip, large, 3, clocks, plain) / physics.encode_ms(chip, small, 3, clocks, plain)
    assert 2.25 < share < 2.8  # more than the pixels, for attention is of each patch to each


def test_the_two_sorts_of_file_are_not_taken_for_each_other() -> None:
    encoder = encoder_bytes("qwen3-vl-4b").partition(b"\n")[0].decode()
    model = artifact_bytes("qwen3-vl-4b", 3).partition(b"\n")[0].decode()
    read = read_encoder(encoder)
    assert read is not None and read.encoder == ENCODERS["qwen3-vl-4b"] and read.encoder.image_tokens == 196
    assert (read_header(encoder), read_encoder(model)) == (None, None)
    assert len(encoder) < 1024 and len(model) < 1024  # as much as the demo looks at
