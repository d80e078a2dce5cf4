"""What may go from a board's store: only what no model of the catalogue needs, by name or by content."""

from __future__ import annotations

from fleet.config.model import ModelFile
from fleet.stored import BYTES, NAME, PART, Thing, unused

A, B, C, D = (letter * 64 for letter in "abcd")
NEEDED = (
    ModelFile(file="known.rkllm", dtype="W8A8", origin="x"),
    ModelFile(file="fixed.rkllm", dtype="W8A8", origin="x", sha256=B, size_bytes=20),
)


def test_what_a_model_needs_by_name_or_by_content_stays() -> None:
    things = [
        Thing(NAME, "known.rkllm", A, 10),
        Thing(BYTES, None, A, 10),
        Thing(NAME, "another name.rkllm", B, 20),
        Thing(BYTES, None, B, 20),
        Thing(NAME, "another name of known.rkllm", A, 10),
    ]
    assert unused(things, NEEDED) == ()


def test_what_nobody_needs_is_listed_once() -> None:
    old, replaced, half = Thing(NAME, "old.rkllm", C, 30), Thing(BYTES, None, D, 40), Thing(PART, None, A, 5)
    things = [Thing(NAME, "known.rkllm", A, 10), Thing(BYTES, None, A, 10), old, Thing(BYTES, None, C, 30)]
    assert unused([*things, replaced, half], NEEDED) == (old, replaced, half)
    assert (old.called, replaced.called) == ("old.rkllm", D)


def test_bytes_that_may_be_those_of_a_needed_name_are_not_listed() -> None:
    assert unused([Thing(NAME, "known.rkllm", None, 10), Thing(BYTES, None, A, 10)], NEEDED) == ()
