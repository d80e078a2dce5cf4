"""Quoting: what a shell makes of the line is what was put in, for every value there is."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.ssh.command import LINE_MAX_BYTES, Raw, encoded, program, quote, shown, with_env

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_the_words_are_read_back_as_they_were(words: list[str]) -> None:
    assert shlex.split(quote(words)) == words


@settings(max_examples=50)
@given(st.lists(TEXT, min_size=1, max_size=20))
def test_a_real_shell_reads_them_back_too(words: list[str]) -> None:
    line = encoded(quote(["printf", "%s\\0", *words]))
    out = subprocess.check_output([b"sh", b"-c", line])
    assert out.split(b"\0")[:-1] == [word.encode() for word in words]


@settings(max_examples=50)
@given(TEXT)
def test_a_value_of_the_environment_arrives_as_it_was(value: str) -> None:
    argv = program(["sh", "-c", 'printf %s "$V"'], {"V": value})
    assert subprocess.check_output(argv) == value.encode()


def test_shell_syntax_is_only_what_was_asked_for_by_name() -> None:
    assert quote(["a", Raw("|"), "|", Raw(">"), "b c"]) == "a | '|' > 'b c'"
    assert program(["a", Raw("|"), "b"]) == ("sh", "-c", "a | b")
    assert program(["a", "|", "b"]) == ("a", "|", "b")
    assert shown(["a", Raw("|")]) == ("a", "|")


@pytest.mark.parametrize("words", ["ls -l", [], ["a\0b"], [3], [None]])
def test_what_is_not_a_list_of_words_is_our_own_mistake(words: object) -> None:
    with pytest.raises(ValueError):
        quote(words)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "1A", "A B", "A;touch pwned", "A=B", "Ä", "-u", "A\n"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="environment variable"):
        with_env({name: "x"})


def test_no_environment_is_no_words() -> None:
    assert with_env({}) == ()
    assert with_env({"A": "1", "_b2": "x y"}) == ("env", "A=1", "_b2=x y")


def test_a_program_that_looks_like_a_variable_is_refused_beside_an_environment() -> None:
    with pytest.raises(ValueError, match="variable"):
        program(["A=b"], {"C": "d"})
    assert program(["A=b"]) == ("A=b",)


def test_a_file_name_that_is_not_text_keeps_its_bytes() -> None:
    assert encoded(quote([b"caf\xe9".decode("utf-8", "surrogateescape")])) == b"'caf\xe9'"


def test_a_line_that_no_kernel_takes_is_refused() -> None:
    assert len(encoded("x" * LINE_MAX_BYTES)) == LINE_MAX_BYTES
    with pytest.raises(ValueError, match="too long"):
        encoded("x" * (LINE_MAX_BYTES + 1))
