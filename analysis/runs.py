"""A run as the analyst sees it: who, what, how it ended, and its numbers; every field can be traced to bytes.

Names are the folder's own. The plan is ``spec.json``'s, the truth about cores, runtime and toolkit is the
banner's. One sign of a simulated board anywhere in the evidence makes the run simulated for ever.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from analysis.clocks import read_clocks
from analysis.conditions import Conditions, condition_fields, condition_fingerprint, soc_of, top_hz
from analysis.ended import end_of, told_of
from analysis.environment import environment_of
from analysis.evidence import LOGS, REBOOT_LIMIT_BYTES, Record, RunFiles, Unreadable, find_runs
from analysis.metrics import BY_NAME, GIB
from analysis.out_of_memory import memory_at_the_end, tripped
from analysis.outcome import End, Judgement, Logs, Outcome, judge
from analysis.parse import ParsedRun, parse_run
from analysis.parse.integrity import Check
from analysis.plan_of_run import missed_gates, planned, spec_problem
from analysis.reboot import Why, explain
from analysis.stated import checks_of_stated, contradicted, stated_end, stated_text
from analysis.telemetry import Telemetry
from analysis.text import plain
from analysis.witnesses import available_drop, disagreement

_ASKED = ("prompt_set_sha256", "prompt_id", "max_new_tokens", "max_context_len")
MEASURED, SIMULATED, MANUAL, UNKNOWN = "measured", "simulated", "manual", "unknown"
_SEEING = ("encoder_sha256", "vision_cores", "vision_core_num", "resolution")


@dataclass(frozen=True)
class Workload:
    """What was asked of the model. Two runs of one cell have the same."""

    prompt_set: str | None = None
    prompt_set_sha256: str | None = None
    prompt_id: str | None = None
    prompt_chars: int | None = None
    max_new_tokens: int | None = None
    max_context_len: int | None = None
    image: str | None = None
    image_sha256: str | None = None

    @property
    def sentence(self) -> str:
        """For a table: prompt, image, new tokens at most, context."""
        prompt = "/".join(part for part in (self.prompt_set, self.prompt_id) if part)
        parts = (
            prompt,
            f"image {self.image}" if self.image else "",
            f"{self.max_new_tokens} new" if self.max_new_tokens is not None else "",
            f"ctx {self.max_context_len}" if self.max_context_len is not None else "",
        )
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Run:
    """One run. None is "the evidence does not say"; the numbers are there whatever the outcome."""

    campaign: str
    board: str
    run: str
    outcome: Outcome
    reason: str | None = None
    advice: str | None = None
    origin: str = UNKNOWN
    model: str | None = None
    model_title: str | None = None
    kind: str | None = None
    npu_cores: int | None = None
    npu_core_num: int | None = None
    vision_cores: int | None = None
    vision_core_num: int | None = None
    workload: Workload = field(default_factory=Workload)
    repeat: int | None = None
    warmup: bool = False
    runtime: str | None = None
    driver: str | None = None
    toolkit: str | None = None
    dtype: str | None = None
    artifact: str | None = None
    artifact_sha256: str | None = None
    encoder: str | None = None
    encoder_sha256: str | None = None
    resolution: str | None = None
    created_utc: str | None = None
    tool: str | None = None
    gate_waited_s: float | None = None  # before it started, until the board was as the suite wants it
    start_c: float | None = None  # the hottest sensor then
    forced: tuple[str, ...] = ()  # checks that the board had failed when it was measured all the same
    stated: str | None = None  # what a person said of a log made by hand
    clock_profile: str | None = None  # what was asked for: pinned, no_dmc or as_is
    clocks: str | None = None  # pinned, partly, or why not; None where nobody looked
    condition: str | None = None  # the fingerprint of all that must match before two runs are compared
    conditions: tuple[tuple[str, str], ...] = ()  # what that is the fingerprint of, by the names that people type
    environment: tuple[tuple[str, str], ...] = ()  # what else the board was like
    dram_top_hz: int | None = None  # the highest clock that the board's memory has
    quarantined: tuple[tuple[str, str], ...] = ()  # metrics that physics does not allow, each with its reason
    ttft_ms: float | None = None
    prefill_tps: float | None = None
    prefill_tokens: int | None = None
    generate_tps: float | None = None
    generate_tokens: int | None = None
    init_ms: float | None = None
    image_encode_ms: float | None = None
    vision_ttft_ms: float | None = None
    llm_load_ms: float | None = None
    imgenc_load_ms: float | None = None
    memory_rkllm_bytes: int | None = None
    memory_vmhwm_bytes: int | None = None
    memory_available_drop_bytes: int | None = None
    memory_note: str | None = None  # where those three disagree
    max_temperature_mc: int | None = None
    duration_s: float | None = None
    log: str | None = None  # relative to the project
    log_file: Path | None = None  # the same file; for links, never written as it is

    @property
    def simulated(self) -> bool:
        """Were the numbers made by a virtual board."""
        return self.origin == SIMULATED

    @property
    def counts(self) -> bool:
        """May it enter a statistic."""
        return self.outcome is Outcome.OK and not self.warmup

    @property
    def key(self) -> tuple[str, str, str]:
        """What sorts runs and names each of them once."""
        return (self.campaign, self.board, self.run)

    def believed(self, name: str) -> float | None:
        """The value of a metric as a statistic may have it: not when it is quarantined."""
        return None if any(name == metric for metric, _ in self.quarantined) else self.metric(name)

    def metric(self, name: str) -> float | None:
        """The stored value of a metric of the registry."""
        value: float | None = getattr(self, BY_NAME[name].name)
        return value

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every field in stored units; text as it was found."""
        answer = asdict(self) | {"outcome": str(self.outcome), "simulated": self.simulated}
        del answer["log_file"]  # a path of this machine
        return answer


