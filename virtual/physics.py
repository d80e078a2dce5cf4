"""How fast a virtual board is: its own constants, drawn from its name and seed, and a few formulas.

Decode is bound by memory (every weight is read once a token) and by host work a layer; prefill by the NPU's
arithmetic; loading by the disk. On purpose there is more in it than a roofline with two parameters: an on-demand
DRAM clock that follows its own utilisation, refresh that costs bandwidth on a hot chip, interrupts that land on
a little core in some runs, a drift within a run, and the odd run with company. Who fits a simple model to these
numbers has to live with residuals, as on real boards.

The scales are set by public figures for RK3588 at full clocks (about 32 token/s and 214 ms to the first token
for a 0.6B model in int8, about 7 token/s for 4B; one core 0.41-0.52 of three, two about 0.75; an image of 448 pixels
2.1 to 2.2 s in the encoders of about 300 to 400 million weights).
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random

from virtual.artifacts import Architecture, Encoder

MIB = 1024 * 1024
BUS_BYTES_PER_S = 33.8e9  # 64 bit LPDDR4X at DMC_FULL_HZ
DMC_FULL_HZ = 2_112_000_000
NPU_FULL_HZ = 1_000_000_000
BIG_CPU_FULL_HZ = 2_304_000_000
HOT_MC = 85_000  # above it DRAM is refreshed twice as often
BUS_SHARE = {1: 0.405, 2: 0.735, 3: 1.0}  # how much of the full bus one, two, three NPU cores can pull


@dataclasses.dataclass(frozen=True)
class Silicon:
    """One board's constants; no two boards are alike, and one board is always the same."""

    bus_efficiency: float
    layer_ms: float  # host work a layer and token, big cores at full clock
    attention_us: float  # a layer and token of depth, beyond reading the KV cache
    prefill_layer_ms: float
    prefill_tops: float  # one core, full clock, hidden size 1024
    cold_bytes_per_s: float
    warm_bytes_per_s: float
    init_ms: float
    big0_max_hz: int
    big1_max_hz: int
    ondemand_share: float  # of the full clock that an on-demand CPU governor sustains under this load
    dmc_up_threshold: float
    ambient_mc: float
    kelvin_per_watt: float
    thermal_tau_s: float
    runtime_bytes: float
    run_noise: float
    irq_on_little_chance: float
    company_chance: float
    encode_tops: float  # of a vision encoder in half precision, three cores, full clock
    rknn_bytes: float  # the encoder's runtime, beside its weights


def silicon(name: str, seed: int) -> Silicon:
    """The constants of the board ``name``: pure, spread as boards of one batch are."""
    dice = random.Random(hashlib.sha256(f"{name}/{seed}".encode()).digest())
    return Silicon(
        bus_efficiency=dice.uniform(0.855, 0.925),
        layer_ms=dice.uniform(0.30, 0.40),
        attention_us=dice.uniform(0.00, 0.05),
        prefill_layer_ms=dice.uniform(0.8, 1.2),
        prefill_tops=dice.uniform(0.27, 0.31),
        cold_bytes_per_s=dice.choice((260e6, 310e6, 450e6, 1400e6)) * dice.uniform(0.95, 1.05),
        warm_bytes_per_s=dice.uniform(1.5e9, 2.1e9),
        init_ms=dice.uniform(330, 520),
        big0_max_hz=dice.choice((2_208_000_000, 2_256_000_000, 2_304_000_000, 2_352_000_000)),
        big1_max_hz=dice.choice((2_256_000_000, 2_304_000_000, 2_352_000_000, 2_400_000_000)),
        ondemand_share=dice.uniform(0.33, 0.62),
        dmc_up_threshold=dice.uniform(0.50, 0.80),
        ambient_mc=dice.uniform(23_000, 30_000),
        kelvin_per_watt=dice.uniform(3.2, 5.6),
        thermal_tau_s=dice.uniform(35, 70),
        runtime_bytes=dice.uniform(104, 126) * MIB,
        run_noise=dice.uniform(0.004, 0.010),
        irq_on_little_chance=dice.uniform(0.03, 0.15),
        company_chance=dice.uniform(0.01, 0.04),
        encode_tops=dice.uniform(0.32, 0.36),
        rknn_bytes=dice.uniform(70, 100) * MIB,
    )


