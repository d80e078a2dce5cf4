"""Every number of the predictions that is no arithmetic: value, unit, where it is from and how wrong it has been.

The *vendor's table* is benchmark.md of airockchip/rknn-llm, RK3588 and w8a8 (``references/official_benchmarks.yaml``).
Constants that come from it were fitted on its ten dense models, all models at once and none by itself;
``docs/07_feasibility_report.md`` prints what error is left for each.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True)
class Constants:
    """What changes from one release of the runtime to the next."""

    base_bytes: float  # of the process without any model
    vocab_bytes: float  # a word of the vocabulary: logits and tokenizer
    layer_s: float  # host work to generate a token, a layer
    bus_bytes_per_s: float  # that generating reaches with three cores


# Non-negative least squares on ten dense models; memory 2.3 and 2.0 % mean error, generate 2.6 and 1.3 %.
RUNTIMES: dict[tuple[int, int, int], Constants] = {
    (1, 2, 3): Constants(114 * MIB, 0.54 * MIB / 1000, 0.33e-3, 30.1e9),
    (1, 3, 0): Constants(125 * MIB, 0.55 * MIB / 1000, 0.34e-3, 30.4e9),
}
DEFAULT_RUNTIME = (1, 2, 3)  # the most used one, where nobody says which
FLASH_SINCE = (1, 2, 0)  # word embeddings stay in the file from here on (the demos set embed_flash=1), before: fp32

# Memory
MEMORY_LOW = 0.94  # of the prediction; published values are 0.94 to 1.08, but for one model of 0.5B (0.89 to 0.92)
MEMORY_HIGH = 1.08
VISION_BASE_BYTES = 100 * MIB  # of the RKNN runtime beside the encoder's weights
FP16_BYTES = 2
FP32_BYTES = 4
FILE_OVERHEAD = 1.015  # of an .rkllm over its tensors; published files are 0.2 to 2 % over

# Feasibility
RESERVE_BYTES = 384 * MIB  # kept free: what the kernel and the board's services grow by under load
FITS_SHARE = 0.85  # of the budget; up to it a prediction that is somewhat low does no harm
CONTEXT_STEP = 32  # tokens; the converter takes multiples of it as max_context
CONTEXT_LIMIT = 16384  # tokens; the converter takes no more

# Generate
PINNED_LOW, PINNED_HIGH = 0.93, 1.06  # of the prediction: the vendor's rows from 1.2.2 on are within
# A board as it comes, governors on demand: fit on three models of one 8 GB board that reached 37 to 68 % of the
# vendor's speed. Three points and two constants: enough for the low end of an interval, not for a value.
SHIPPED_LAYER_S = 2.29e-3
SHIPPED_BUS_BYTES_PER_S = 32.1e9
SHIPPED_LOW = 0.85  # the slowest rows are so much slower yet; a board below has a fault, such as DRAM that stays slow
# Share of the bus that 1 and 2 cores can draw; the host's work a layer stays. One core: one source, nine models, each
# with 1 and 3 cores (0.41 to 0.52 of the speed). Two cores: one model, on a board that was not tuned. The vendor
# publishes neither, so the ends are wide.
CORE_SHARE = {1: 0.385, 2: 0.71, 3: 1.0}
CORE_LOW = {1: 0.85, 2: 0.80, 3: 1.0}
CORE_HIGH = {1: 1.15, 2: 1.25, 3: 1.0}
# A mixture of experts: one row of the vendor's (DeepSeekOCR, 3B with 570M active) is at 0.73 of what its active bytes
# alone would give. One point is no fit: the value stays, the low end goes down.
MOE_LOW = 0.65
GROUP_SPEED = 0.72  # of w8a8_g128 beside w8a8, one report; other group sizes are taken to be the same

# Prefill: time = layers x layer + arithmetic. Fitted on TTFT of the ten dense models at 128 tokens, releases 1.2.3 and
# 1.3.0 at once; the mean error is 9 %, the largest 23 %.
PREFILL_LAYER_S = 2.6e-3
PREFILL_OPS_PER_S = 1.12e12
PREFILL_LOW, PREFILL_HIGH = 0.75, 1.30  # of the time, clocks pinned
LONG_PROMPT = 1024  # tokens; attention is then 4 % of the arithmetic of a 4B model and 13 % of a 0.6B one
PREFILL_SHIPPED_HIGH = 2.2  # of the time on a board as it comes; a 4B VLM took 1.8 times, a prompt of 222 tokens

# Vision encoder, fp16, three cores: 2 x parameters x patches / time of five published encoders is 0.23 to 0.36e12
ENCODE_OPS_PER_S = 0.31e12
ENCODE_LOW, ENCODE_HIGH = 0.80, 1.50  # of the time

# Load, bytes a second of the model file
WARM_BYTES_PER_S, WARM_SLOWEST, WARM_FASTEST = 1.4e9, 0.85e9, 2.1e9  # file in the page cache; 4B VLMs, 3.0 to 5.6 s
COLD_BYTES_PER_S, COLD_SLOWEST, COLD_FASTEST = 0.30e9, 0.09e9, 1.4e9  # 16 s and 50 s for 4.5 GiB; SD card to NVMe

# Physics: what no number may be beyond
BUS_BYTES_PER_CLOCK = 16  # 64 bits, twice a clock: 2112 MHz is 33.8 GB/s
FASTEST_DRAM_HZ = 2_736_000_000  # LPDDR5 of the vendor's DDR blob, 43.8 GB/s; LPDDR4X ends at 2112 MHz
CLOCK_SLACK = 1.02  # a table of frequencies rounds, LPDDR4X-4266 is listed as 2112 MHz
MEMORY_OFF = 0.25  # of the memory model, whose own errors are 2 to 8 %
WEIGHTS_SLACK = 0.97  # published memory is often rounded to 0.1 GiB
NPU_OPS_PER_S = 6e12  # three cores, int8
SUSPECT_OPS_PER_S = 2e12  # twice the fastest prefill of the vendor's table
