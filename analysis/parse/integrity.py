"""Can the numbers of a run be believed? Named checks with what was seen and what was expected.

Exit code 0 and a complete table prove little: an NPU job that got lost leaves both, with a prefill that took
seconds for a dozen tokens. A check that fails taints the run; an observation only informs. What is not known
is not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.parse.records import ParsedLog, Stage, Turn

PREFILL_TOKENS_TO_JUDGE = 10  # below that a prefill may well be slower, per token, than generating
RATE_RELATIVE, RATE_ABSOLUTE = 0.01, 0.01  # both numbers are printed with two decimals
FEWEST_ANSWER_TOKENS = 16  # fewer give a rate with an error of several per cent
SMALLEST_ANSWER_SHARE = 0.1  # of the tokens asked for: less is another workload
CHARS_PER_TOKEN = 8  # at most, on average, in English, Chinese and code; 4 is usual
FEWEST_IMAGE_TOKENS = 64  # of the vision models in the catalogue's families, at their smallest input
LOST_JOBS = frozenset({"npu_submit_failed", "matmul_failed"})
UNDER_PRESSURE = frozenset({"oom_kill", "oom_task_table", "npu_timeout", "iova_exhausted"})


@dataclass(frozen=True)
class Planned:
    """What was asked for; None where nobody said."""

    npu_core_num: int | None = None
    max_new_tokens: int | None = None
    max_context_len: int | None = None
    prompt_chars: int | None = None
    runtime: str | None = None
    is_vision: bool | None = None
    vision_cores: int | None = None
    image_tokens: int | None = None
    resolution: int | None = None  # of the encoder's input, along an edge
    turns: int | None = 1


@dataclass(frozen=True)
class Check:
    """One question with its answer."""

    name: str
    observed: str
    expected: str
    ok: bool

    @property
    def sentence(self) -> str:
        """For a person."""
        return f"{self.name}: {self.observed}, expected {self.expected}"


def are_refuted(turns: Sequence[Turn], classes: Sequence[str], *, encoder_failed: bool = False) -> bool:
    """Whether rows are refuted by the file in which they stand."""
    return bool(turns) and (
        encoder_failed
        or not LOST_JOBS.isdisjoint(classes)
        or any(_is_prefill_slow(turn) or not all(map(_rate_agrees, turn.stages)) for turn in turns)
    )


def _is_prefill_slow(turn: Turn) -> bool:
    prefill, generate = turn.prefill, turn.generate
    if prefill.tokens <= PREFILL_TOKENS_TO_JUDGE or prefill.tps is None or generate.tps is None:
        return False
    return prefill.tps < generate.tps


def _rate(stage: Stage) -> float:
    return 1000.0 * stage.tokens / stage.total_ms


def _rate_agrees(stage: Stage) -> bool:
    if stage.tps is None or stage.total_ms <= 0:
        return True
    return abs(stage.tps - _rate(stage)) <= RATE_RELATIVE * stage.tps + RATE_ABSOLUTE


def checks_of_log(log: ParsedLog, classes: frozenset[str] | None = None) -> Iterator[Check]:
    """What rows and messages alone can tell."""
    seen = classes if classes is not None else frozenset((log.failure or "", *log.also))
    lost = sorted(seen & LOST_JOBS)
    yield Check("npu_jobs_finished", ", ".join(lost) or "no lost NPU job", "no lost NPU job", not lost)
    for turn in log.turns:
        yield from _checks_of_turn(turn)


def _checks_of_turn(turn: Turn) -> Iterator[Check]:
    prefill, generate = turn.prefill, turn.generate
    if prefill.tokens > PREFILL_TOKENS_TO_JUDGE and prefill.tps is not None and generate.tps is not None:
        yield Check(
            "prefill_faster_than_generate",
            f"prefill of {prefill.tokens} tokens at {prefill.tps} tok/s",
            f"more than generate's {generate.tps} tok/s",
            not _is_prefill_slow(turn),
        )
    for name, stage in (("prefill", prefill), ("generate", generate)):
        if stage.tps is None or stage.total_ms <= 0:
            continue
        yield Check(
            f"{name}_rate_agrees",
            f"{stage.tps} tok/s",
            f"{_rate(stage):.2f} tok/s from {stage.tokens} tokens in {stage.total_ms} ms",
            _rate_agrees(stage),
        )


def checks_of_plan(log: ParsedLog, planned: Planned) -> Iterator[Check]:
    """What was seen beside what was asked for."""
    if artifact := check_of_artifact(log, planned):
        yield artifact
    if planned.runtime is not None and log.runtime is not None:
        yield Check("runtime_as_planned", log.runtime, planned.runtime, log.runtime == planned.runtime)
    if not log.turns:
        return
    if planned.is_vision:
        yield from _vision_checks(log, planned)
    if planned.turns is not None:
        yield Check("turns_as_planned", f"{len(log.turns)} tables", f"{planned.turns}", len(log.turns) == planned.turns)
    first = log.turns[0]
    yield from _prompt_checks(first, log, planned)
    if planned.max_new_tokens is not None:
        yield from _answer_checks(first, planned.max_new_tokens)


def check_of_artifact(log: ParsedLog, planned: Planned) -> Check | None:
    """Is it the model file that was planned: its core count is fixed at conversion, and the banner knows it."""
    if planned.npu_core_num is None or log.npu_core_num is None:
        return None
    return Check(
        "npu_cores_as_planned",
        f"npu_core_num {log.npu_core_num} in the banner",
        f"{planned.npu_core_num}",
        log.npu_core_num == planned.npu_core_num,
    )


def _vision_checks(log: ParsedLog, planned: Planned) -> Iterator[Check]:
    """Of the encoder. The vendor's demo says when it encoded the image; another one that says nothing is believed."""
    says_times = log.llm_load_ms is not None or log.imgenc_load_ms is not None
    if log.encoder_failed:
        seen = "the demo says run_imgenc fail!, and answered without the image"
    elif says_times and log.image_encode_ms is None:
        seen = "no time of an encode, and the demo prints its other times"
    else:
        seen = "an encoded image"
    yield Check("image_encoded", seen, "an encoded image", seen == "an encoded image")
    if planned.vision_cores is not None:
        rejected = "vision_core_mask_rejected" in log.warnings
        cores = log.vision_core_num if log.vision_core_num is not None else planned.vision_cores
        yield Check(
            "vision_cores_as_planned",
            f"{cores} cores for the encoder{', which the library rejected' if rejected else ''}",
            f"{planned.vision_cores}",
            cores == planned.vision_cores and not rejected,
        )
    if planned.resolution is not None and log.resolution is not None:
        wanted = f"{planned.resolution}x{planned.resolution}"
        yield Check("resolution_as_planned", log.resolution, wanted, log.resolution == wanted)
    if planned.image_tokens is not None and log.n_image_tokens is not None:
        yield Check(
            "image_tokens_as_planned",
            f"{log.n_image_tokens} tokens of one image",
            f"{planned.image_tokens}",
            log.n_image_tokens == planned.image_tokens,
        )


