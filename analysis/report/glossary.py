"""What metrics mean, in Chinese; in English the registry itself says it. A test holds that every metric is here."""

from __future__ import annotations

ZH = {
    "ttft_ms": "首 token 时间，取 Runtime 的 Prefill 行总耗时（含第一个 token）；不含加载、分词与终端输出，仅纯文本",
    "image_encode_ms": "一张图通过视觉编码器的耗时，取 demo 自己的计时；绝不是加载耗时。VLM_NPU 不打印它",
    "vision_ttft_ms": "图像编码加 Prefill 行总耗时：多模态从图像到首 token 的时间，不含加载",
    "prefill_tps": "prompt token 数 / Prefill 耗时，取 Runtime 的 Prefill 行",
    "prefill_tokens": "套上 chat template 后的 prompt token 数；少于预期说明命中了 prompt cache",
    "generate_tps": "生成 token 数 / 生成耗时，取 Runtime 的 Generate 行；第一个 token 算在 Prefill",
    "generate_tokens": "第一个之后的回答 token 数；被上限截断时比上限少一个",
    "init_ms": "Runtime 自报的模型初始化耗时",
    "llm_load_ms": "多模态 demo 计时的语言模型加载耗时，比 init 略长",
    "imgenc_load_ms": "同一计时下视觉编码器的加载耗时，不含编码",
    "memory_rkllm_bytes": "Runtime 自报的峰值内存：进程 VmHWM，含权重与视觉编码器；其所谓 GB 实为 GiB，不是整机用量",
    "memory_vmhwm_bytes": "板端每秒采样得到的 demo 进程最高 VmHWM，是峰值内存的第二个见证",
    "memory_available_drop_bytes": "整机少了多少：运行前的 MemAvailable 减去运行中的最低值；能看到进程未触及的 cache"
    "与驱动自身，决定放不放得下",
    "max_temperature_mc": "运行期间任一温度传感器的最高值，超过 85 即判为受污染（tainted）",
    "duration_s": "板端一次运行的总时长，含模型加载",
}
