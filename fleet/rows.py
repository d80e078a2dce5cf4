"""What ``boards`` and ``status`` show, as rows of plain values; how they are drawn is the writer's business."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fleet.boards import BoardState
from fleet.errors import AuthenticationFailed, FleetError, HostKeyProblem, Unreachable

if TYPE_CHECKING:
    from fleet.board_runs import BoardRun  # brings everything about runs, and `boards` shows none
    from fleet.campaign import Record

Row = dict[str, str | int | float | None]

_DOWN = ((HostKeyProblem, "host key refused"), (AuthenticationFailed, "login refused"), (Unreachable, "unreachable"))


def board_row(state: BoardState) -> Row:
    """One line of ``invoke boards``; what the board did not say is None."""
    facts = state.facts or {}
    entry = state.entry
    simulated = entry.virtual is not None or _at(facts, "simulated") is not None
    total_bytes = _at(facts, "memory", "total_bytes")
    temperatures = [zone.get("temp_mc") for zone in _list(facts, "thermal", "zones")]
    hottest_mc = max((mc for mc in temperatures if isinstance(mc, int | float)), default=None)
    users = ", ".join(str(user.get("comm")) for user in _list(facts, "npu_users"))
    return {
        "board": entry.name,
        "state": _state(state.error) if state.error else "up",
        "address": entry.address or "virtual",
        "model": _text(_at(facts, "board", "model")),
        "RAM GiB": round(total_bytes / 2**30, 1) if isinstance(total_bytes, int | float) else None,
        "kernel": _text(_at(facts, "kernel", "release")),
        "NPU driver": _text(_at(facts, "npu", "driver")),
        "RKLLM": ", ".join(str(lib.get("version")) for lib in _list(facts, "runtime", "rkllm")) or None,
        "°C": round(hottest_mc / 1000, 1) if hottest_mc is not None else None,
        "NPU used by": users or None,
        "origin": "simulated" if simulated else "measured",
    }


def run_row(run: BoardRun) -> Row:
    """One line of ``invoke status``."""
    end = run.state.end
    return {
        "board": run.board,
        "campaign": run.campaign,
        "run": run.run,
        "state": str(run.state.verdict),
        "seconds": round(end.duration_s, 1) if end and end.duration_s is not None else None,
        "collected": "yes" if run.here else "no",
    }


def planned_rows(record: Record, ended: Mapping[tuple[str, str], tuple[str, str | None]]) -> list[Row]:
    """One line for every run that a campaign planned; ``ended``: outcome and reason by (board, run)."""
    nothing = ("open", f"no evidence yet; go on: invoke bench --campaign {record.campaign}")
    return [
        {"board": board, "run": run, "outcome": outcome, "reason": reason}
        for board, runs in record.runs.items()
        for run in runs
        for outcome, reason in [ended.get((board, run), nothing)]
    ]


def _state(error: FleetError) -> str:
    return next((word for kind, word in _DOWN if isinstance(error, kind)), "failed")


def _at(facts: Mapping[str, Any], *keys: str) -> Any:
    value: Any = facts
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _list(facts: Mapping[str, Any], *keys: str) -> Iterable[Mapping[str, Any]]:
    value = _at(facts, *keys)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
