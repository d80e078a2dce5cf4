"""What a person means by one side of a comparison: a campaign, a board, a runtime, or any conditions by name.

A side is ``field=value`` with commas between several, and patterns as values: ``board=rk3588-a,runtime=1.2.*``. One
word does without the field where only one field has it: the name of a campaign, of a board, or a runtime's version.
As B the word ``peers`` stands for all other boards, and with it ``all`` as A for every one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from analysis.errors import CannotCompare
from analysis.runs import Run
from analysis.text import plain

PLAIN = ("campaign", "board", "runtime")  # fields that a single word may be of
ALL, PEERS = "all", "peers"
_EXAMPLES = 6  # of what there is, in a message


@dataclass(frozen=True)
class Side:
    """The runs of one side, and the fields that it was named by."""

    label: str
    named: frozenset[str]
    runs: tuple[Run, ...]


def fields_of(run: Run) -> dict[str, str]:
    """All that a run can be chosen by: campaign, board, and every field of its condition."""
    return {"campaign": run.campaign, "board": run.board} | dict(run.conditions)


def side(text: str, runs: Sequence[Run]) -> Side:
    """The runs that ``text`` means. Raises CannotCompare when it means none, or could mean two things."""
    described = [(run, fields_of(run)) for run in runs]
    wanted = dict(_stated(text)) if "=" in text else {_field_of(text, described): text}
    known = {name for _, fields in described for name in fields}
    for name in wanted:
        if name not in known:
            raise CannotCompare(f"{plain(text)}: {plain(name)} is no field", hint=f"one of {', '.join(sorted(known))}")
    found = tuple(run for run, fields in described if _matches(fields, wanted))
    if not found:
        seen = "; ".join(_there_is(name, described) for name in wanted)
        raise CannotCompare(f"{plain(text)}: no run that may enter a statistic has this", hint=seen)
    return Side(text, frozenset(wanted), found)


def among_peers(text: str, runs: Sequence[Run]) -> tuple[tuple[Run, ...], frozenset[str]]:
    """The runs among which boards are held against each other, and the boards asked for. ``rk3588-c``: this one
    among all; ``campaign=X``: every board of the campaign. Raises CannotCompare."""
    if text == ALL:
        return tuple(runs), frozenset(run.board for run in runs)
    chosen = side(text, runs)
    boards = frozenset(run.board for run in chosen.runs)
    if "board" not in chosen.named:
        return chosen.runs, boards
    rest = {name: value for name, value in _stated(text) if name != "board"} if "=" in text else {}
    return tuple(run for run in runs if _matches(fields_of(run), rest)), boards


def _stated(text: str) -> Iterable[tuple[str, str]]:
    for part in text.split(","):
        name, _, value = part.partition("=")
        if not name.strip() or not value.strip():
            raise CannotCompare(
                f"{plain(text)}: {plain(part)!r} is no field=value", hint="board=rk3588-a,runtime=1.2.3"
            )
        yield name.strip().replace("_", "-"), value.strip()


def _field_of(word: str, described: Sequence[tuple[Run, Mapping[str, str]]]) -> str:
    """The one field that has this word."""
    if not word.strip():
        raise CannotCompare("two sides are needed", hint="invoke compare rk3588-a rk3588-b")
    having = [name for name in PLAIN if any(_matches(fields, {name: word}) for _, fields in described)]
    if len(having) == 1:
        return having[0]
    if having:
        hint = " or ".join(f"{name}={word}" for name in having)
        raise CannotCompare(f"{plain(word)} is the name of a {' and of a '.join(having)}", hint=hint)
    seen = "; ".join(_there_is(name, described) for name in PLAIN)
    raise CannotCompare(
        f"{plain(word)} is no campaign, board or runtime of a run that may enter a statistic", hint=seen
    )


def _matches(fields: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(name in fields and fnmatchcase(fields[name], pattern) for name, pattern in wanted.items())


def _there_is(name: str, described: Sequence[tuple[Run, Mapping[str, str]]]) -> str:
    values = sorted({fields[name] for _, fields in described if name in fields}, reverse=name == "campaign")
    more = ", …" if len(values) > _EXAMPLES else ""
    return f"{name}: {', '.join(plain(value) for value in values[:_EXAMPLES]) or 'none'}{more}"
