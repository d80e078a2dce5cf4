"""telemetry.csv: what the samples of a run show, from whole lines only, whatever else is in the file."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.telemetry import FILE_LIMIT_BYTES, HOT_MC, Telemetry, read_telemetry

HEADER = (
    "uptime_s,samples_per_s,memavail_bytes,swapfree_bytes,rss_bytes,vmhwm_bytes,pswpin_pages,pswpout_pages,npu_load,"
    "cpu0_hz,soc_mc,npu_mc,thermal-cpufreq-0_state,pwm-fan_state\n"
)
OLD_HEADER = (
    "uptime_s,memavail_bytes,rss_bytes,vmhwm_bytes,npu_hz,dmc_hz,cpu0_hz,cpu4_hz,cpu6_hz,soc_mc,npu_mc,npu_load\n"
)


def line(**changed: object) -> str:
    """One sample of a board that is well."""
    usual: dict[str, object] = dict.fromkeys(HEADER.strip().split(","), "")
    usual |= {"uptime_s": "1.00", "memavail_bytes": 900, "rss_bytes": 50, "vmhwm_bytes": 60, "npu_load": "0/0/0"}
    usual |= {"soc_mc": 40_000, "npu_mc": 41_000, "thermal-cpufreq-0_state": 0, "pwm-fan_state": 3}
    return ",".join(str(value) for value in (usual | changed).values()) + "\n"


def read(*lines: str | bytes, header: str = HEADER) -> Telemetry:
    parts = (part.encode() if isinstance(part, str) else part for part in (header, *lines))
    return read_telemetry(io.BytesIO(b"".join(parts)))


def test_memory_is_the_first_and_the_least_of_what_was_free_and_the_highest_vmhwm() -> None:
    seen = read(
        line(),
        line(memavail_bytes=300, vmhwm_bytes=""),
        line(memavail_bytes=700, vmhwm_bytes=500),
        line(memavail_bytes=880, rss_bytes="", vmhwm_bytes=""),
    )
    assert (seen.samples, seen.available_first_bytes, seen.available_least_bytes) == (4, 900, 300)
    assert seen.vmhwm_bytes == 500


def test_one_sample_of_the_program_tells_of_no_peak() -> None:
    seen = read(line(), line(rss_bytes="", vmhwm_bytes=""))
    assert (seen.available_first_bytes, seen.available_least_bytes, seen.vmhwm_bytes) == (900, None, None)


def test_a_board_that_is_well_refutes_nothing_and_a_fan_that_turns_is_no_throttle() -> None:
    seen = read(line(pswpin_pages=5, pswpout_pages=7), line(), line(pswpin_pages=5, pswpout_pages=7))
    assert (seen.refutes, seen.cooling) == ((), {})
    assert (seen.swapped_in_pages, seen.swapped_out_pages) == (0, 0)
    assert (seen.start_mc, seen.hottest_mc) == ({"soc": 40_000, "npu": 41_000}, 41_000)


def test_swap_is_what_was_counted_between_the_first_and_the_last_sample_that_say() -> None:
    seen = read(line(), line(pswpin_pages=5, pswpout_pages=7), line(), line(pswpin_pages=5, pswpout_pages=19))
    assert seen.refutes == (
        "the board swapped 12 pages out while the run was on: its memory was too small for all it did",
    )


def test_a_cooling_device_at_work_is_a_throttled_run_even_when_it_ends_cool() -> None:
    seen = read(line(), line(**{"thermal-cpufreq-0_state": 2}), line(**{"thermal-cpufreq-0_state": 1}), line())
    assert seen.refutes == ("the board was throttled against heat: thermal-cpufreq-0 at state 2",)


@pytest.mark.parametrize(("mc", "too_hot"), [(HOT_MC, False), (HOT_MC + 1, True)])
def test_above_the_limit_it_was_too_hot(mc: int, too_hot: bool) -> None:
    seen = read(line(), line(soc_mc=mc), line())
    expected = ("the board got too hot: soc at 85.0 °C, the limit is 85 °C",)
    assert (seen.max_mc["soc"], seen.refutes) == (mc, expected if too_hot else ())


def test_the_share_of_samples_in_which_each_core_worked() -> None:
    seen = read(line(npu_load="90/0/0"), line(npu_load="80/3/0"), line(npu_load=""), line(npu_load="1/2/3/4"), line())
    assert seen.npu_busy == (2 / 3, 1 / 3, 0.0)


def test_files_of_older_samplers_read_as_well() -> None:
    seen = read("1.0,900,1,10,5,5,5,5,5,86000,44000,45\n", "2.0,300,1,20,5,5,5,5,5,47000,44000,0\n", header=OLD_HEADER)
    assert (seen.available_least_bytes, seen.vmhwm_bytes, seen.npu_busy) == (300, 20, (0.5,))
    assert (seen.swapped_in_pages, seen.max_mc) == (None, {"soc": 86_000, "npu": 44_000})
    assert seen.refutes == ("the board got too hot: soc at 86.0 °C, the limit is 85 °C",)


def test_a_line_that_is_not_whole_is_none() -> None:
    good = (line(), line(memavail_bytes=800))
    torn = line(memavail_bytes=3, soc_mc=99_000)
    whole = read(*good)
    assert read(*good, torn.rstrip("\n")) == whole
    assert read(good[0], torn[:30] + "\n", good[1]) == whole
    assert read(good[0], b"\0" * 300 + torn.encode(), good[1]) == whole
    assert read(good[0], "9" * 100_000 + torn, good[1]) == whole
    assert read(good[0], "\n", "sleep: not found\n", good[1]) == whole


def test_no_header_is_no_samples() -> None:
    assert read(header="") == Telemetry()
    assert read(header=HEADER.rstrip("\n")) == Telemetry()


class _Endless(io.RawIOBase):
    """As many bytes of one kind as anybody wants."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._pieces = self._cycle()
        self.given = 0

    def _cycle(self) -> Iterator[bytes]:
        while True:
            yield self._text

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        piece = next(self._pieces)[: len(view)]
        view[: len(piece)] = piece
        self.given += len(piece)
        return len(piece)


def test_an_endless_file_ends_and_takes_no_memory() -> None:
    endless = _Endless(b"x" * 65536)
    tracemalloc.start()
    try:
        assert read_telemetry(io.BufferedReader(endless)) == Telemetry()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert FILE_LIMIT_BYTES <= endless.given < FILE_LIMIT_BYTES + 2**20


FIELDS = st.lists(st.sampled_from(["", "0", "-5", "7/0", "/", "1e9", "999999999999999", "x", "\0"]), max_size=14)


@given(st.binary(max_size=400), st.lists(FIELDS, max_size=5))
def test_any_bytes_are_an_answer(junk: bytes, rows: list[list[str]]) -> None:
    text = "".join(",".join(row) + "\n" for row in rows).encode()
    for seen in (read(junk, header=""), read(junk), read(text + junk), read(junk + b"\n" + text)):
        assert (seen.available_least_bytes or 1) <= (seen.available_first_bytes or 1)
        assert all(0 <= share <= 1 for share in seen.npu_busy)
        assert all(isinstance(sentence, str) for sentence in seen.refutes)