@dataclasses.dataclass(frozen=True)
class Clocks:
    """What the hardware runs at right now."""

    npu_hz: int
    dmc_hz: int
    big_hz: int
    soc_mc: float
    company_cores: float = 0.0  # that somebody else keeps busy


@dataclasses.dataclass(frozen=True)
class Luck:
    """What happens to one run and to no other; a pure function of board, seed and the run's number."""

    factor: float  # the run as a whole
    drift: float  # from its first token to its thousandth
    irq_on_little: bool
    length_factor: float
    fault_at: float  # where in the answer a requested fault strikes, 0..1


def luck(chip: Silicon, name: str, seed: int, run_number: int) -> Luck:
    dice = random.Random(hashlib.sha256(f"{name}/{seed}/run/{run_number}".encode()).digest())
    company = dice.uniform(1.02, 1.07) if dice.random() < chip.company_chance else 1.0
    return Luck(
        factor=math.exp(dice.gauss(0.0, chip.run_noise)) * company,
        drift=dice.gauss(0.0, 0.006),
        irq_on_little=dice.random() < chip.irq_on_little_chance,
        length_factor=dice.uniform(0.96, 1.04),
        fault_at=dice.uniform(0.15, 0.6),
    )


def body_bytes(arch: Architecture) -> float:
    """The layers' weights in int8."""
    attention = 2 * arch.hidden * arch.head_dim * (arch.heads + arch.kv_heads)
    return float(arch.layers * (attention + 3 * arch.hidden * arch.ffn))


def weight_bytes(arch: Architecture) -> float:
    """All that is read for a token: the layers and the output head."""
    return body_bytes(arch) + float(arch.vocab * arch.hidden)


def kv_bytes(arch: Architecture) -> float:
    """Keys and values of one token in half precision."""
    return float(arch.layers * arch.kv_heads * arch.head_dim * 2 * 2)


def file_bytes(arch: Architecture) -> float:
    """The size of the real file: weights, embeddings in half precision, and a little."""
    return (weight_bytes(arch) + 2.0 * arch.vocab * arch.hidden) * 1.013


def resident_bytes(chip: Silicon, arch: Architecture, tokens: int) -> float:
    """What the process itself has touched: pages of the KV cache come in blocks of 256 tokens."""
    blocks = math.ceil(tokens / 256) * 256
    return weight_bytes(arch) + kv_bytes(arch) * blocks + chip.runtime_bytes + 0.5 * MIB * arch.vocab / 1000


def system_bytes(chip: Silicon, arch: Architecture, context: int) -> float:
    """What the whole machine has less: all of the KV cache, page tables and the driver's own."""
    return resident_bytes(chip, arch, 0) * 1.012 + kv_bytes(arch) * context + 26 * MIB


def bus_ms(chip: Silicon, traffic: float, clocks: Clocks) -> float:
    """The DRAM's own time for so many bytes."""
    hot = 0.955 if clocks.soc_mc > HOT_MC else 1.0
    return 1000.0 * traffic / (BUS_BYTES_PER_S * clocks.dmc_hz / DMC_FULL_HZ * chip.bus_efficiency * hot)


def fetch_ms(chip: Silicon, traffic: float, clocks: Clocks, cores: int) -> float:
    """What the NPU needs to get so many bytes: fewer cores ask more slowly, however fast the DRAM is."""
    asking_ms = (1.0 / BUS_SHARE[cores] - 1.0) * 1000.0 * traffic / (BUS_BYTES_PER_S * chip.bus_efficiency)
    return bus_ms(chip, traffic, clocks) + asking_ms


