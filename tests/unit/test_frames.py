"""Frames: whatever the pieces, the same frames; whatever the bytes, a frame or FrameError."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.frames import BODY_BYTES, HEADER_BYTES, Frame, FrameError, read_frames

BODIES = st.lists(st.one_of(st.none(), st.binary(max_size=200)), max_size=6)


def encode(bodies: list[bytes | None]) -> tuple[bytes, list[Frame]]:
    out, frames = b"", []
    for number, body in enumerate(bodies):
        header = {"file": f"{number}"} if body is None else {"file": f"{number}", "bytes": len(body)}
        out += json.dumps(header).encode() + b"\n" + (body or b"")
        frames.append(Frame(header, body or b""))
    return out, frames


@given(BODIES, st.integers(min_value=1, max_value=50))
def test_frames_do_not_depend_on_how_the_bytes_arrive(bodies, size):
    data, frames = encode(bodies)
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    assert list(read_frames(pieces)) == frames


@given(BODIES, st.data())
def test_a_stream_that_is_cut_gives_whole_frames_and_then_an_error(bodies, data):
    whole, frames = encode(bodies)
    cut = data.draw(st.integers(min_value=0, max_value=len(whole)))
    seen = []
    try:
        for frame in read_frames([whole[:cut]]):
            seen.append(frame)
    except FrameError:
        assert cut < len(whole)
    assert seen == frames[: len(seen)]


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_any_bytes_give_frames_or_a_frame_error(pieces):
    try:
        for frame in read_frames(pieces):
            assert isinstance(frame.header, dict)
    except FrameError:
        pass


@pytest.mark.parametrize(
    "header", [b"[]", b"7", b"nonsense", b'{"bytes": -1}', b'{"bytes": 1.5}', b'{"bytes": true}', b"\xff\xfe"]
)
def test_a_header_that_is_none_is_refused(header):
    with pytest.raises(FrameError):
        list(read_frames([header + b"\n"]))


def test_a_board_can_not_make_us_keep_more_than_the_limits():
    with pytest.raises(FrameError, match="a frame of"):
        list(read_frames([b'{"bytes": %d}\n' % (BODY_BYTES + 1)]))
    with pytest.raises(FrameError, match="no header"):
        list(read_frames([b"x" * (HEADER_BYTES + 1)]))
