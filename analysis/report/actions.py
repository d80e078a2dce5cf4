"""What to do next, computed from what is not known: which run would settle most, which file nobody has.

A question is open where a table shows something else than a measurement of a real board. Models that can not run are
no question. A run of a model settles its open cells, its verdict where prediction leaves it open, and which of two
contradicting numbers is right; those with most to settle come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.claims import Basis
from analysis.feasibility import Verdict
from analysis.metrics import GIB
from analysis.report.choose import OBSERVED, values
from analysis.report.fits import needs_available
from analysis.report.given import MEMORY, Given, ModelEntry
from analysis.report.model import Action, Doubt, FeasibilityRow, Kind, Origin, Strong
from analysis.report.words import Words

CORES = (1, 2, 3)
_UNDECIDED, _CONTRADICTED = 3, 2  # cells' worth: a verdict and a contradiction weigh more than a number
_NAMED = 3  # runs that are named one by one


@dataclass(frozen=True)
class Open:
    """What is not measured of one model."""

    model: ModelEntry
    cells: int  # at three cores, of the columns of the reports
    cores: tuple[int, ...]  # core counts without a measured speed
    provisional: bool
    undecided: bool
    contradicted: bool

    @property
    def settles(self) -> int:
        """What one run of it is worth."""
        return self.cells + _UNDECIDED * self.undecided + _CONTRADICTED * self.contradicted


def actions(
    given: Given, feasible: Iterable[FeasibilityRow], doubts: tuple[Doubt, ...], say: Words
) -> tuple[Action, ...]:
    """Ranked by kind, then by what they settle."""
    rows = {row.model: row for row in feasible if row.board is None}
    open_ = [_open(given, model, rows[model.name], doubts) for model in given.models if _asked(rows, model)]
    found = [
        *_settle(open_, rows, say),
        *_measure(open_, given, say),
        *_repeat(open_, say),
        *_convert(given, rows, say),
        *_contexts(given, say),
        *_larger(given, rows, say),
    ]
    return tuple(found)


def _asked(rows: Mapping[str, FeasibilityRow], model: ModelEntry) -> bool:
    row = rows.get(model.name)
    return row is not None and row.verdict not in (Verdict.NO, None)


def _open(given: Given, model: ModelEntry, row: FeasibilityRow, doubts: tuple[Doubt, ...]) -> Open:
    metrics = ["generate_tps", MEMORY] + (["image_encode_ms"] if model.sees else ["ttft_ms"])
    shown = [values(given, model.name, given.board_class.npu_cores, metric) for metric in metrics]
    real = [side[0] if side and side[0].origin is Origin.MEASURED else None for side in shown]
    speeds = {cores: values(given, model.name, cores, "generate_tps") for cores in CORES}
    return Open(
        model=model,
        cells=sum(value is None for value in real),
        cores=tuple(n for n in CORES if not (speeds[n] and speeds[n][0].origin is Origin.MEASURED)),
        provisional=any(value is not None and value.basis is Basis.PROVISIONAL for value in real),
        undecided=row.verdict is Verdict.RISK and row.by is Origin.PREDICTED,
        contradicted=None in real and any(one.reference.model == model.title for one in doubts),
    )


def _settle(open_: list[Open], rows: Mapping[str, FeasibilityRow], say: Words) -> list[Action]:
    worth = [one for one in open_ if one.undecided or one.contradicted]
    worth.sort(key=lambda one: -one.settles)
    found: list[Action] = []
    for one in worth[:_NAMED]:
        row = rows[one.model.name]
        why = []
        if one.undecided:
            why.append(say(f"预测无法定论（{row.reason}）", f"prediction leaves it open ({row.reason})"))
        if one.contradicted:
            why.append(say("公开数据自相矛盾或可疑", "published numbers contradict each other or are doubtful"))
        if one.cells:
            why.append(say(f"{one.cells} 个单元格没有实测", f"{one.cells} cells have no measurement"))
        first = say("最值得先跑的一次：", "The run to make first: ") if not found else say("然后：", "Then: ")
        words = (first, Strong(one.model.title), say("。", ". "), say("；", "; ").join(why), say("。", "."))
        found.append(Action(Kind.SETTLE, words, _bench([one], "3"), (one.model.name,), (3,), one.settles))
    return found


def _measure(open_: list[Open], given: Given, say: Words) -> list[Action]:
    found = []
    for sees in (False, True):
        left = [one for one in open_ if one.model.sees is sees and one.cells]
        if not left:
            continue
        cells = sum(one.cells for one in left)
        titles = say.listed([one.model.title for one in left])
        what = say.kind(sees)
        words = (
            say(f"{what}：", f"{what.capitalize()}: "),
            say(
                f"{titles} 共 {cells} 个单元格仍是参考值、预测值或仿真值，请在真实板子上实测替换。",
                f"{cells} cells of {titles} still show published, predicted or simulated numbers; measure them on a "
                "real board.",
            ),
        )
        names = tuple(one.model.name for one in left)
        found.append(Action(Kind.MEASURE, words, _bench(left, "3"), names, (3,), cells))
    few = [one for one in open_ if set(one.cores) & {1, 2}]
    if few:
        names = tuple(one.model.name for one in few)
        text = say(
            f"单核与双核 TPS：{len(few)} 个模型没有实测。核数在转换时固定，每个核数需要各自的模型文件。",
            f"Speed on one and two cores: not measured for {len(few)} models. The core count is fixed at conversion: "
            "each needs a file of its own.",
        )
        settles = sum(len(set(one.cores) & {1, 2}) for one in few)
        found.append(Action(Kind.MEASURE, (text,), _bench(few, "1,2"), names, (1, 2), settles))
    return found


def _repeat(open_: list[Open], say: Words) -> list[Action]:
    few = tuple(one.model.name for one in open_ if one.provisional)
    if not few:
        return []
    text = say(
        f"{say.listed(few)}：有效重复不足 3 次，结论为暂定。",
        f"{say.listed(few)}: fewer than 3 valid repeats, so provisional.",
    )
    return [Action(Kind.REPEAT, (text,), f"invoke bench --model {','.join(few)} --repeats 5", few, (3,), len(few))]


def _convert(given: Given, rows: Mapping[str, FeasibilityRow], say: Words) -> list[Action]:
    lacking: dict[tuple[tuple[int, ...], bool], list[ModelEntry]] = {}
    for model in given.models:
        if not _asked(rows, model):
            continue
        llm = {one.npu_cores: one.here for one in model.artifacts if one.npu_cores is not None}
        missing = tuple(cores for cores in CORES if not llm.get(cores, False))
        encoder = model.sees and not any(one.npu_cores is None and one.here for one in model.artifacts)
        if missing or encoder:
            lacking.setdefault((missing, encoder), []).append(model)
    found = []
    for (missing, encoder), models in lacking.items():
        what = [say(f"{n} 核", f"{n} core{'s' * (n > 1)}") for n in missing]
        what += [say("视觉编码器", "vision encoder")] if encoder else []
        titles = say.listed([model.title for model in models])
        text = say(
            f"本机没有的模型文件（{say.listed(what)}）：{titles}。转换脚本由下列命令生成，每个文件一次：",
            f"Model files that are not here ({say.listed(what)}): {titles}. This prints the script that makes one:",
        )
        command = f"invoke models --recipe {models[0].name} --cores {(missing or (3,))[0]}"
        names = tuple(model.name for model in models)
        found.append(Action(Kind.CONVERT, (text,), command, names, missing, len(models) * (len(missing) + encoder)))
    return found


def _contexts(given: Given, say: Words) -> list[Action]:
    """Two contexts of one model tell whether the runtime's own figure counts the whole cache."""
    seen: dict[tuple[str, str | None], set[int]] = {}
    for claim in given.claims:
        subject = claim.subject
        real = claim.basis in OBSERVED and claim.origin == "measured" and subject.board not in given.virtual
        if subject.metric == MEMORY and real and subject.context:
            seen.setdefault((subject.model, subject.board), set()).add(subject.context)
    model = next((one for one in given.models if one.architecture is not None and not one.sees), None)
    if model is None or any(len(contexts) > 1 for contexts in seen.values()):
        return []
    assert model.architecture is not None
    full, short = given.board_class.context, 512
    mib = model.architecture.kv_bytes_per_token * (full - short) / 2**20
    text = say(
        f"{model.title} 以上下文 {short} 与 {full} 各跑一次：预测相差 {mib:.0f} MiB，可判定 VmHWM 是否计入整个 cache。",
        f"{model.title} once with {short} and once with {full} tokens of context: {mib:.0f} MiB apart, or VmHWM does "
        "not count the whole cache.",
    )
    return [
        Action(
            Kind.CONTEXT,
            (text,),
            f"invoke bench --model {model.name} --cores 3 --context {short}",
            (model.name,),
            (3,),
            1,
        )
    ]


def _larger(given: Given, rows: Mapping[str, FeasibilityRow], say: Words) -> list[Action]:
    target = given.board_class
    parts = []
    for model in given.models:
        row = rows.get(model.name)
        if row is None or row.verdict is not Verdict.NO or row.limit or model.architecture is None:
            continue
        least = needs_available(model.architecture, model.dtype, target.context, target.runtime, target.reserve_bytes)
        if least <= 32 * GIB:  # the largest RK3588 boards
            parts.append(f"{model.title} {least / GIB:.1f} GiB")
    if not parts:
        return []
    text = say(
        f"8GB 板子放不下、但更大的板子可测（空闲可用内存至少）：{say.listed(parts)}。",
        f"Too large for this board, and measurable where so much memory is available when idle: {say.listed(parts)}.",
    )
    return [Action(Kind.LARGER, (text,))]


def _bench(these: list[Open], cores: str) -> str:
    """The command; what may not fit runs only as a probe."""
    probe = " --probe" if any(one.undecided for one in these) else ""
    return f"invoke bench --model {','.join(one.model.name for one in these)} --cores {cores}{probe}"
