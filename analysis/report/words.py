"""Two languages, one structure: every sentence of a report is written as a pair, so neither can be forgotten.

``say("中文", "English")`` is the whole of it. What comes from elsewhere (a reason of a run, a source) stays in its own
language.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from analysis.claims import Basis
from analysis.feasibility import Verdict
from analysis.metrics import CLAIMED, Metric
from analysis.report.given import MEMORY
from analysis.report.model import Lang, Origin

MIB = 2**20
# The reports' own units for two of the claims' metrics.
MEMORY_MIB = replace(CLAIMED[MEMORY], unit="MiB", digits=0, scale=MIB)
ENCODE_S = replace(CLAIMED["image_encode_ms"], unit="s", digits=2, scale=1000)


@dataclass(frozen=True)
class Words:
    """Chooses one of two."""

    lang: Lang

    def __call__(self, zh: str, en: str) -> str:
        return zh if self.lang == "zh" else en

    def listed(self, items: list[str] | tuple[str, ...]) -> str:
        """A list within a sentence."""
        return self("、", ", ").join(items)

    def verdict(self, verdict: Verdict | None) -> str:
        """The reports' own words for it."""
        if verdict is None:
            return self("无法判断", "can not be judged")
        return {
            Verdict.FITS: self("可以跑", "can run"),
            Verdict.TIGHT: self("可以跑（余量小）", "can run, little to spare"),
            Verdict.RISK: self("极限/可能OOM", "at the limit, may run out of memory"),
            Verdict.NO: self("不可行", "can not run"),
        }[verdict]

    def basis(self, basis: Basis, origin: Origin) -> str:
        """What a number rests on."""
        if origin is Origin.SIMULATED and basis not in (Basis.MEASURED, Basis.PROVISIONAL):
            return self("预测（按仿真数据拟合）", "prediction fitted to simulated runs")
        ran = {
            Origin.SIMULATED: self("仿真", "simulated"),
            Origin.MANUAL: self("手工日志", "log made by hand"),
        }.get(origin, self("实测", "measured"))
        return {
            Basis.MEASURED: ran,
            Basis.PROVISIONAL: ran + self("（暂定，重复不足）", ", provisional (too few repeats)"),
            Basis.OWN_PREDICTION: self("按本机实测拟合的预测", "prediction fitted to own measurements"),
            Basis.REFERENCE: self("公开参考", "published reference"),
            Basis.PREDICTION: self("通用模型预测", "prediction by the generic models"),
        }[basis]

    def kind(self, sees: bool) -> str:
        """Text or vision."""
        return self("多模态", "vision") if sees else self("纯文本", "text")

    def of(self, metric: Metric) -> str:
        """A metric's heading."""
        names = {
            "ttft_ms": ("TTFT (ms)", "TTFT (ms)"),
            "image_encode_ms": ("图像编码 (ms)", "image encode (ms)"),
            "vision_ttft_ms": ("图像编码+Prefill (ms)", "encode + prefill (ms)"),
            "prefill_tps": ("Prefill (tok/s)", "prefill (tok/s)"),
            "generate_tps": ("Generate TPS (tok/s)", "generate TPS (tok/s)"),
            MEMORY: ("峰值内存 (GiB)", "peak memory (GiB)"),
            "prefill_tokens": ("Prefill (tokens)", "prefill (tokens)"),
            "generate_tokens": ("Generate (tokens)", "generate (tokens)"),
            "init_ms": ("init (ms)", "init (ms)"),
            "llm_load_ms": ("LLM 加载 (ms)", "LLM load (ms)"),
            "imgenc_load_ms": ("视觉编码器加载 (ms)", "encoder load (ms)"),
            "memory_rkllm_bytes": ("RKLLM 峰值内存 (GiB)", "RKLLM peak memory (GiB)"),
            "memory_available_drop_bytes": ("整机内存下降 (GiB)", "memory drop (GiB)"),
            "max_temperature_mc": ("最高温度 (°C)", "max temperature (°C)"),
            "duration_s": ("时长 (s)", "duration (s)"),
        }
        return self(*names[metric.name]) if metric.name in names else metric.heading
