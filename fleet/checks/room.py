"""What a run needs beside the NPU: memory that is not swapped, a disk with room, and nobody else on the board."""

from __future__ import annotations

import posixpath

from fleet import defaults
from fleet.checks.check import Check, Finding, Subject, gib, number

_TOGETHER_S = 2.0  # the board tells whole seconds


class Swap(Check):
    """What is swapped out comes back in the middle of a run."""

    name = "swap"
    reads = "SwapTotal, SwapFree and zram, and the pages that were moved while the facts were read"
    rule = "no page is on its way and less than 256 MiB are swapped out; any at all is a warning"
    action = "end what takes the memory, then as root: `swapoff -a && swapon -a`"
    momentary = True

    def judge(self, board: Subject) -> Finding:
        total, free = board.number("memory.swap_total_bytes"), board.number("memory.swap_free_bytes")
        if total is None or free is None:
            return self.unknown(board.why("memory.swap_total_bytes"))
        zram = board.number("memory.zram_bytes") or 0.0
        what = "swap in zram" if zram else "swap"
        used = max(0.0, total - free)
        moved = board.number("check.background.swapped_pages")
        if moved:
            return self.fail(f"{moved:.0f} pages of swap were moved while we looked; {gib(used)} are swapped out")
        if used >= defaults.SWAP_USED_BYTES:
            return self.fail(f"{gib(used)} of {gib(total)} {what} are used")
        if used > 0:
            return self.warn(f"{used / 2**20:.1f} MiB of {gib(total)} {what} are used")
        return self.ok(f"{gib(total)} {what}, unused" if total else "no swap")


class Memory(Check):
    """Weights stay resident. Whether a certain model fits is computed elsewhere, and skips its runs alone."""

    name = "memory"
    reads = "MemAvailable and MemTotal"
    rule = "1 GiB is available, without which no model runs; less than half of the RAM is a warning: somebody holds it"
    action = "end what takes the memory (`ps aux --sort=-rss`); `invoke models --board NAME` shows which models fit"
    momentary = True

    def judge(self, board: Subject) -> Finding:
        available, total = board.number("memory.available_bytes"), board.number("memory.total_bytes")
        if available is None:
            return self.unknown(board.why("memory.available_bytes"))
        if available < defaults.LEAST_AVAILABLE_BYTES:
            return self.fail(f"{gib(available)} available, any model needs {gib(defaults.LEAST_AVAILABLE_BYTES)}")
        if total and available < defaults.AVAILABLE_SHARE * total:
            return self.warn(f"{gib(available)} of {gib(total)} available")
        return self.ok(f"{gib(available)} of {gib(total)} available" if total else f"{gib(available)} available")


class Disk(Check):
    """Where the scripts, the model files and the runs lie."""

    name = "disk"
    reads = "free bytes of the file system of the inventory's `paths.store`"
    rule = "16 MiB are free, without which no run begins; below 1 GiB is a warning"
    action = "`invoke collect --prune`, `invoke push --unused`, or another disk for `paths.store`"

    def judge(self, board: Subject) -> Finding:
        disks = board.rows("disk")
        free = number(disks[0].get("free_bytes")) if disks else None
        if free is None:
            return self.unknown(board.why("disk.0.free_bytes"))
        seen = f"{gib(free)} free for {board.entry.paths.store}"
        if free < defaults.PUSH_FREE_BYTES:
            return self.fail(seen)
        return self.warn(seen) if free < defaults.LOW_DISK_BYTES else self.ok(seen)


class BackgroundLoad(Check):
    """RKLLM computes on the big cores; whoever else does makes it slower."""

    name = "background-load"
    reads = "CPU time of all other processes over 0.3 s, from `/proc/PID/stat`"
    rule = "others use less than half a core; from 0.2 cores on (2.5 % of eight) it is a warning"
    action = "wait, or stop that program; updates and desktops are the usual ones"
    momentary = True

    def judge(self, board: Subject) -> Finding:
        cores = board.number("check.background.cores")
        if cores is None:
            return self.unknown(board.why("check.background"))
        pid, comm = board.number("check.background.most_pid"), board.text("check.background.most_comm")
        who = f", most of it {comm} ({pid:.0f})" if pid is not None and comm else ""
        seen = f"others use {cores:.2f} cores{who}"
        if cores >= defaults.BUSY_FAIL_CORES:
            return self.fail(seen)
        return self.warn(seen) if cores >= defaults.BUSY_WARN_CORES else self.ok(seen)


class NpuUsers(Check):
    """All processes share the NPU's cores and its 4 GiB of addresses."""

    name = "npu-users"
    reads = "which processes have the NPU's device open"
    rule = "nobody but a run of this campaign; unknown without root or sudo"
    action = "wait, or stop that process; a run of rkfleet ends with `invoke cancel`"

    def judge(self, board: Subject) -> Finding:
        if board.get("npu_users") is None:
            return self.unknown(board.why("npu_users"), f"let {board.entry.user} use sudo without a password")
        users = [user for user in board.rows("npu_users") if not board.is_ours(user.get("run"))]
        names = ", ".join(f"{user.get('comm')} ({user.get('pid')})" for user in users)
        runs = [posixpath.basename(str(user["run"]).strip("[]")) for user in users if user.get("run")]
        if users:
            return self.fail(f"the NPU is used by {names}" + (f", which is run {runs[0]}" if runs else ""))
        if why := board.said_missing("npu_users"):
            return self.unknown(why)
        return self.ok("a run of this campaign" if board.rows("npu_users") else "nobody")


class WallClock(Check):
    """Runs are timed by uptime; journals and certificates are not."""

    name = "wall-clock"
    reads = "the board's wall clock beside the workstation's"
    rule = "they are less than an hour apart; from a minute on it is a warning"
    action = "on the board, as root: `timedatectl set-ntp true`, or `date -s` where it has no network"

    def judge(self, board: Subject) -> Finding:
        offset = board.number("clock_offset_s")
        if offset is None:
            return self.unknown(board.why("epoch_s"))
        if abs(offset) < _TOGETHER_S:
            return self.ok("as this workstation's")
        seen = f"{abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this workstation"
        if abs(offset) >= defaults.CLOCK_FAIL_S:
            return self.fail(seen)
        return self.warn(seen) if abs(offset) >= defaults.CLOCK_WARN_S else self.ok(seen)
