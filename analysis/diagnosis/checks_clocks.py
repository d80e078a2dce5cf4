"""Checks of the clocks: CPU, NPU and DRAM while they worked, heat, idle states, and whether a pin took effect.

Sources: rknn-llm #29 (CPU clock alone: 12 to 21 tok/s), #532 (DRAM without a node), tgoskits #1908 (NPU at 200 MHz),
sbc-bench (99 % of the time at the top), rkllama #82 (a pin that failed and said "optimized"), rk3588s.dtsi (sleep).
"""

from __future__ import annotations

from collections.abc import Mapping

from analysis.clocks import Clock
from analysis.diagnosis.finding import Cost, Finding, Left, fine, found, unknown
from analysis.diagnosis.observed import Observed
from analysis.diagnosis.work_clocks import FEWEST_SAMPLES, mean_of_work
from analysis.telemetry import HOT_MC

NEAR_TOP = {"cpu": 0.99, "npu": 0.99, "dmc": 0.95}  # of the highest clock, in the mean of the work
BIG_CPUS = (4, 5, 6, 7)
# A Cortex-A55 at 1.8 GHz beside an A76 at 2.3: 7-zip and geekbench of one core, sbc-bench results of RK3588 boards
LITTLE_SLOWER = 2.5
# NPU clock above this hardly changes generating, which waits for the bus (public reports); a prompt needs all of it
NPU_ENOUGH_HZ = 700e6
WAKE_UP_S = 120e-6  # exit latency of the first idle state in rk3588s.dtsi; a token pays it about once
LEAST_HZ_RATIO = 4.0  # 2112 against 528 MHz: what a DRAM can lose at most
NOTICED = 0.05  # of a token's time: less is within what the prediction is wrong by anyway


def throttled(seen: Observed) -> Finding:
    """Check 8. Heat takes CPU and NPU clocks down, so their cost is its cost."""
    states = dict(seen.telemetry.cooling)
    for row in _rows(seen.after.get("thermal.cooling")):
        state, name = row.get("cur_state"), str(row.get("type"))
        if isinstance(state, int) and state > 0 and "fan" not in name.casefold():
            states[name] = max(states.get(name, 0), state)
    hottest = seen.telemetry.hottest_mc
    if not states and hottest is None:
        return unknown("throttle", "temperatures and cooling states during the run (telemetry.csv)")
    shown = "" if hottest is None else f"{hottest / 1000:.0f} °C at most"
    expected = f"no cooling device above state 0, below {HOT_MC / 1000:.0f} °C"
    if not states and (hottest or 0) <= HOT_MC:
        return fine("throttle", shown, expected)
    said = ", ".join(f"{name} at state {state}" for name, state in sorted(states.items()))
    cost = cpu_clock(seen).cost + npu_clock(seen).cost if states else Cost()
    observed = "throttled against heat: " + ", ".join(part for part in (said, shown) if part)
    return found("throttle", observed, expected, "better cooling, or a pause between runs; then measure again", cost)


def cpu_clock(seen: Observed) -> Finding:
    """Check 1. The host's work of each layer takes as much longer as the clock is lower."""
    factors, told = [], []
    limits = {}
    for policy in _working_policies(seen):
        name, top = str(policy.get("policy")), _highest(policy.get("available_hz")) or policy.get("max_hz")
        mean = _mean_hz(seen, name, f"cpu{name.removeprefix('policy')}_hz")
        if mean is None or not isinstance(top, int) or not top:
            continue
        factors.append(max(1.0, top / mean))
        told.append(f"{name} {mean / 1e6:.0f} of {top / 1e6:.0f} MHz")
        limits[name] = (_governor(seen, name) or policy.get("governor"), policy.get("max_hz"), top)
    if not factors:
        return unknown("cpu_clock", "time at each CPU clock during the run (clocks.json), or clocks beside NPU load")
    slower = sum(factors) / len(factors)
    expected = "at the highest clock for 99 % of the work"
    if slower <= 1 / NEAR_TOP["cpu"]:
        return fine("cpu_clock", f"CPU clocks fine ({', '.join(told)})", expected)
    cost = Cost()
    if seen.expected is not None:
        cost = Cost(seen.expected.token_host_s * (slower - 1), (seen.expected.prompt_host_s or 0.0) * (slower - 1))
    low = [name for name, (_, limit, top) in limits.items() if isinstance(limit, int) and limit < top]
    names = "/".join(sorted(limits))
    if low:
        action = f"raise scaling_max_freq of {'/'.join(low)}, then governor performance"
    elif all(str(governor) in ("performance", "userspace") for governor, *_ in limits.values()):
        action = f"{names} asks for its highest clock and does not get it: look for heat, supply voltage or firmware"
    else:
        action = f"{names}: governor performance (invoke bench pins it unless told --clocks as-is)"
    return found("cpu_clock", f"CPU clock low while working: {', '.join(told)}", expected, action, cost)


