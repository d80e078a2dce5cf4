"""What decides a number most: clocks that stay where they are, and a chip that is cool enough to keep them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet import defaults
from fleet.checks.check import Check, Finding, Subject, number

HOLDING = ("performance", "userspace")  # governors that keep a clock whatever the load


class Clocks(Check):
    """A run pins what it can; here is said what it finds, and what it will not be able to pin."""

    name = "clocks"
    reads = "governor, limits and steps of each CPU policy and of the NPU"
    rule = (
        "each offers performance or userspace, and where our user is not root none is at powersave or capped; "
        "a governor that follows the load is a warning: a run pins it where it may"
    )
    action = "nothing, where our user is root or has sudo: a run pins the clocks and gives them back"

    def judge(self, board: Subject) -> Finding:
        domains = {str(policy.get("policy")): policy for policy in board.rows("cpu")}
        npu = board.get("npu")
        if isinstance(npu, Mapping) and npu.get("governor") is not None:
            domains["npu"] = npu
        if not domains:
            return self.unknown("this kernel shows no policy in /sys/devices/system/cpu/cpufreq")
        free = {name: one for name, one in domains.items() if not _held(one)}
        stuck = [f"{name} ({_words(one.get('governors'))})" for name, one in free.items() if not _holdable(one)]
        if stuck:
            action = "use a kernel with the performance governor (CONFIG_CPU_FREQ_GOV_PERFORMANCE)"
            return self.fail(f"neither performance nor userspace for {', '.join(stuck)}", action)
        told = ", ".join(_told(name, one) for name, one in free.items())
        if board.is_root:
            if free:
                return self.warn(f"{told}: a run pins them", self.action)
        else:
            action = f"let {board.entry.user} use sudo without a password, or set them as root before"
            slow = [_told(name, one) for name, one in free.items() if one.get("governor") == "powersave" or _cap(one)]
            if slow:
                return self.fail(f"{', '.join(slow)}, and our user may not change it", action)
            if free:
                return self.warn(f"{told}, and our user may not pin them", action)
        if "npu" not in domains:
            return self.unknown(f"CPU clocks are held; of the NPU: {board.why('npu.governor')}")
        return self.ok(f"{', '.join(domains)} are held")


class DramClock(Check):
    """Decode is bound by the DRAM; without the node nobody knows at which clock it runs."""

    name = "dram-clock"
    reads = "`/sys/class/devfreq/dmc`: is it there, its governor and its clock"
    rule = "the node is there; a governor other than performance or userspace is a warning: a run pins it"
    action = "an image whose boot loader and device tree bring up the DMC; until then the DRAM clock is not known"

    def judge(self, board: Subject) -> Finding:
        dmc = board.get("dmc")
        if not isinstance(dmc, Mapping):
            return self.unknown(board.why("dmc"))
        if dmc.get("node") is None:
            return self.fail(board.why("dmc.node"))
        if dmc.get("governor") is None:
            return self.unknown(board.why("dmc.governor"))
        told = _told("dmc", dmc)
        if _held(dmc):
            return self.ok(f"{told} is held")
        if board.is_root:
            return self.warn(f"{told}: a run pins it", Clocks.action)
        return self.warn(f"{told}, and our user may not pin it", f"let {board.entry.user} use sudo without a password")


class Temperature(Check):
    """A board that is hot before a run throttles within it."""

    name = "temperature"
    reads = "all thermal zones, and the cooling devices that slow clocks down"
    rule = "the hottest zone is below 80 °C and no clock is held down; from 65 °C on it is a warning"
    action = "let it cool down; better a heatsink and a fan"
    momentary = True

    def judge(self, board: Subject) -> Finding:
        zones = board.rows("thermal.zones")
        known = [(mc, str(zone.get("type"))) for zone in zones if (mc := number(zone.get("temp_mc"))) is not None]
        cooling = [
            str(one.get("type"))
            for one in board.rows("thermal.cooling")
            if (number(one.get("cur_state")) or 0) > 0
            and any(word in str(one.get("type")) for word in defaults.COOLERS)
        ]
        if not known and not cooling:
            return self.unknown("no thermal zone can be read")
        mc, zone = max(known, default=(0.0, "?"))
        seen = f"{zone} at {mc / 1000:.0f} °C"
        if cooling:
            return self.fail(f"{seen}; held down against heat: {', '.join(cooling)}")
        if mc >= defaults.HOT_MC:
            return self.fail(seen)
        return self.warn(seen) if mc >= defaults.WARM_MC else self.ok(seen)


def _held(clock: Mapping[str, Any]) -> bool:
    """Does it stay at its highest step."""
    top, low, high = _top(clock), number(clock.get("min_hz")), number(clock.get("max_hz"))
    if clock.get("governor") == "performance":
        return not _cap(clock)
    if clock.get("governor") == "userspace":
        return top is not None and number(clock.get("cur_hz")) == top
    return top is not None and low == high == top


def _holdable(clock: Mapping[str, Any]) -> bool:
    offered = clock.get("governors")
    return not isinstance(offered, list) or not offered or any(one in HOLDING for one in offered)


def _cap(clock: Mapping[str, Any]) -> bool:
    top, high = _top(clock), number(clock.get("max_hz"))
    return top is not None and high is not None and high < top


def _top(clock: Mapping[str, Any]) -> float | None:
    steps = clock.get("available_hz")
    numbers = map(number, steps) if isinstance(steps, list) else ()
    return max((hz for hz in numbers if hz is not None), default=None)


def _told(name: str, clock: Mapping[str, Any]) -> str:
    hz, high = number(clock.get("cur_hz")), number(clock.get("max_hz"))
    at = f" at {hz / 1e6:.0f} MHz" if hz is not None else ""
    cap = f", capped at {high / 1e6:.0f}" if _cap(clock) and high is not None else ""
    return f"{name} {clock.get('governor')}{at}{cap}"


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else "?"
