"""The script that makes an artifact: everything that varies stands in its first lines as literals, the rest is fixed.

So nothing that a catalogue says can become code. The script runs where rkllm-toolkit is, which is no board and not
this program; its calls are those of the vendor's own examples for toolkit 1.2, and nobody has run it here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleet import defaults
from fleet.config.model import Model, VisionArtifact
from fleet.errors import ConfigError

_HEAD = '''\
#!/usr/bin/env python3
"""Convert a model for the NPU of an RK3588: printed by `invoke models --recipe`.

It runs on an x86-64 Linux PC with the vendor's converters, which come with its releases:
  rkllm-toolkit   https://github.com/airockchip/rknn-llm       for the language model (.rkllm)
  rknn-toolkit2   https://github.com/airockchip/rknn-toolkit2  for a vision encoder (.rknn); keep them apart
Take the release of the toolkit that the boards have as runtime (`invoke boards`). An older toolkit's file usually
loads; a newer one's may be refused as invalid. num_npu_core is fixed here: one file for each NPU core count.
"""

import hashlib
import pathlib
import sys

'''

_LLM = '''

def checked(code, doing):
    """The toolkits say what went wrong as a number."""
    if code != 0:
        sys.exit(f"{doing} ended with {code}")


def made(path):
    """What the catalogue wants to know of a file."""
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    print(f"{path}: {pathlib.Path(path).stat().st_size} bytes, sha256 {digest.hexdigest()}")


def language_model():
    """Weights to .rkllm."""
    from rkllm.api import RKLLM

    if not pathlib.Path(DATASET).is_file():
        sys.exit(f"{DATASET} is missing: {DATASET_HELP}")
    llm = RKLLM()
    checked(llm.load_huggingface(model=FOLDER, model_lora=None, device="cpu"), "load")
    checked(
        llm.build(
            do_quantization=True,
            optimization_level=OPTIMIZATION_LEVEL,
            quantized_dtype=DTYPE,
            quantized_algorithm=ALGORITHM,
            target_platform="rk3588",
            num_npu_core=NUM_NPU_CORE,
            extra_qparams=None,
            dataset=DATASET,
            hybrid_rate=0,
            max_context=MAX_CONTEXT,
        ),
        "build",
    )
    checked(llm.export_rkllm(FILE), "export")
    made(FILE)
'''

_VISION = '''

def vision_encoder():
    """ONNX to .rknn, in fp16. The vendor's multimodal example has the script (export_vision.py) that makes the ONNX
    file from the weights, at this resolution."""
    from rknn.api import RKNN

    if not pathlib.Path(VISION_ONNX).is_file():
        sys.exit(f"{VISION_ONNX} is missing: the vendor's export_vision.py makes it, at {RESOLUTION} x {RESOLUTION}")
    rknn = RKNN(verbose=False)
    checked(
        rknn.config(
            target_platform="rk3588",
            mean_values=[[255 * value for value in MEAN]],
            std_values=[[255 * value for value in STD]],
        )
        or 0,
        "config",
    )
    checked(rknn.load_onnx(model=VISION_ONNX), "load the vision encoder")
    checked(rknn.build(do_quantization=False), "build the vision encoder")
    checked(rknn.export_rknn(VISION_FILE), "export the vision encoder")
    rknn.release()
    made(VISION_FILE)
'''

_RUN_LLM = """

if __name__ == "__main__":
    language_model()
"""

_RUN_BOTH = """

if __name__ == "__main__":
    parts = {"llm": language_model, "vision": vision_encoder}
    if sys.argv[1:] not in (["llm"], ["vision"]):
        sys.exit(f"usage: {sys.argv[0]} llm|vision")
    parts[sys.argv[1]]()
"""


@dataclass(frozen=True)
class Target:
    """Which file is to be made. None is as the catalogue's entry for that core count has it."""

    npu_cores: int
    max_context: int | None = None
    dtype: str | None = None


