"""What is known of runs and logs, brought together for the checks: the only part of this package that opens files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from analysis.architecture import Architecture
from analysis.board_fit import BoardFit
from analysis.clocks import read_clocks
from analysis.conditions import top_hz
from analysis.diagnosis.expected import Expected, expect, model_named_in, nearest_reference, same_model
from analysis.diagnosis.observed import NOTHING, Observed
from analysis.diagnosis.work_clocks import BusySamples, read_busy
from analysis.evidence import Record, RunFiles, Unreadable
from analysis.outcome import Outcome
from analysis.parse import FAILURE_CLASSES, ParsedLog, ParsedRun
from analysis.references import Reference
from analysis.runs import Run, read_logs

TEXT_LIMIT = 4 * 2**20  # of a log's start: the banner and what libraries complain of
_MODEL_PATH = re.compile(rb"loading rkllm model from ([^\r\n]{1,400})")
_NO_RUN = frozenset({Outcome.SKIPPED, Outcome.UNREACHABLE})
DECIDED = frozenset({Outcome.FAILED, Outcome.OOM, Outcome.TIMEOUT, Outcome.REBOOTED, Outcome.LOST, *_NO_RUN})
DEFAULT_CORES = 3


def observe_run(
    run: Run,
    files: RunFiles,
    *,
    arch: Architecture | None,
    references: Sequence[Reference],
    fit: BoardFit | None = None,
    usual_contexts: tuple[int, ...] = (),
) -> Observed:
    """One run of the archive."""
    parsed = read_logs(files)
    values = Record(parsed.as_dict())
    before, after, spec = (_fields(files.record(f"{name}.json")) for name in ("facts.before", "facts.after", "spec"))
    failure = parsed.failure
    advice = run.advice
    if failure is None and run.outcome in DECIDED and values.number("generate.tps") is None:
        failure, advice = f"{run.outcome}: {run.reason}", run.advice
    return Observed(
        parsed=values,
        run=run,
        text=_text(*(files.read(name, TEXT_LIMIT) or b"" for name in ("stdout.log", "stderr.log"))),
        warnings=values.texts("warnings"),
        failure=failure,
        advice=advice or _advice(parsed.failure),
        spec=spec,
        before=before,
        after=after,
        clocks=read_clocks(files.record("clocks.json"), spec.text("clocks")),
        telemetry=files.telemetry(),
        busy=_busy(files),
        expected=_expected(values, arch, run.npu_cores, top_hz(before.get("dmc.available_hz")), run.dtype),
        reference=nearest_reference(references, run.model_title or run.model, run.npu_cores, run.runtime),
        usual_contexts=usual_contexts,
        arch=arch,
        fit=fit,
    )


def observe_log(
    parsed: ParsedLog | ParsedRun,
    data: bytes,
    *,
    model: str | None,
    architectures: Mapping[str, Architecture],
    references: Sequence[Reference],
) -> Observed:
    """A log and nothing else. Of several turns the first is taken: later ones may have been answered from a cache."""
    values = Record(parsed.as_dict())
    turns = values.get("turns")
    if isinstance(turns, list) and turns and values.get("generate") is None:
        values = Record({**values.fields, "prefill": turns[0].get("prefill"), "generate": turns[0].get("generate")})
    arch = next((one for name, one in architectures.items() if same_model(name, model)), None)
    cores = values.whole("npu_core_num")
    return Observed(
        parsed=values,
        text=_text(data),
        warnings=values.texts("warnings"),
        failure=parsed.failure,
        advice=_advice(parsed.failure),
        expected=_expected(values, arch, cores or DEFAULT_CORES, None, None),
        reference=nearest_reference(references, model, cores or DEFAULT_CORES, values.text("runtime")),
        arch=arch,
    )


def model_of_log(data: bytes, file_name: str, names: Iterable[str]) -> str | None:
    """The model that the banner's path names, else the log's own name."""
    known = tuple(names)
    if matched := _MODEL_PATH.search(data):
        path = matched[1].decode("utf-8", "replace").strip()
        if said := model_named_in(path.rsplit("/", 1)[-1], known) or model_named_in(path, known):
            return said
    return model_named_in(Path(file_name).name, known)


def _expected(
    values: Record, arch: Architecture | None, cores: int | None, dram: int | None, dtype: str | None
) -> Expected | None:
    if arch is None or cores not in (1, 2, 3) or cores is None:
        return None
    return expect(
        arch,
        values.text("model_dtype") or dtype,
        cores,
        values.text("runtime"),
        prompt_tokens=values.whole("prefill.tokens"),
        new_tokens=values.whole("generate.tokens"),
        dram_top_hz=dram,
    )


def _busy(files: RunFiles) -> BusySamples:
    if not files.has("telemetry.csv"):
        return BusySamples()
    with files.path("telemetry.csv").open("rb") as file:
        return read_busy(file)


def _text(*logs: bytes) -> str:
    return "\n".join(data[:TEXT_LIMIT].decode("utf-8", "replace") for data in logs).casefold()


def _advice(failure: str | None) -> str | None:
    known = FAILURE_CLASSES.get(failure or "")
    return f"{known.means}: {known.advice}" if known else None


def _fields(record: Record | Unreadable | None) -> Record:
    return record if isinstance(record, Record) else NOTHING