def read_runs(collected: Path) -> tuple[Run, ...]:
    """Every run under ``collected``, sorted."""
    return tuple(read_run(files) for files in find_runs(collected))


def read_logs(files: RunFiles) -> ParsedRun:
    """All logs of one run read together; a folder of logs without spec.json and end.json does as well."""
    spec = _fields(files.record("spec.json"))
    end = _ended(files, spec)
    return parse_run(
        stdout=files.read("stdout.log"),
        stderr=files.read("stderr.log"),
        dmesg=files.read("dmesg.log"),
        exit_code=end.exit_code if end else None,
        # Told of the timeout, the parser does not take its KILL for the kernel's.
        result=None if end is None else "timeout" if end.timed_out else end.result,
        planned=planned(spec),
    )


def _ended(files: RunFiles, spec: Record) -> End | None:
    return end_of(files.record("end.json")) or (stated_end(spec) if spec.text("origin") == MANUAL else None)


@dataclass(frozen=True)
class Evidence:
    """A run with what it was judged by."""

    run: Run
    checks: tuple[Check, ...]  # of its logs
    telemetry: Telemetry


def read_run(files: RunFiles) -> Run:
    """One run from its evidence; nothing that lies in the folder makes this raise."""
    return read_evidence(files).run


def read_evidence(files: RunFiles) -> Evidence:
    """The same with what it was judged by."""
    records = {name: files.record(f"{name}.json") for name in ("spec", "start", "end", "outcome")}
    facts = [files.record(f"facts.{when}.json") for when in ("before", "after")]
    problem = spec_problem(files, records["spec"])
    spec, start, end_record = (_fields(records[name]) for name in ("spec", "start", "end"))
    by_hand = spec.text("origin") == MANUAL
    end = _ended(files, spec)
    parsed = read_logs(files)
    telemetry = files.telemetry()
    values = Record(parsed.as_dict())
    clocks = read_clocks(files.record("clocks.json"), spec.text("clocks"))
    judgement = judge(
        end=end,
        logs=_logs(
            parsed,
            (*_changed(files), *(clocks.broken if clocks else ()), *telemetry.refutes, *missed_gates(spec)),
            memory_at_the_end(telemetry.highest, tripped(start, end_record), start.number("uptime_s")),
        ),
        start_boot_id=start.text("boot_id"),
        told=told_of(records["outcome"]),
        by_hand=by_hand,
        rebooted=_rebooted(files, start),
    )
    if by_hand:
        judgement = contradicted(judgement, checks_of_stated(spec, parsed))
    if problem is not None:
        judgement = Judgement(Outcome.FAILED, problem)
    log_file = next((files.path(name) for name in LOGS if files.has(name)), None)
    memory_gib = values.number("memory_gb")  # the runtime prints VmHWM / 2**20 kB and calls it GB: it is GiB
    memory = {
        "rkllm": None if memory_gib is None else round(memory_gib * GIB),
        "vmhwm": telemetry.vmhwm_bytes,
        "drop": available_drop(
            _fields(facts[0]).whole("memory.available_bytes"),
            telemetry.available_first_bytes,
            telemetry.available_least_bytes,
        ),
    }
    kind = spec.text("kind")
    prefill_ms, encode_ms = values.number("prefill.total_ms"), values.number("image_encode_ms")
    run = Run(
        campaign=files.campaign,
        board=files.board,
        run=files.run,
        outcome=judgement.outcome,
        reason=plain(judgement.reason) if judgement.reason else None,
        advice=plain(judgement.advice) if judgement.advice else None,
        origin=_origin(spec, [spec, start, end_record, *(_fields(fact) for fact in facts)]),
        model=spec.text("model"),
        model_title=spec.text("model_title"),
        kind=kind,
        # Nobody planned a log made by hand: without a word on its cores it belongs where the banner puts it.
        npu_cores=spec.whole("npu_cores") or (values.whole("npu_core_num") if by_hand else None),
        npu_core_num=values.whole("npu_core_num"),
        vision_cores=spec.whole("vision_cores") or (values.whole("vision_core_num") if by_hand else None),
        vision_core_num=values.whole("vision_core_num"),
        workload=Workload(
            prompt_set=spec.text("workload.prompt_set"),
            prompt_set_sha256=spec.text("workload.prompt_set_sha256"),
            prompt_id=spec.text("workload.prompt_id"),
            prompt_chars=spec.whole("workload.prompt_chars"),
            max_new_tokens=spec.whole("workload.max_new_tokens"),
            max_context_len=spec.whole("workload.max_context_len"),
            image=spec.text("workload.image"),
            image_sha256=spec.text("workload.image_sha256"),
        ),
        repeat=spec.whole("repeat"),
        warmup=spec.flag("warmup") is True,
        runtime=values.text("runtime") or spec.text("stated.runtime"),
        driver=values.text("driver") or _first(facts, "npu.driver") or spec.text("stated.driver"),
        toolkit=values.text("toolkit"),
        dtype=values.text("model_dtype"),
        artifact=spec.text("artifact.file"),
        artifact_sha256=spec.text("artifact.sha256"),
        encoder=spec.text("encoder.file"),
        encoder_sha256=spec.text("encoder.sha256"),
        resolution=values.text("resolution"),
        created_utc=spec.text("created_utc"),
        tool=spec.text("tool"),
        gate_waited_s=spec.number("gate.waited_s"),
        start_c=spec.number("gate.temperature_c"),
        forced=spec.texts("forced"),
        stated=stated_text(spec) if by_hand else None,
        clock_profile=spec.text("clocks"),
        clocks=plain(clocks.sentence) if clocks else None,
        dram_top_hz=top_hz(_fields(facts[0]).get("dmc.available_hz")),
        ttft_ms=prefill_ms if kind == "llm" else None,  # with an image it waits for the encoder, too: another metric
        vision_ttft_ms=prefill_ms + encode_ms if prefill_ms is not None and encode_ms is not None else None,
        image_encode_ms=encode_ms,
        llm_load_ms=values.number("llm_load_ms"),
        imgenc_load_ms=values.number("imgenc_load_ms"),
        prefill_tps=values.number("prefill.tps"),
        prefill_tokens=values.whole("prefill.tokens"),
        generate_tps=values.number("generate.tps"),
        generate_tokens=values.whole("generate.tokens"),
        init_ms=values.number("init_ms"),
        memory_rkllm_bytes=memory["rkllm"],
        memory_vmhwm_bytes=memory["vmhwm"],
        memory_available_drop_bytes=memory["drop"],
        memory_note=disagreement(**memory),
        max_temperature_mc=telemetry.hottest_mc,
        duration_s=end.duration_s if end else None,
        log=relative_log(files, log_file),
        log_file=log_file,
    )
    conditions = Conditions(
        origin=run.origin,
        soc=soc_of(_fields(facts[0]).get("board.compatible")),
        dram_top_hz=run.dram_top_hz,
        model=run.model,
        artifact_sha256=run.artifact_sha256,
        npu_cores=run.npu_core_num or run.npu_cores,
        dtype=run.dtype,
        runtime=run.runtime,
        driver=run.driver,
        workload=_compared(run),
        clocks=clocks.condition() if clocks else None,
    )
    run = replace(
        run,
        condition=condition_fingerprint(conditions),
        conditions=tuple(condition_fields(conditions).items()),
        environment=environment_of(_fields(facts[0]), tool=run.tool),
    )
    return Evidence(run, parsed.checks, telemetry)