def host_factor(clocks: Clocks, lucky: Luck) -> float:
    """How much slower than at full clock the processor's share of the work is."""
    shared = 1.0 + clocks.company_cores / 8.0
    return float((BIG_CPU_FULL_HZ / clocks.big_hz) ** 0.85) * (1.16 if lucky.irq_on_little else 1.0) * shared


def token_ms(chip: Silicon, arch: Architecture, cores: int, depth: int, clocks: Clocks, lucky: Luck) -> float:
    """One more token after ``depth`` tokens."""
    traffic = weight_bytes(arch) + kv_bytes(arch) * depth
    memory_ms = fetch_ms(chip, traffic, clocks, cores)
    host_ms = arch.layers * (chip.layer_ms + chip.attention_us * depth / 1000.0) * host_factor(clocks, lucky)
    npu_ms = 2.0 * weight_bytes(arch) / (cores * 0.8e12 * clocks.npu_hz / NPU_FULL_HZ) * 1000.0
    drift = 1.0 + lucky.drift * min(depth, 2000) / 1000.0
    return (max(memory_ms, npu_ms) + 0.2 * min(memory_ms, npu_ms) + host_ms) * lucky.factor * drift


def bus_load(chip: Silicon, arch: Architecture, cores: int, clocks: Clocks, lucky: Luck) -> float:
    """The share of time that the DRAM is busy during decode, as its governor sees it."""
    return bus_ms(chip, weight_bytes(arch), clocks) / token_ms(chip, arch, cores, 0, clocks, lucky)


def prefill_ms(chip: Silicon, arch: Architecture, cores: int, tokens: int, clocks: Clocks, lucky: Luck) -> float:
    """The whole prompt and the first token."""
    wide = (arch.hidden / 1024) ** 0.3  # wider matrices fill the NPU better
    tops = chip.prefill_tops * float(cores**0.88) * wide * clocks.npu_hz / NPU_FULL_HZ
    npu_ms = 2.0 * body_bytes(arch) * tokens / (tops * 1e12) * 1000.0
    memory_ms = fetch_ms(chip, weight_bytes(arch), clocks, cores)
    host_ms = arch.layers * chip.prefill_layer_ms * host_factor(clocks, lucky)
    return float((npu_ms + 0.7 * memory_ms + host_ms) * lucky.factor)


def load_ms(chip: Silicon, arch: Architecture, clocks: Clocks, lucky: Luck, *, warm: bool) -> float:
    """From opening the file to a model that can answer."""
    rate = chip.warm_bytes_per_s if warm else chip.cold_bytes_per_s
    return (1000.0 * file_bytes(arch) / rate + chip.init_ms * host_factor(clocks, lucky)) * lucky.factor


def encode_ms(chip: Silicon, encoder: Encoder, cores: int, clocks: Clocks, lucky: Luck) -> float:
    """One image: the weights for each patch, attention of each patch to each, and the image's way to the NPU."""
    weights = 2.0 * encoder.parameters * encoder.patches
    attention = 4.0 * encoder.layers * encoder.hidden * encoder.patches**2
    tops = chip.encode_tops * float((cores / 3) ** 0.85) * clocks.npu_hz / NPU_FULL_HZ
    npu_ms = 1000.0 * (weights + attention) / (tops * 1e12)
    host_ms = 30.0 * (encoder.resolution / 448) ** 2 * host_factor(clocks, lucky)
    return (npu_ms + host_ms) * lucky.factor


def encoder_bytes(chip: Silicon, encoder: Encoder) -> float:
    """What the process holds for an encoder: its weights in half precision, and the runtime."""
    return 2.0 * encoder.parameters + chip.rknn_bytes


def encoder_load_ms(chip: Silicon, encoder: Encoder, clocks: Clocks, lucky: Luck, *, warm: bool) -> float:
    """From opening its file to an encoder that can take an image."""
    rate = 0.6 * chip.warm_bytes_per_s if warm else chip.cold_bytes_per_s
    return (2000.0 * encoder.parameters / rate + 60.0 * host_factor(clocks, lucky)) * lucky.factor
