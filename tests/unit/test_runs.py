"""From a folder of evidence to a run: its outcome with the reason, its numbers, its origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.outcome import Outcome
from tests.unit.collected import BANNER, only_run

TRIPPED = {"available_bytes": 200 * 2**20, "highest_bytes": 3 * 2**30, "uptime_s": 51.5}
BY_WIRE, HAD = "stopped by the tripwire before the kernel had to", "the program had 3.00 GiB at its highest"
KILLED = {"exit_code": 137, "signal": 9, "tripwire": TRIPPED}
GROWING = (
    "uptime_s,memavail_bytes,rss_bytes,vmhwm_bytes\n"
    "11.00,8589934592,1048576,1048576\n31.50,4294967296,2147483648,2147483648\n40.00,5000000000,1,\n"
)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"start": {"tripwire_bytes": 256 * 2**20}, "end": {"result": "tripwire", **KILLED}},
            f"{BY_WIRE}; the board had 0.20 GiB available after 41.5 s, and the tripwire is at 0.25 GiB; {HAD}",
        ),
        (
            {
                "end": {"result": "tripwire", **KILLED, "tripwire": {"available_bytes": 2**29, "highest_bytes": "3"}},
                "telemetry": GROWING.encode(),
            },
            f"{BY_WIRE}; the board had 0.50 GiB available; {HAD.replace('3', '2')}",
        ),
        ({"end": {"result": "tripwire", "tripwire": 5}}, BY_WIRE),
        (
            {"end": {"result": "oom-kill", "exit_code": 137, "signal": 9}, "telemetry": GROWING.encode()},
            (
                "the kernel killed the process because memory ran out; the program was seen with 2.00 GiB at its "
                "highest after 21.5 s, when the board had 4.00 GiB available"
            ),
        ),
    ],
)
def test_who_ran_out_of_memory_says_how_much_it_had(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    run = only_run(tmp_path / "collected", **{"stdout": BANNER.encode(), "telemetry": b"", **changed})
    assert (run.outcome, run.reason) == (Outcome.OOM, reason)
    assert run.advice


def test_a_good_run_is_ok_and_its_numbers_are_those_of_the_table(tmp_path: Path) -> None:
    run = only_run(tmp_path / "collected")
    assert (run.outcome, run.reason) == (Outcome.OK, None)
    assert run.ttft_ms == 200.0
    assert (run.prefill_tps, run.prefill_tokens) == (200.0, 40)
    assert (run.generate_tps, run.generate_tokens) == (20.0, 63)
    assert run.init_ms == 1200.5
    assert run.memory_rkllm_bytes == 1_610_612_736  # 1.50 "GB" is 1.5 GiB
    assert run.memory_vmhwm_bytes == 1_610_612_736
    assert (run.npu_cores, run.npu_core_num) == (3, 3)
    assert (run.runtime, run.driver, run.toolkit, run.dtype) == ("1.2.3", "0.9.8", "1.2.2", "W8A8")
    assert run.duration_s == 9.5
    assert run.log == "collected/c1/rk3588-a/000-qwen3-0.6b-3core-r1/stdout.log"
    assert run.workload.prompt_id == "story"
    assert (run.origin, run.simulated, run.warmup, run.counts) == ("measured", False, False, True)


@pytest.mark.parametrize(
    ("changed", "outcome", "reason"),
    [
        ({"stdout": BANNER.encode()}, "failed", "exit code 0 without a performance table"),
        ({"end": {"result": "timeout", "exit_code": 124}, "stdout": b""}, "timeout", "time limit of 600 s"),
        (
            {"end": {"result": "exit-code", "exit_code": 137, "duration_s": 605.1}, "stdout": BANNER.encode()},
            "timeout",
            "time limit of 600 s",
        ),
        ({"end": {"result": "exit-code", "exit_code": 137}, "stdout": BANNER.encode()}, "oom", "memory"),
        ({"end": {"result": "cancelled", "exit_code": 143}}, "cancelled", "cancelled after 10 s"),
        ({"end": {"result": "exit-code", "exit_code": 255}, "stdout": b""}, "failed", "exit code 255"),
        ({"end": {"result": "signal", "exit_code": 139, "signal": 11}}, "failed", "signal 11"),
        ({"end": {"result": "oom-kill", "exit_code": 137, "signal": 9}}, "oom", "memory"),
        (
            {
                "end": {"result": "signal", "exit_code": 137, "signal": 9},
                "stdout": BANNER.encode(),
                "dmesg": b"[  9.1] Out of memory: Killed process 812 (llm_demo) total-vm:1kB, anon-rss:900000kB\n",
            },
            "oom",
            "",
        ),
        (
            {
                "end": {"result": "oom-kill", "exit_code": 137, "signal": 9, "way": "systemd", "limit_s": 60},
                "stdout": BANNER.encode(),
                "dmesg": b"[ 9.0] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=rkfleet-r.service\n"
                b"[ 9.1] Memory cgroup out of memory: Killed process 812 (llm_demo) total-vm:1kB, anon-rss:9kB\n"
                b"[ 9.2] Tasks in /system.slice/rkfleet-r.service are going to be killed due to memory.oom.group set\n",
            },
            "oom",
            "memory",
        ),
        ({"end": {"result": "signal", "exit_code": None, "signal": 9, "way": "systemd"}}, "failed", "signal 9"),
        ({"end": {"result": "exit-code", "exit_code": None, "signal": None}}, "failed", "without an exit code"),
        ({"end": None, "outcome": {"outcome": "rebooted", "reason": "boot_id differs"}}, "rebooted", "boot_id differs"),
        ({"end": None}, "lost", "no end.json"),
        ({"end": {"boot_id": "boot-2"}}, "rebooted", "two boots"),
        ({"end": b"{"}, "failed", "end.json does not say how it ended"),
        ({"stderr": b"E RKNN: [12:00:00.000] failed to submit!, op id: 1\n"}, "tainted", ""),
        *(
            ({"spec": {"npu_cores": 1}, **how}, "failed", "wrong artifact: npu_core_num 3 in the banner, 1 planned")
            for how in (
                {},
                {"stdout": BANNER.encode()},
                {"end": {"result": "timeout", "exit_code": 124}},
                {"end": {"result": "oom-kill", "exit_code": 137, "signal": 9}, "stdout": BANNER.encode()},
            )
        ),
        ({"spec": {"npu_cores": 1}, "end": {"result": "cancelled", "exit_code": 143}}, "cancelled", "cancelled"),
    ],
)
def test_the_outcome_is_what_end_record_and_logs_say_together(
    tmp_path: Path, changed: dict[str, Any], outcome: str, reason: str
) -> None:
    run = only_run(tmp_path / "collected", **changed)
    assert run.outcome == outcome
    assert run.reason
    assert reason in run.reason
    assert not run.counts


def test_the_reason_of_a_failure_names_the_old_driver_that_the_runtime_complained_about(tmp_path: Path) -> None:
    run = only_run(
        tmp_path / "collected",
        end={"result": "exit-code", "exit_code": 255},
        stdout=b"",
        stderr=b"W rkllm: Warning: Your rknpu driver version is too low, please upgrade to 0.9.7\n"
        b"E RKNN: failed to malloc npu memory, size: 4022272000, flags: 0x2\n"
        b"E RKNN: failed to allocate handle, ret: -1, errno: 14, errstr: Bad address\n",
    )
    assert run.outcome == "failed"
    assert "exit code 255; npu_malloc: " in str(run.reason)
    assert "rknpu driver is too old" in str(run.reason)
    assert run.advice


def test_a_run_as_a_dictionary_is_json_and_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    found = only_run(tmp_path / "collected").as_dict()
    assert str(tmp_path) not in json.dumps(found)
    assert (found["outcome"], found["simulated"], found["ttft_ms"]) == ("ok", False, 200.0)
    assert found["workload"]["prompt_id"] == "story"


@pytest.mark.parametrize("word", ["unreachable", "skipped", "failed", "lost", "cancelled"])
def test_a_run_that_never_got_to_its_board_is_what_the_workstation_wrote(tmp_path: Path, word: str) -> None:
    nothing = dict.fromkeys(("start", "end", "before", "after", "stdout", "stderr", "dmesg", "telemetry"))
    run = only_run(tmp_path / "collected", **nothing, outcome={"outcome": word, "reason": "no answer in 5 s"})
    assert (run.outcome, run.reason) == (word, "no answer in 5 s")
    assert run.ttft_ms is None
    assert run.log == "collected/c1/rk3588-a/000-qwen3-0.6b-3core-r1"


@pytest.mark.parametrize("word", ["ok", "splendid", None])
def test_the_workstation_alone_can_not_make_a_run_ok(tmp_path: Path, word: str | None) -> None:
    run = only_run(tmp_path / "collected", end=None, outcome={"outcome": word, "reason": "x"})
    assert run.outcome == "failed"


def test_the_boards_end_record_outweighs_what_the_workstation_feared(tmp_path: Path) -> None:
    run = only_run(tmp_path / "collected", outcome={"outcome": "lost", "reason": "x"})
    assert run.outcome == "ok"


@pytest.mark.parametrize(
    "changed",
    [
        {"spec": {"simulated": True}},
        {"spec": {"origin": "simulated"}},
        {"before": {"simulated": {"time_scale": 20}}},
        {"after": {"simulated": {"time_scale": 1}}},
        {"before": {"simulated": 0}},
        {"end": {"time_scale": 20}},
    ],
)
def test_one_sign_of_a_simulation_makes_the_run_simulated(tmp_path: Path, changed: dict[str, Any]) -> None:
    assert only_run(tmp_path / "collected", **changed).simulated


def test_a_run_whose_origin_nobody_states_is_not_called_measured(tmp_path: Path) -> None:
    assert only_run(tmp_path / "collected", spec=b"{").origin == "unknown"


@pytest.mark.parametrize(
    ("said", "read"),
    [(["dram-clock", "swap"], ("dram-clock", "swap")), ([], ()), (None, ()), ("swap", ()), ([1, "", {}, "x"], ("x",))],
)
def test_a_run_says_which_checks_its_board_had_failed(tmp_path: Path, said: object, read: tuple[str, ...]) -> None:
    run = only_run(tmp_path / "collected", spec={"forced": said})
    assert (run.forced, run.outcome) == (read, Outcome.OK)


def test_with_an_image_the_prefill_alone_is_no_time_to_first_token(tmp_path: Path) -> None:
    assert only_run(tmp_path / "collected", spec={"kind": "vlm"}).ttft_ms is None


def test_the_driver_of_a_run_without_banner_is_the_boards_own(tmp_path: Path) -> None:
    run = only_run(tmp_path / "collected", stdout=b"", before={"npu": {"driver": "0.8.2"}})
    assert (run.driver, run.runtime) == ("0.8.2", None)


@pytest.mark.parametrize(
    ("telemetry", "expected"),
    [
        (None, None),
        (b"", None),
        (b"uptime_s,rss_bytes\n1,2\n", None),
        (b"vmhwm_bytes\n-5\n1e9\nnan\n12345678901234567890123\n\xd9\xa3\n", None),
        (b"vmhwm_bytes\n7", None),
        (b"uptime_s,vmhwm_bytes\n1\n2,300\n\n3,200\n", 300),
        (b"uptime_s,vmhwm_bytes\n2,300\n", None),
    ],
)
def test_vmhwm_is_the_highest_whole_sample(tmp_path: Path, telemetry: bytes | None, expected: int | None) -> None:
    assert only_run(tmp_path / "collected", telemetry=telemetry).memory_vmhwm_bytes == expected


COLUMNS = "uptime_s,memavail_bytes,rss_bytes,vmhwm_bytes,pswpin_pages,pswpout_pages,soc_mc,cooling0_state\n"


def test_three_witnesses_of_memory_stand_side_by_side_and_their_difference_taints_nothing(tmp_path: Path) -> None:
    samples = COLUMNS + "1,7000000000,5,1000,0,0,40000,0\n2,5000000000,5,1610000000,0,0,45000,0\n"
    before = {"memory": {"available_bytes": 8_000_000_000}}
    run = only_run(tmp_path / "collected", telemetry=samples.encode(), before=before)
    assert run.outcome is Outcome.OK
    assert (run.memory_rkllm_bytes, run.memory_vmhwm_bytes) == (1_610_612_736, 1_610_000_000)
    assert run.memory_available_drop_bytes == 3_000_000_000
    assert run.memory_note == "memory: RKLLM says 1.50 GiB, VmHWM was 1.50 GiB, MemAvailable fell by 2.79 GiB"
    assert run.max_temperature_mc == 45_000


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("0,9,45000,0", "the board swapped 9 pages out"),
        ("0,0,45000,1", "the board was throttled against heat: cooling0 at state 1"),
        ("0,0,85100,0", "the board got too hot: soc at 85.1 °C"),
    ],
)
def test_a_board_that_swapped_or_was_too_hot_taints_the_run(tmp_path: Path, last: str, reason: str) -> None:
    samples = f"{COLUMNS}1,7,5,1000,0,0,40000,0\n2,5,5,1000,{last}\n"
    run = only_run(tmp_path / "collected", telemetry=samples.encode())
    assert run.outcome is Outcome.TAINTED
    assert run.reason is not None and run.reason.startswith(reason)