def _compared(run: Run) -> dict[str, Any]:
    """What was asked of the model; of a vision model also what the image and its encoder were."""
    asked: dict[str, Any] = {name: getattr(run.workload, name) for name in _ASKED}
    if run.kind == "vlm":
        asked |= {"image_sha256": run.workload.image_sha256} | {name: getattr(run, name) for name in _SEEING}
    return asked


def _fields(record: Record | Unreadable | None) -> Record:
    return record if isinstance(record, Record) else Record({})


def _rebooted(files: RunFiles, start: Record) -> Why | None:
    log = files.read("reboot.log", REBOOT_LIMIT_BYTES)
    return None if log is None else explain(log, epoch_s=start.number("epoch_s"), uptime_s=start.number("uptime_s"))


def _origin(spec: Record, records: list[Record]) -> str:
    """Where the numbers are from; one sign of a simulation is enough, whatever another file says."""
    for record in records:
        signs = (record.get("simulated"), record.get("time_scale"))
        if record.get("origin") == SIMULATED or any(sign is not None and sign is not False for sign in signs):
            return SIMULATED
    said = spec.text("origin")
    return said if said in (MEASURED, MANUAL) else UNKNOWN


def _first(records: list[Record | Unreadable | None], path: str) -> str | None:
    return next((text for record in records if (text := _fields(record).text(path)) is not None), None)


def relative_log(files: RunFiles, log_file: Path | None) -> str:
    """As seen from the project, which is the folder that ``collected`` lies in."""
    parts = [files.collected.name or "collected", files.campaign, files.board, files.run]
    return "/".join([*parts, log_file.name] if log_file else parts)


def _changed(files: RunFiles) -> tuple[str, ...]:
    return tuple(f"{name} is not what was collected" for name in files.changed())


def _logs(parsed: ParsedRun, refuted: tuple[str, ...], memory: str | None) -> Logs:
    errno = parsed.log.details.get("errno")
    wrong = parsed.wrong_artifact
    return Logs(
        has_table=parsed.log.perf_present,
        failure=parsed.failure,
        means=parsed.means,
        advice=parsed.advice,
        errno=errno if isinstance(errno, int) else None,
        driver_too_old="driver_too_old" in parsed.log.warnings,
        refuted=(*parsed.reasons, *refuted),
        wrong_artifact=f"{wrong.observed}, {wrong.expected} planned" if wrong else None,
        memory=memory,
    )
