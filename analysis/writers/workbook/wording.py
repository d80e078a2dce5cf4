"""What the workbook itself says, in both languages: origins, boards, and the headings of the runs."""

from __future__ import annotations

from analysis.metrics import Label, Metric
from analysis.report.model import Origin
from analysis.report.words import Words
from analysis.runs import UNKNOWN

_RUNS_ZH = {
    "campaign": "批次",
    "board": "板子",
    "run": "运行",
    "origin": "来源",
    "model": "模型",
    "npu_cores": "计划核数",
    "npu_core_num": "banner 中的核数",
    "vision_cores": "视觉编码器核数",
    "vision_core_num": "日志中的视觉核数",
    "warmup": "预热",
    "outcome": "结果",
    "reason": "原因",
    "advice": "建议",
    "memory_note": "内存说明",
    "quarantined": "被隔离的数字",
    "prompt_set": "prompt 集",
    "prompt_id": "prompt",
    "image": "图像",
    "image_sha256": "图像 sha256",
    "resolution": "分辨率",
    "max_new_tokens": "最多新 token",
    "max_context_len": "上下文 token",
    "repeat": "第几次",
    "runtime": "Runtime",
    "driver": "驱动",
    "toolkit": "toolkit",
    "dtype": "量化",
    "clock_profile": "要求的时钟",
    "clocks": "时钟",
    "condition": "条件",
    "artifact": "模型文件",
    "artifact_sha256": "模型 sha256",
    "encoder": "编码器文件",
    "encoder_sha256": "编码器 sha256",
    "created_utc": "时间 (UTC)",
    "tool": "rkfleet",
    "start_c": "起始温度 (°C)",
    "gate_waited_s": "等待 (s)",
    "forced": "未通过的检查",
    "log": "日志",
}


def board(say: Words, name: str | None) -> str:
    """A board, or any of the class."""
    return name if name is not None else say("任意（同类板）", "any of the class")


def origin(say: Words, name: str) -> str:
    """Where a number comes from, with its letter; ``name`` is a run's or an ``Origin``'s."""
    return {
        Origin.MEASURED: say("实测", "measured"),
        Origin.MANUAL: say("手工日志 (M)", "made by hand (M)"),
        Origin.SIMULATED: say("仿真 (S)", "simulated (S)"),
        Origin.REFERENCE: say("公开参考 (R)", "published (R)"),
        Origin.PREDICTED: say("预测 (P)", "predicted (P)"),
        UNKNOWN: say("来源不明", "unknown"),
    }.get(name, name)


def letter(name: str) -> str:
    """The letter of an origin; none for one that is not known."""
    return Origin(name).letter if name in set(Origin) else ""


def of_run(say: Words, column: Label | Metric) -> str:
    """The heading of a column of the runs."""
    if isinstance(column, Metric):
        return say.of(column)
    return say(_RUNS_ZH.get(column.name, column.heading), column.heading)
