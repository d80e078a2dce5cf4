"""A job that the NPU does not finish, or finishes wrongly: the demo goes on with what there is.

A lost job is given up by the driver after a while; nothing but a line on standard error and the kernel's log tells of
it. A product that fails costs no time, and its line lacks an end: the runtime writes that to the other stream. Either
way the table is complete, and the exit code is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtual.boot import Boot
    from virtual.demo import Stdout, Terminal

LOST_MS = 12_500.0  # two of the driver's patience
FAILED_PRODUCTS = 3
_SAID = "E RKNN: [{stamp}] failed to submit!, op id: 1, op name: MatMul, flags: 0x5\n"
_LOGGED = (
    "RKNPU: failed to wait job, task counter: 0, flags: 0x5, ret = 0, elapsed time: 6250417us",
    "RKNPU: job timeout, flags: 0x0:",
    "RKNPU: soft reset",
)


def lose_job(board: Boot, terminal: Terminal, stamp: str, **about: object) -> float:
    """Say so where the real ones do; returns the milliseconds that the prefill has longer."""
    board.truth.record("fault", fault="submit_failed", **about)
    for line in _LOGGED:
        board.pages.log(board.uptime_s(), line, level=3)
    terminal.err(_SAID.replace("{stamp}", stamp))
    return LOST_MS


def fail_products(board: Boot, terminal: Terminal, stdout: Stdout, **about: object) -> None:
    """Say so where the real ones do: the line on standard error, its end on standard output."""
    board.truth.record("fault", fault="matmul_failed", **about)
    for _ in range(FAILED_PRODUCTS):
        terminal.err("E rkllm: matmul(w8a8) run failed")
        stdout.print("\n")
