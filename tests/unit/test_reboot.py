"""What a reboot.log explains, what it does not, and that nothing in it is an exception."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analysis.outcome import ADVICE, Judgement, Logs, Outcome, judge
from analysis.reboot import SIGNS, SILENT, UNKNOWN, explain

BOOTS = "== boots: ok ==\nof the run: a\nnow: b, up 33.50 s\n"
QUIET = "[  170.000000] rk systemd[1]: Started Session 4 of user root.\n"


def log(section: str, *lines: str) -> bytes:
    return f"{BOOTS}== {section}: ok ==\n{''.join(line + chr(10) for line in lines)}\n".encode()


def journal(*lines: str) -> bytes:
    return log("journal", *lines)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("rk kernel: Kernel panic - not syncing: Fatal exception in interrupt", "panic"),
        ("rk kernel: Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled", "panic_on_oom"),
        ("rk kernel: Kernel panic - not syncing: System is deadlocked on memory", "panic_on_oom"),
        (
            "rk kernel: thermal thermal_zone0: soc-thermal: critical temperature reached, shutting down",
            "thermal_shutdown",
        ),
        ("rk kernel: thermal_zone0: critical temperature reached (116 C), shutting down", "thermal_shutdown"),
        ("rk kernel: reboot: HARDWARE PROTECTION shutdown (Temperature too high)", "thermal_shutdown"),
        ("rk kernel: Kernel panic - not syncing: softlockup: hung tasks", "watchdog"),
        ("rk kernel: Kernel panic - not syncing: hung_task: blocked tasks", "watchdog"),
        ("rk kernel: watchdog: BUG: soft lockup - CPU#4 stuck for 22s! [llm_demo:814]", "lockup"),
        ("rk kernel: RKNPU: job timeout, flags: 0x0:", "npu_timeout"),
        ("rk kernel: RKNPU fdab0000.npu: RKNPU: soft reset, num: 1", "npu_timeout"),
        ("rk systemd[1]: Reached target Reboot.", "orderly"),
        ("rk systemd[1]: Reached target reboot.target - System Reboot.", "orderly"),
        ("rk systemd[1]: Reached target poweroff.target - System Power Off.", "orderly"),
        ("rk systemd-logind[411]: System is rebooting.", "orderly"),
        ("rk systemd-logind[411]: The system will reboot now!", "orderly"),
    ],
)
def test_the_one_who_knows_is_believed(line: str, name: str) -> None:
    sign = next(sign for sign in SIGNS if sign.name == name)
    why = explain(journal(QUIET.strip(), f"[  171.250000] {line}"))
    assert (why.means, why.advice) == (sign.means, sign.advice)
    assert why.seen and why.seen in line


@pytest.mark.parametrize(
    "line",
    [
        "[  171.0] rk sshd[9]: Kernel panic - not syncing: says a user",
        "[  171.0] rk llm_demo[814]: critical temperature reached, shutting down",
        "[  171.0] rk systemd[812]: Reached target Shutdown.",
        "[  171.0] rk kernel: thermal_zone0: temperature 95000, throttling",
        "[  171.0] rk kernel: watchdog: watchdog0: watchdog did not stop!",
        "Kernel panic - not syncing: no time and no program",
    ],
)
def test_words_in_the_wrong_mouth_explain_nothing(line: str) -> None:
    assert explain(journal(QUIET.strip(), line)) == SILENT


def test_trouble_that_the_board_got_over_does_not_explain_its_end() -> None:
    early = "[  100.0] rk kernel: RKNPU: job timeout, flags: 0x0:"
    assert explain(journal(early, "[  161.0] rk systemd[1]: Started x.")) == SILENT
    assert explain(journal(early, "[  159.0] rk systemd[1]: Started x.")).means.startswith("the NPU lost a job")


def test_the_cause_wins_over_its_consequence() -> None:
    lines = (
        "[  170.0] rk kernel: RKNPU: job timeout, flags: 0x0:",
        "[  171.0] rk kernel: thermal_zone0: critical temperature reached (116 C), shutting down",
        "[  172.0] rk systemd[1]: Reached target Power-Off.",
    )
    assert "too hot" in explain(journal(*lines)).means


@pytest.mark.parametrize(
    "line",
    [
        "<0>[  171.250000] Kernel panic - not syncing: Fatal exception",
        "[  171.250000][  T814] Kernel panic - not syncing: Fatal exception",
        "[  171.250000] Kernel panic - not syncing: Fatal exception",
    ],
)
@pytest.mark.parametrize("section", ["pstore /sys/fs/pstore/dmesg-ramoops-0", "last_kmsg"])
def test_the_kernels_saved_words_are_read_too(section: str, line: str) -> None:
    assert explain(log(section, "Panic#1 Part1", line)).sentence == (
        "the kernel panicked (Kernel panic - not syncing: Fatal exception)"
    )


def test_a_crash_from_before_the_run_explains_nothing() -> None:
    old = log("x", "").replace(b"x: ok", b"pstore /sys/fs/pstore/dmesg-ramoops-0: ok, from before the run")
    assert explain(old + b"<0>[  1.0] Kernel panic - not syncing: old\n") == UNKNOWN


def test_a_journal_that_just_ends_and_none_at_all_are_told_apart() -> None:
    assert explain(journal(QUIET.strip())) == SILENT
    assert explain(b"== journal: not kept over a restart, there is no /var/log/journal ==\n") == UNKNOWN
    assert explain(b"") == UNKNOWN


WTMP = (
    "reboot   system boot  6.1.43-rockchip Sat Nov 21 23:05:00 2026   still running\n"
    "shutdown system down  6.1.43-rockchip Sat Nov 21 23:04:00 2026 - Sat Nov 21 23:05:00 2026  (00:01)\n"
    "reboot   system boot  6.1.43-rockchip Sat Nov 21 20:00:05 2026 - Sat Nov 21 23:04:00 2026  (03:03)\n"
    "reboot   system boot  6.1.43-rockchip Fri Nov 20 08:00:00 2026 - Fri Nov 20 09:00:00 2026  (01:00)\n"
)
BOOT_S = 1795291200.0  # Sat Nov 21 20:00:00 2026 UTC


@pytest.mark.parametrize(
    ("text", "epoch_s", "uptime_s", "orderly"),
    [
        pytest.param(WTMP, BOOT_S + 7200, 7200.0, True, id="its boot ends with a shutdown"),
        pytest.param(WTMP, BOOT_S - 86400 + 7200, 86400.0 - 36000, False, id="another boot's shutdown"),
        pytest.param(WTMP, BOOT_S + 7200, 100.0, False, id="a clock that jumped"),
        pytest.param(WTMP, None, 7200.0, False, id="no clock"),
        pytest.param(WTMP, BOOT_S + 4 * 3600, 4 * 3600.0, False, id="a shutdown before the run"),
        pytest.param(WTMP.replace("shutdown", "runlevel"), BOOT_S + 7200, 7200.0, False, id="no shutdown"),
        pytest.param(WTMP + WTMP, BOOT_S + 7200, 7200.0, False, id="two boots at one time"),
        pytest.param(WTMP.replace("Nov", "Xyz"), BOOT_S + 7200, 7200.0, False, id="no month"),
    ],
)
def test_wtmp_is_believed_only_for_exactly_the_boot_of_the_run(
    text: str, epoch_s: float | None, uptime_s: float, orderly: bool
) -> None:
    why = explain(log("last -x -F, UTC", text), epoch_s=epoch_s, uptime_s=uptime_s)
    assert (why.seen == "last -x has the shutdown") is orderly


PIECES = st.sampled_from(
    [
        BOOTS,
        QUIET,
        WTMP,
        "== journal: ok ==\n",
        "== pstore x: ok ==\n",
        "[  1.0] rk kernel: ",
        "Kernel panic - not syncing",
    ]
)


@given(
    st.one_of(st.binary(max_size=400), st.lists(PIECES | st.text(max_size=9), max_size=9).map("".join).map(str.encode))
)
@example(b"== " + b": " * 200 + b"==\n" + b"[ 1.0] " + b"rknpu " * 200)
def test_any_bytes_are_explained_or_not(data: bytes) -> None:
    why = explain(data, epoch_s=BOOT_S, uptime_s=1.0)
    assert why.means and len(why.sentence) < 400


def test_the_reason_of_a_run_that_rebooted_says_why_and_what_to_do() -> None:
    told = Judgement(Outcome.REBOOTED, "the board started anew while the run was going")
    why = explain(journal("[ 171.0] rk kernel: thermal_zone0: critical temperature reached (116 C), shutting down"))
    judged = judge(end=None, logs=Logs(), told=told, rebooted=why)
    assert judged.outcome is Outcome.REBOOTED and judged.advice == why.advice
    assert judged.reason == f"{told.reason}; {why.sentence}"
    silent = judge(end=None, logs=Logs(), told=told, rebooted=SILENT)
    assert silent.reason == f"{told.reason}; there is no word in its logs: power loss or a hang"
    assert silent.advice == ADVICE[Outcome.REBOOTED]
    lost = Judgement(Outcome.LOST, "gone")
    assert judge(end=None, logs=Logs(), told=lost, rebooted=why) == lost