def _prompt_checks(turn: Turn, log: ParsedLog, planned: Planned) -> Iterator[Check]:
    tokens = turn.prefill.tokens
    if planned.is_vision:
        image_tokens = log.n_image_tokens or planned.image_tokens or FEWEST_IMAGE_TOKENS
        yield Check(
            "image_in_prompt",
            f"prefill of {tokens} tokens",
            f"at least {image_tokens}, those of the image: the prompt must hold <image>",
            tokens >= image_tokens,
        )
    if planned.prompt_chars is not None:
        fewest = planned.prompt_chars // CHARS_PER_TOKEN
        yield Check(
            "whole_prompt_prefilled",
            f"prefill of {tokens} tokens",
            f"at least {fewest} for {planned.prompt_chars} characters: fewer come out of a cache",
            tokens >= fewest,
        )


def _answer_checks(turn: Turn, max_new_tokens: int) -> Iterator[Check]:
    """Far too short is another workload. The table does not count the first token, so one fewer is all of them."""
    tokens = turn.generate.tokens
    fewest = min(max(FEWEST_ANSWER_TOKENS, round(SMALLEST_ANSWER_SHARE * max_new_tokens)), max_new_tokens - 1)
    yield Check(
        "answer_long_enough",
        f"{tokens} tokens generated",
        f"at least {fewest} of {max_new_tokens - 1}: the rate of a shorter answer is mostly start-up",
        tokens >= fewest,
    )


def observations(log: ParsedLog, planned: Planned) -> Iterator[Check]:
    """Worth knowing, and no reason to doubt the numbers."""
    if log.turns and planned.max_new_tokens is not None:
        tokens, asked = log.turns[0].generate.tokens, planned.max_new_tokens - 1
        if tokens < asked:
            yield Check(
                "short_answer",
                f"{tokens} tokens generated",
                f"up to {asked}; the model ended its answer by itself",
                True,
            )
    if log.init_ok is False and log.turns:
        yield Check("init_ok", "the model's start reported an error", "a start without errors", False)