def recipe(model: Model, target: Target) -> str:
    """A Python program that makes this file of this model. Raises ConfigError where an RK3588 can not run it."""
    dtype, context = _asked(model, target)
    file = _file_name(model, target.npu_cores, dtype, context)
    gigabytes = f"{2 * model.parameters / 1e9:.1f} GB to download, and more than that" if model.parameters else "Much"
    since = f"{model.runtime.since}" if model.runtime and model.runtime.since else "no release that is known of"
    data = (
        "data_quant.json",
        "a JSON list of {'input': …, 'target': …}, some 20 questions in the model's own chat form",
    )
    if model.vision is not None:
        data = ("data/inputs.json", "the vendor's multimodal example makes it (make_input_embeds_for_quantize.py)")
    weights = model.weights or model.title
    lines = [
        _line("TITLE", model.title),
        _line("WEIGHTS", weights, "download them into FOLDER"),
        _line("FOLDER", _plain(weights.rstrip("/").rpartition("/")[2]), f"{gigabytes} of RAM while converting"),
        _line("FILE", file),
        _line("NUM_NPU_CORE", target.npu_cores, "of the three; printed back as npu_core_num by the runtime"),
        _line("MAX_CONTEXT", context, "a multiple of 32; a run may ask for less, never for more"),
        _line("DTYPE", dtype.lower(), "the vendor's examples write it in both cases; W4A16 is for other chips"),
        _line("ALGORITHM", defaults.QUANTIZATION),
        _line("OPTIMIZATION_LEVEL", defaults.OPTIMIZATION_LEVEL, "1 gives more accuracy, 0 the plain weights"),
        _line("OLDEST_TOOLKIT", since, "that supports this model"),
        _line("DATASET", data[0], "quantization is calibrated with it"),
        _line("DATASET_HELP", data[1]),
    ]
    if model.vision is None:
        return _HEAD + "\n".join(lines) + "\n" + _LLM + _RUN_LLM
    encoder = next((one for one in model.vision_artifacts if not one.standin), None)
    lines += [
        _line("VISION_ONNX", f"{_plain(model.title)}_vision.onnx"),
        _line("VISION_FILE", encoder.file if encoder else f"{_plain(model.title)}_vision_FP16_RK3588.rknn"),
        _line("RESOLUTION", _resolution(model, encoder), "pixels; the number of image tokens follows from it"),
        _line("IMAGE_TOKENS", model.vision.image_tokens, f"at {model.vision.resolution} x {model.vision.resolution}"),
        _line("MEAN", model.vision.mean),
        _line("STD", model.vision.std),
    ]
    return _HEAD + "\n".join(lines) + "\n" + _LLM + _VISION + _RUN_BOTH


def _asked(model: Model, target: Target) -> tuple[str, int]:
    """Dtype and context, as asked for or as the catalogue has them."""
    real = model.artifacts_for(standin=False)
    if not real and model.note:
        raise ConfigError(f"no RK3588 can run {model.title}: {model.note}", key="--recipe")
    same = next((one for one in real if one.npu_core_num == target.npu_cores), None)
    dtype = target.dtype or (same.dtype if same else model.dtypes[0])
    if dtype.upper() not in model.dtypes:
        raise ConfigError(f"an RK3588 has no {dtype}; {model.title} can be {', '.join(model.dtypes)}", key="--dtype")
    context = target.max_context or (same.max_context if same else defaults.MAX_CONTEXT_LEN)
    if context % defaults.CONTEXT_STEP or context > defaults.LONGEST_CONTEXT:
        step, most = defaults.CONTEXT_STEP, defaults.LONGEST_CONTEXT
        raise ConfigError(
            f"{context} is not a multiple of {step} up to {most}, as the toolkit wants it", key="--context"
        )
    return dtype.upper(), context


def _file_name(model: Model, cores: int, dtype: str, context: int) -> str:
    """The catalogue's own where it is that very file, else one that says what it is."""
    for one in model.artifacts_for(standin=False):
        if (one.npu_core_num, one.dtype.upper(), one.max_context) == (cores, dtype, context):
            return one.file
    usual = "" if context == defaults.MAX_CONTEXT_LEN else f"_ctx{context}"
    return f"{_plain(model.title)}_{dtype}_RK3588_{cores}core{usual}.rkllm"


def _resolution(model: Model, encoder: VisionArtifact | None) -> int:
    assert model.vision is not None
    return (encoder.resolution if encoder else None) or model.vision.resolution


def _plain(text: str) -> str:
    """A title as part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:80] or "model"


def _line(name: str, value: str | int | tuple[float, ...], why: str = "") -> str:
    """One literal; ``why`` is ours, never a catalogue's text."""
    return f"{name} = {value!a}" + (f"  # {why}" if why else "")