def cpu_cluster(seen: Observed) -> Finding:
    """Check 2. A little core does the host's work two to three times slower."""
    cpus = seen.enabled_cpus
    if not cpus:
        return unknown("cpu_cluster", "the banner's line 'Enabled cpus' (RKLLM_LOG_LEVEL=1)")
    little = [cpu for cpu in cpus if cpu not in BIG_CPUS]
    shown = f"enabled cpus {list(cpus)}"
    if not little:
        return fine("cpu_cluster", shown, "the big cores, 4 to 7")
    cost = Cost()
    if seen.expected is not None:
        slower = LITTLE_SLOWER - 1
        cost = Cost(seen.expected.token_host_s * slower, (seen.expected.prompt_host_s or 0.0) * slower)
    action = "set enabled_cpus_mask of the demo to the big cores (0xf0); taskset does not change it"
    return found("cpu_cluster", f"{shown}: {len(little)} of them little cores", "the big cores, 4 to 7", action, cost)


def npu_clock(seen: Observed) -> Finding:
    """Check 4. A prompt takes as much longer as the clock is lower; an answer only below 700 MHz."""
    top = _highest(seen.before.get("npu.available_hz"))
    mean = _mean_hz(seen, "npu", "npu_hz")
    if top is None or mean is None:
        return unknown("npu_clock", "time at each NPU clock during the run (clocks.json), or npu_hz in telemetry.csv")
    expected = f"{top / 1e6:.0f} MHz while working"
    if mean >= NEAR_TOP["npu"] * top:
        return fine("npu_clock", f"NPU clock fine ({mean / 1e6:.0f} MHz)", expected)
    cost = Cost()
    if seen.expected is not None:
        cost = Cost(
            seen.expected.token_bus_s * max(0.0, NPU_ENOUGH_HZ / mean - 1),
            (seen.expected.prompt_npu_s or 0.0) * (top / mean - 1),
        )
    action = "NPU devfreq: raise max_freq and set governor performance, then read cur_freq back"
    return found(
        "npu_clock", f"NPU clock low while working: {mean / 1e6:.0f} of {top / 1e6:.0f} MHz", expected, action, cost
    )


def dram_clock(seen: Observed) -> Finding:
    """Check 5. What is read of the bus takes as much longer as its clock is lower."""
    top = _highest(seen.before.get("dmc.available_hz"))
    mean = _mean_hz(seen, "dmc", "dmc_hz")
    if seen.has_board and seen.before.get("dmc.node") is None:
        return unknown("dram_clock", "a devfreq node of the DRAM: this board has none, see dram_node")
    if top is None or mean is None:
        return unknown("dram_clock", "time at each DRAM clock during the run (clocks.json), or dmc_hz in telemetry.csv")
    expected = f"{top / 1e6:.0f} MHz while working"
    if mean >= NEAR_TOP["dmc"] * top:
        return fine("dram_clock", f"DDR looks fine ({mean / 1e6:.0f} MHz)", expected)
    cost = Cost()
    if seen.expected is not None:
        slower = seen.expected.token_bus_s * (top / mean - 1)
        cost = Cost(slower, slower)  # a prompt reads the weights once
    limit, governor = seen.before.get("dmc.max_hz"), _governor(seen, "dmc") or seen.before.text("dmc.governor")
    if isinstance(limit, int) and limit < top:
        action = "raise max_freq of devfreq/dmc"
    elif governor in ("performance", "userspace"):
        action = "the DRAM does not follow its governor: firmware (BL31 and DDR blob) of this image, or its voltage"
    else:
        action = "devfreq/dmc: governor performance (invoke bench pins it unless told as-is or no-dmc)"
    observed = f"DDR clock low while working: {mean / 1e6:.0f} of {top / 1e6:.0f} MHz"
    return found("dram_clock", observed, expected, action, cost)


def dram_node(seen: Observed, left: Left) -> Finding:
    """Check 5. Without a node nobody knows the clock; what nothing else explains is laid at its door, up to 528 MHz."""
    if not seen.has_board:
        return unknown("dram_node", "whether /sys/class/devfreq/dmc is there")
    if seen.before.get("dmc.node") is not None:
        return fine("dram_node", "the kernel steers the DRAM clock", "a node devfreq/dmc")
    cost, shown = Cost(), "no node devfreq/dmc: the DRAM stays where the bootloader put it, and nobody can see where"
    if seen.expected is not None and seen.token_s and left.token_s > NOTICED * seen.token_s:
        slower = min(left.token_s, seen.expected.token_bus_s * (LEAST_HZ_RATIO - 1))
        cost = Cost(slower, min(left.prompt_s, slower))
        reached = seen.expected.bytes_a_token / (seen.expected.token_bus_s + slower) / 1e9
        shown += f"; the speed speaks of {reached:.1f} GB/s"
    action = "a bootloader whose BL31 has DMC (SIP handler), then devfreq/dmc to performance"
    return found("dram_node", shown, "a node devfreq/dmc", action, cost)


