"""What the page itself says, in both languages; the script has no word of its own."""

from __future__ import annotations

from typing import Any

from analysis.claims import Basis
from analysis.report.model import Origin
from analysis.report.words import Words
from analysis.runs import UNKNOWN


def words_of(say: Words) -> dict[str, Any]:
    """By the names that the script has for them."""
    return {
        **_sections(say),
        **_controls(say),
        **_columns(say),
        "parts": {
            "weights": say("权重", "weights"),
            "kv_cache": say("KV cache", "KV cache"),
            "embeddings": say("词嵌入", "embeddings"),
            "runtime": say("Runtime", "runtime"),
            "vision": say("视觉编码器", "vision encoder"),
        },
        "charts": {
            "temperature": say("温度", "temperature"),
            "memory": say("内存", "memory"),
            "load": say("NPU 负载", "NPU load"),
            "clocks": say("时钟", "clocks"),
        },
        "origins": {
            Origin.MEASURED: say("实测", "measured"),
            Origin.MANUAL: say("手工日志 M", "made by hand M"),
            Origin.SIMULATED: say("仿真 S", "simulated S"),
            Origin.REFERENCE: say("公开参考 R", "published R"),
            Origin.PREDICTED: say("预测 P", "predicted P"),
            UNKNOWN: say("来源不明", "unknown"),
        },
        "bases": {
            Basis.MEASURED: say("≥ 3 次有效重复", "3 valid repeats or more"),
            Basis.PROVISIONAL: say("暂定（< 3 次）", "provisional (fewer)"),
            Basis.OWN_PREDICTION: say("按本机实测拟合的预测", "prediction fitted to own runs"),
            Basis.REFERENCE: say("公开参考", "published reference"),
            Basis.PREDICTION: say("通用模型预测", "prediction by the generic models"),
        },
    }


def _sections(say: Words) -> dict[str, str]:
    return {
        "sections": say("章节", "sections"),
        "verdicts": say("结论", "Verdicts"),
        "verdicts_note": say(
            "8GB 板子这一类，以及有自己数据或判定不同的板子；筛选板子可看其全部。",
            "The class of 8 GB boards, and each board that has numbers or a verdict of its own; choose a board to see "
            "all of it.",
        ),
        "speed": say("速度与首 token 时间", "Speed and time to first token"),
        "memory": say("内存与预算", "Memory against the budget"),
        "memory_note": say(
            "堆叠条为预测的各部分（GiB），细线为区间，竖线为预算，菱形为实际峰值。",
            "The stacked bar is what is predicted, part by part (GiB), the thin line its interval, the upright line "
            "the budget, a diamond the peak that was seen.",
        ),
        "core_scaling": say("核数扩展", "Core scaling"),
        "cores_note": say(
            "加速比只在依据相同的数字之间计算；百分数为每核效率；虚线为理想。",
            "Speed-up is between numbers of one basis only; per cent: efficiency per core; dashed: the ideal.",
        ),
        "fleet": say("板间对比", "The fleet"),
        "fleet_note": say(
            "同一条件下各板与中位数的偏差：▲ 更好，▼ 更差，差 0.5 % 以内不标。",
            "How far each board is from the fleet's median under the same conditions: ▲ better, ▼ worse; within 0.5 % "
            "neither.",
        ),
        "no_fleet": say("没有两块板子在同一条件下的数据。", "No two boards have a number under the same conditions."),
        "nights": say("逐次测试", "Night by night"),
        "nights_note": say(
            "每次测试的中位数，竖线为其区间；百分数与上一次相比。",
            "The median of each campaign, with a line over its interval; per cent against the campaign before.",
        ),
        "runs": say("运行记录", "Runs"),
        "actions": say("建议后续动作", "What to do next"),
        "marks": say("标记说明", "Marks"),
        "conditions": say("测试条件", "Conditions"),
        "definitions": say("定义", "Definitions"),
    }


def _controls(say: Words) -> dict[str, str]:
    return {
        "noscript": say(
            "本页需要 JavaScript（只用页内脚本，不联网）。同样的表格见 reports/ 中的 Markdown 与表格文件。",
            "This page needs JavaScript (its own, without any network). The same tables are in the Markdown files and "
            "spreadsheets beside it.",
        ),
        "filters": say("筛选", "filters"),
        "all": say("全部", "all"),
        "reset": say("清除筛选", "clear filters"),
        "none": say("没有数据。", "Nothing to show."),
        "any_board": say("任意板子", "any board"),
        "theme": say("主题", "theme"),
        "auto": say("自动", "auto"),
        "light": say("浅色", "light"),
        "dark": say("深色", "dark"),
        "close": say("关闭", "close"),
        "runs_of": say("次运行", "runs"),
        "why": say("依据", "why"),
        "evidence": say("证据", "evidence"),
        "folder": say("证据文件夹", "folder of evidence"),
        "telemetry": say("遥测", "Telemetry"),
        "log": say("日志（首尾）", "Log (its two ends)"),
        "try": say("可尝试", "Try"),
        "no_telemetry": say("没有遥测。", "No telemetry."),
        "no_log": say("没有日志。", "No log."),
        "not_embedded": say(
            "未嵌入本页（页面大小有限，较新的运行优先），见证据文件。",
            "Not in this page (its size is limited, newer runs come first): see the files.",
        ),
        "instead_of": say("取代", "instead of"),
        "not_believed": say("不采信", "not believed:"),
    }


def _columns(say: Words) -> dict[str, str]:
    return {
        "board": say("板子", "board"),
        "model": say("模型", "model"),
        "cores": say("核数", "cores"),
        "core_count": say("核", "NPU cores"),
        "vision_cores": say("视觉核数", "vision cores"),
        "origin": say("来源", "origin"),
        "basis": say("依据", "basis"),
        "rests_on": say("判定依据", "rests on"),
        "verdict": say("可行性", "verdict"),
        "outcomes": say("运行结果", "runs"),
        "wary": say("注意", "note"),
        "context": say("上下文", "context"),
        "of_reference": say("占参考", "of reference"),
        "of_roofline": say("占带宽上限", "of DRAM's ceiling"),
        "stack": say("预测组成 (GiB)", "predicted parts (GiB)"),
        "predicted": say("预测 (GiB)", "predicted (GiB)"),
        "measured": say("实际峰值 (GiB)", "seen peak (GiB)"),
        "seen": say("实际峰值", "peak that was seen"),
        "budget": say("预算", "budget"),
        "headroom": say("余量", "headroom"),
        "largest_context": say("最大上下文", "largest context"),
        "metric": say("指标", "number"),
        "speed_up": say("加速比", "speed-up"),
        "scaling": say("扩展", "scaling"),
        "median": say("中位数", "median"),
        "better": say("更好", "better"),
        "worse": say("更差", "worse"),
        "campaign": say("测试", "campaign"),
        "campaigns": say("次", "campaigns"),
        "history": say("历史", "history"),
        "last": say("最近", "last"),
        "change": say("变化", "change"),
        "run": say("运行", "run"),
        "outcome": say("结果", "outcome"),
        "warmup": say("预热", "warm-up"),
        "clocks": say("时钟", "clocks"),
        "workload": say("任务", "workload"),
        "created": say("时间 (UTC)", "planned (UTC)"),
        "condition": say("条件指纹", "condition"),
        "forced": say("未通过的检查", "failed checks"),
        "stated": say("人工说明", "stated"),
        "memory_disagrees": say("内存说明", "memory note"),
    }
