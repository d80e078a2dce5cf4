"""Checks of the board beside its clocks: swap, company, driver, NPU cores that worked, the disk, the board's own fit.

Sources: sbc-bench and club-3090 (swap, company), rknn-llm #381 (driver), ezrknn-llm #13 (NPU cores), MEASURING's fit of
three models of one board.
"""

from __future__ import annotations

from analysis.constants import WARM_SLOWEST
from analysis.diagnosis.checks_clocks import NOTICED
from analysis.diagnosis.finding import Cost, Finding, Left, fine, found, unknown
from analysis.diagnosis.observed import Observed
from analysis.memory_model import predict_memory
from analysis.quantization import dtype_of
from analysis.release import release_of

OLDEST_DRIVER = (0, 9, 8)  # the release notes of 1.2.x ask for it; 0.9.6 and before fail with large models
PAGE_IN_S = 150e-6  # a random page of an eMMC; zram is faster and an SD card slower
QUIET_CORES = 0.2  # of eight: sbc-bench's 2.5 %
HOST_CORES = 4  # the big ones that the runtime uses
FEWEST_SAMPLES = 3
_DRIVER_MAY_BE_WHY = frozenset({"matmul_failed", "npu_malloc", "npu_submit_failed", "npu_timeout", "init_failed"})


def swap(seen: Observed) -> Finding:
    """Check 9. Weights that come back from a disk; any page makes the number one of the disk."""
    moved_in, moved_out = seen.telemetry.swapped_in_pages, seen.telemetry.swapped_out_pages
    gate = seen.spec.number("gate.swapped_pages") or 0.0
    if moved_in is None and moved_out is None and not gate:
        return unknown("swap", "pswpin and pswpout before and after the run (telemetry.csv)")
    pages = (moved_in or 0) + (moved_out or 0)
    if not pages and not gate:
        return fine("swap", "no page was swapped", "no page in or out")
    shown = f"swapping: {moved_in or 0} pages in, {moved_out or 0} out during the run"
    if not pages:
        shown = f"swapping: {gate:.0f} pages in a tenth of a second before the run"
    cost = Cost()
    if seen.work_s and seen.token_s and pages:
        share = min(0.9, pages * PAGE_IN_S / seen.work_s)
        cost = Cost(seen.token_s * share, (seen.prompt_s or 0.0) * share)
    action = "free memory or take a smaller model or context, then swapoff -a; a run that swaps does not count"
    return found("swap", shown, "no page in or out", action, cost, decides=True)


def background(seen: Observed) -> Finding:
    """Check 10. Somebody else's work on the cores that the runtime waits for."""
    cores, load1 = seen.spec.number("gate.load_cores"), seen.before.number("load.m1")
    if cores is None and load1 is None:
        return unknown("background", "busy cores before the run (the gate in spec.json, load in facts.before.json)")
    if cores is None:
        # The load average still remembers the run before, so it only acquits.
        if load1 is not None and load1 < QUIET_CORES:
            return fine("background", f"load average {load1:.2f} before the run", f"below {QUIET_CORES}")
        return unknown("background", "busy cores just before the run; the load average remembers the run before it")
    expected = f"fewer than {QUIET_CORES} busy cores before the run"
    if cores < QUIET_CORES:
        return fine("background", f"{cores:.2f} cores busy before the run", expected)
    cost = Cost()
    if seen.expected is not None:
        share = min(cores, HOST_CORES) / HOST_CORES
        cost = Cost(seen.expected.token_host_s * share, (seen.expected.prompt_host_s or 0.0) * share)
    action = "see who it is (top, or invoke check), stop it, and measure again"
    return found("background", f"others keep {cores:.1f} of 8 cores busy", expected, action, cost)


def driver(seen: Observed) -> Finding:
    """Check 16. Warned of by the runtime; with large models it fails."""
    version = seen.parsed.text("driver") or seen.before.text("npu.driver")
    warned = "driver_too_old" in seen.warnings
    if version is None and not warned:
        return unknown("driver", "the version of the rknpu driver (banner, or /sys/kernel/debug/rknpu/version)")
    release = release_of(version)
    expected = ".".join(map(str, OLDEST_DRIVER)) + " or later"
    if not warned and (release is None or release >= OLDEST_DRIVER):
        return fine("driver", f"driver {version}", expected)
    shown = f"rknpu driver {version or 'of an unknown version'} is too old"
    shown += ", and the runtime says so" if warned else ""
    action = "a kernel with rknpu 0.9.8 (vendor kernel 6.1 of 2024-09 or later)"
    return found("driver", shown, expected, action, decides=seen.failure in _DRIVER_MAY_BE_WHY)


def npu_load(seen: Observed) -> Finding:
    """Check 11. A core that never worked."""
    busy, meant = seen.telemetry.npu_busy, seen.cores
    if len(busy) < 2 or seen.telemetry.samples < FEWEST_SAMPLES or meant is None:
        return unknown("npu_load", "the load of each NPU core while it works, three samples or more (needs debugfs)")
    working = sum(share > 0 for share in busy)
    shown = f"{working} NPU cores worked"
    if working >= meant:
        return fine("npu_load", shown, f"{meant} cores")
    return found("npu_load", shown, f"{meant} cores", "compare the banner's npu_core_num with what was planned")


def storage(seen: Observed) -> Finding:
    """Check 17. It costs loading and nothing else."""
    seconds = seen.parsed.number("init_ms")
    if seconds is None or seen.arch is None:
        return unknown("storage", "the time of the start and the size of the model file")
    dtype = seen.parsed.text("model_dtype")
    kept = dtype if dtype and dtype_of(dtype) else "w8a8"
    rate = predict_memory(seen.arch, kept, 0).file_bytes / (seconds / 1000)
    shown, expected = f"loaded at {rate / 1e9:.2f} GB/s", f"{WARM_SLOWEST / 1e9:.2f} GB/s or more from the page cache"
    if rate >= WARM_SLOWEST:
        return fine("storage", shown, expected)
    return found(
        "storage", f"{shown}: from a disk", expected, "cold file cache or slow disk; it costs loading, not speed"
    )


def board_fit(seen: Observed, left: Left) -> Finding:
    """Check 18. Which side of the board is slow, from all models measured on it: host work a layer, or the bus."""
    fit, cores = seen.fit, seen.cores
    if fit is None or cores is None:
        return unknown("board_fit", "two or more models measured on this board under the same clocks and cores")
    side, expected = fit.side(seen.parsed.text("runtime"), cores), "0.33 ms/layer and 30 GB/s on three cores"
    if side == "neither" or seen.expected is None or seen.token_s is None or left.token_s < NOTICED * seen.token_s:
        return fine("board_fit", fit.sentence, expected)
    layers = seen.arch.layers if seen.arch is not None else 0
    host = max(0.0, fit.layer_s * layers - seen.expected.token_host_s)
    bus = (
        max(0.0, seen.expected.bytes_a_token / fit.bus_bytes_per_s - seen.expected.token_bus_s)
        if fit.bus_bytes_per_s
        else 0.0
    )
    if side == "host":
        shown, action, cost = (
            "CPU side",
            "CPU clock and governor, enabled cpus, company, printing to a slow terminal",
            host,
        )
    elif side == "bus":
        shown, action, cost = (
            "DDR side",
            "DRAM clock while generating: devfreq/dmc, or the firmware where it has no node",
            bus,
        )
    else:
        shown, action, cost = "CPU and DDR side", "CPU clock first, then DRAM clock", host + bus
    return found("board_fit", f"{shown}: {fit.sentence}", expected, action, Cost(min(cost, left.token_s)))