def idle_states(seen: Observed) -> Finding:
    """Check 3. A core that sleeps between two pieces of work wakes up late."""
    rows = [] if seen.clocks is None else [one for one in seen.clocks.clocks if one.kind == "idle"]
    if not rows:
        return unknown("idle_states", "cpuidle/state1/disable of each CPU (clocks.json)")
    awake = [one for one in rows if one.start == 1]
    if len(awake) == len(rows):
        return fine("idle_states", "switched off", "switched off, as the vendor's script has it")
    shown = f"deep idle state of {len(rows) - len(awake)} CPUs was on"
    action = "switch cpuidle/state1 off on all CPUs (invoke bench does, unless told --clocks as-is)"
    cost = Cost(WAKE_UP_S, WAKE_UP_S) if seen.expected is not None else Cost()
    return found("idle_states", shown, "switched off, as the vendor's script has it", action, cost)


def pins(seen: Observed) -> Finding:
    """Check 7. Was what should be pinned, and did it stay? What it costs is told by the clock itself."""
    clocks = seen.clocks
    if clocks is None or clocks.missing:
        return unknown("pins", "clocks.json: what was to be pinned, and what was read back")
    if clocks.broken:
        action = "the pin did not hold: heat, supply or another program; the run does not count"
        return found("pins", "; ".join(clocks.broken), "each clock stays where it was pinned", action)
    if clocks.sentence.startswith("pinned"):
        return fine("pins", clocks.sentence, "pinned and read back")
    if clocks.profile == "as_is":
        return found("pins", "nothing was pinned", "pinned and read back", "invoke bench without --clocks as-is")
    action = "log in as root or allow sudo -n, and read what the board refuses"
    return found("pins", clocks.sentence, "pinned and read back", action)


def _working_policies(seen: Observed) -> list[Mapping[str, object]]:
    """The cpufreq policies whose cores do the host's work: those in the banner, the big ones where it does not say."""
    wanted = set(seen.enabled_cpus or BIG_CPUS)
    found = []
    for policy in seen.policies:
        cpus = {int(cpu) for cpu in str(policy.get("cpus") or "").split() if cpu.isdigit()}
        if cpus & wanted:
            found.append(policy.fields)
    return found


def _mean_hz(seen: Observed, name: str, column: str) -> float | None:
    if seen.busy.samples >= FEWEST_SAMPLES and column in seen.busy.mean_hz:
        return seen.busy.mean_hz[column]
    for clock in seen.clocks.clocks if seen.clocks is not None else ():
        if name in (clock.name, clock.kind) and clock.kind in NEAR_TOP:
            residency = _once_pinned(seen, clock) if clock.pinned else clock.residency_ms
            mean = mean_of_work(residency, seen.work_s, rests_at_top=clock.pinned)
            if mean is not None:
                return mean
            ends = [hz for hz in (clock.start, clock.end) if hz]  # a driver that does not count while it is pinned
            return min(ends) if clock.pinned and ends else None
    return None


def _once_pinned(seen: Observed, clock: Clock) -> Mapping[int, float]:
    """Without the time at the clock of before the pin, its own delay; a pin that never took has no other."""
    before = seen.before.get(f"{clock.kind}.cur_hz")
    for policy in seen.policies:
        if policy.get("policy") == clock.name:
            before = policy.get("cur_hz")
    later = {hz: ms for hz, ms in clock.residency_ms.items() if hz != before}
    return later if clock.wanted in later else clock.residency_ms


def _governor(seen: Observed, name: str) -> str | None:
    """Of the run itself: a pinned clock has another governor than the facts before it say."""
    for clock in seen.clocks.clocks if seen.clocks is not None else ():
        if name in (clock.name, clock.kind) and clock.asked:
            return "performance" if clock.pinned else None
    return None


def _highest(listed: object) -> int | None:
    numbers = [one for one in listed if isinstance(one, int)] if isinstance(listed, list) else []
    return max(numbers, default=None)


def _rows(listed: object) -> list[Mapping[str, object]]:
    return [row for row in listed if isinstance(row, Mapping)] if isinstance(listed, list) else []
