"""Which boards a pattern means."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.config.patterns import choose, matcher, split
from fleet.errors import ConfigError

LABELS: dict[str, frozenset[str]] = {
    "rk3588-a": frozenset({"lab1", "heatsink"}),
    "rk3588-b": frozenset({"lab1"}),
    "rk3588-c": frozenset({"lab2"}),
    "rk3588-01": frozenset({"lab2"}),
    "rk3588-02": frozenset(),
    "rk3588-12": frozenset(),
    "opi5": frozenset({"lab2", "heatsink"}),
}

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
inventories = st.dictionaries(names, st.sets(st.sampled_from(["lab1", "lab2", "fan"])), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("patterns", "selected"),
    [
        ([], "rk3588-a rk3588-b rk3588-c rk3588-01 rk3588-02 rk3588-12 opi5"),
        (["opi5,rk3588-a"], "rk3588-a opi5"),
        (["opi5", "rk3588-a", "opi5"], "rk3588-a opi5"),
        (["*"], "rk3588-a rk3588-b rk3588-c rk3588-01 rk3588-02 rk3588-12 opi5"),
        (["rk3588-?"], "rk3588-a rk3588-b rk3588-c"),
        (["rk3588-[a-b]"], "rk3588-a rk3588-b"),
        (["rk3588-[ac]"], "rk3588-a rk3588-c"),
        (["rk3588-[a,c]"], "rk3588-a rk3588-c"),
        (["rk3588-[01-11]"], "rk3588-01 rk3588-02"),
        (["rk3588-[02,12]"], "rk3588-02 rk3588-12"),
        (["rk3588-[a,10-12],opi5"], "rk3588-a rk3588-12 opi5"),
        (["rk3588-1[1-3]"], "rk3588-12"),
        (["@lab1"], "rk3588-a rk3588-b"),
        (["@lab1,@heatsink"], "rk3588-a rk3588-b opi5"),
        (["@lab*"], "rk3588-a rk3588-b rk3588-c rk3588-01 opi5"),
        (["!@lab2"], "rk3588-a rk3588-b rk3588-02 rk3588-12"),
        (["!rk3588-c", "@lab2"], "rk3588-01 opi5"),
        (["rk3588-[a-c],@lab2,!rk3588-c"], "rk3588-a rk3588-b rk3588-01 opi5"),
        ([" rk3588-a , opi5 "], "rk3588-a opi5"),
        (["@lab1,!@lab1"], ""),
    ],
)
def test_a_pattern_selects_these_boards_in_inventory_order(patterns: list[str], selected: str) -> None:
    assert choose(LABELS, patterns) == tuple(selected.split())


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("rk3588-d", "'rk3588-d' matches no board; nearest is 'rk3588-c'"),
        ("!rk3588-d", "'!rk3588-d' matches no board; nearest is 'rk3588-c'"),
        ("rk3588-a,opi6", "'opi6' matches no board; nearest is 'opi5'"),
        ("@lab3", "'@lab3' matches no group or tag; nearest is 'lab2'"),
        ("zzz*", "'zzz*' matches no board; there are: rk3588-a, rk3588-b"),
        ("", "an empty name; "),
        ("rk3588-a,,opi5", "an empty name; "),
        ("!", "'!' matches no board; "),
        ("rk3588-[a-", "'rk3588-[a-' has a bracket without its partner"),
        ("rk3588-a]", "'rk3588-a]' has a bracket without its partner"),
        ("rk3588-[]", "'rk3588-[]': '[]' is neither letters as in [a-d] nor numbers as in [01-12]"),
        ("rk3588-[!a]", "'rk3588-[!a]': brackets only include; leave boards out with '!name'"),
        ("rk3588-[d-a]", "'rk3588-[d-a]': the range [d-a] runs backwards"),
        ("rk3588-[12-01]", "'rk3588-[12-01]': the range 12-01 runs backwards"),
        ("rk3588-[01-100]", "'rk3588-[01-100]': 01-100 has bounds of different width; write 01-12 or 1-12"),
    ],
)
def test_a_pattern_that_means_nothing_says_what_was_probably_meant(pattern: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(LABELS, [pattern])
    assert str(caught.value).startswith(message)


def test_zeros_in_front_count_only_when_the_range_is_written_with_them() -> None:
    assert [n for n in ("x1", "x01", "x9", "x10", "x010", "x12", "x13") if matcher("x[1-12]")(n)] == [
        "x1",
        "x9",
        "x10",
        "x12",
    ]
    assert [n for n in ("x1", "x01", "x9", "x10", "x010", "x12", "x13") if matcher("x[01-12]")(n)] == [
        "x01",
        "x10",
        "x12",
    ]


def test_a_range_of_a_billion_and_many_stars_cost_nothing() -> None:
    assert matcher("[0-999999999]")("123456789")
    assert not matcher("*a" * 30 + "b")("a" * 60)


@given(inventories, st.data())
def test_patterns_of_plain_names_select_exactly_these(inventory: dict[str, set[str]], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(list(inventory)), min_size=1))
    assert set(choose(inventory, wanted)) == set(wanted)
    assert choose(inventory, wanted) == choose(inventory, [",".join(wanted)])


@given(inventories, st.data())
def test_the_order_of_boards_and_of_words_never_changes_which_are_selected(
    inventory: dict[str, set[str]], data: st.DataObject
) -> None:
    words = data.draw(
        st.lists(
            st.sampled_from([*inventory, "*", "?*", "[a-m]*", "@lab1", "@f*", "!@lab2", "!*a", f"!{min(inventory)}"])
        )
    )
    shuffled = {name: inventory[name] for name in data.draw(st.permutations(list(inventory)))}

    def result(labels: dict[str, set[str]], patterns: list[str]) -> object:
        try:
            chosen = choose(labels, patterns)
        except ConfigError:
            return "nothing matches some word"
        assert list(chosen) == [name for name in labels if name in chosen]
        return set(chosen)

    assert result(inventory, words) == result(shuffled, words[::-1])


@given(st.text(alphabet="ab1-*?", max_size=8), names)
def test_globs_agree_with_the_shell(pattern: str, name: str) -> None:
    assert matcher(pattern)(name) == bool(re.match(fnmatch.translate(pattern), name))


@given(st.lists(st.text(alphabet="ab01-*?[]!^@,. ", max_size=12), max_size=3))
def test_any_text_selects_boards_or_is_a_config_error(patterns: list[str]) -> None:
    try:
        chosen = choose(LABELS, patterns)
    except ConfigError:
        return
    assert set(chosen) <= set(LABELS)
    assert all(split(patterns)) or not patterns
