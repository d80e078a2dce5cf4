"""Which boards are meant: words separated by commas, tried against names and labels, with no word left over.

    rk3588-a            this board              rk3588-[01-12]     numbers, zeros as in the first bound
    rk3588-*  rk3588-?  globs                   rk3588-[1,5,20-22] several numbers or ranges
    rk3588-[a-d]        one of these letters    @lab1              every board in group, or with tag, lab1
    !rk3588-c  !@lab1   without these

The boards are the union of all words without ``!`` (all boards if there is none) minus the union of those
with it, so the order of the words means nothing. A word that matches nothing is an error, an exclusion too:
it is a misspelt name, and the board it was meant to spare would be benchmarked.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from fleet.config.yaml_file import meant, shown
from fleet.errors import ConfigError

Token = Callable[[str, int], Iterable[int]]  # (name, position) -> the positions after it, if it matches there

_PARTS = re.compile(r"\[([^][]*)\]|([*?])|([^][*?]+)")
_NUMBERS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_LETTERS = re.compile(r"([^-]-[^-]|[^-])+")


def choose(labels: Mapping[str, Iterable[str]], patterns: Sequence[str]) -> tuple[str, ...]:
    """The names that ``patterns`` select out of ``labels`` (name -> groups and tags), in the order there."""
    wanted: set[str] = set()
    excluded: set[str] = set()
    only_exclusions = True
    for word in split(patterns):
        if word.startswith("!"):
            excluded |= _matching(word[1:], labels, word)
        else:
            only_exclusions = False
            wanted |= _matching(word, labels, word)
    return tuple(name for name in labels if (only_exclusions or name in wanted) and name not in excluded)


def split(patterns: Iterable[str]) -> tuple[str, ...]:
    """The words of several patterns; a comma inside brackets belongs to its word."""
    words = [word.strip() for pattern in patterns for word in re.split(r",(?![^][]*\])", pattern)]
    if not all(words):
        raise ConfigError("an empty name; a board, a pattern or '@group' was expected between the commas")
    return tuple(words)


@functools.lru_cache(maxsize=256)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Does a whole name match ``pattern`` (without ``!`` and ``@``)."""
    tokens: list[Token] = []
    at = 0
    for part in _PARTS.finditer(pattern):
        if part.start() != at:
            break
        at = part.end()
        brackets, glob, literal = part.groups()
        if literal is not None:
            tokens.append(_literal(literal))
        elif glob is not None:
            tokens.append(_any_text if glob == "*" else _any_character)
        else:
            tokens.append(_brackets(brackets, pattern))
    if at != len(pattern):
        raise ConfigError(f"{shown(pattern)} has a bracket without its partner")

    def matches(name: str) -> bool:
        ends = {0}
        for token in tokens:
            ends = {end for start in ends for end in token(name, start)}
        return len(name) in ends

    return matches


def _matching(pattern: str, labels: Mapping[str, Iterable[str]], word: str) -> set[str]:
    if pattern.startswith("@"):
        matches = matcher(pattern[1:])
        found = {name for name, has in labels.items() if any(matches(label) for label in has)}
        known = sorted({label for has in labels.values() for label in has})
        what = "no group or tag"
    else:
        matches = matcher(pattern)
        found = {name for name in labels if matches(name)}
        known = list(labels)
        what = "no board"
    if not found:
        raise ConfigError(f"{shown(word)} matches {what}; {meant(pattern.lstrip('@'), known)}")
    return found


def _literal(text: str) -> Token:
    return lambda name, at: (at + len(text),) if name.startswith(text, at) else ()


def _any_character(name: str, at: int) -> Iterable[int]:
    return (at + 1,) if at < len(name) else ()


def _any_text(name: str, at: int) -> Iterable[int]:
    return range(at, len(name) + 1)


def _brackets(inside: str, pattern: str) -> Token:
    items = inside.split(",")
    if len(items) == 1 and not ("-" in inside and _NUMBERS.fullmatch(inside)):
        return _letters(inside, pattern)  # [12] is 1 or 2, as in a shell
    tokens = [(_numbers if _NUMBERS.fullmatch(item) else _letters)(item, pattern) for item in items]
    return lambda name, at: [end for token in tokens for end in token(name, at)]


def _numbers(item: str, pattern: str) -> Token:
    first, last = item.partition("-")[::2]
    last = last or first
    low, high = int(first), int(last)
    if low > high:
        raise ConfigError(f"{shown(pattern)}: the range {item} runs backwards")
    if first.startswith("0") and len(first) > 1 and len(first) != len(last):
        raise ConfigError(f"{shown(pattern)}: {item} has bounds of different width; write 01-12 or 1-12")

    def ends(name: str, at: int) -> Iterable[int]:
        for width in range(len(first), len(last) + 1):
            digits = name[at : at + width]
            if len(digits) < width or not (digits.isascii() and digits.isdigit()):
                return
            padded = width > 1 and digits.startswith("0")
            if low <= int(digits) <= high and (len(first) == len(last) or not padded):
                yield at + width

    return ends


def _letters(item: str, pattern: str) -> Token:
    if item.startswith(("!", "^")):
        raise ConfigError(f"{shown(pattern)}: brackets only include; leave boards out with '!name'")
    if not _LETTERS.fullmatch(item):
        raise ConfigError(f"{shown(pattern)}: '[{item}]' is neither letters as in [a-d] nor numbers as in [01-12]")
    allowed = re.findall(r"(.)-(.)|(.)", item)
    if any(low > high for low, high, _ in allowed):
        raise ConfigError(f"{shown(pattern)}: the range [{item}] runs backwards")

    def ends(name: str, at: int) -> Iterable[int]:
        here = name[at : at + 1]
        if here and any(here == one or (low and low <= here <= high) for low, high, one in allowed):
            yield at + 1

    return ends
