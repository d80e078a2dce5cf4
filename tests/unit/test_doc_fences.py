"""What the pages tell a person to type is shell, and every `invoke` in it has a verb and options that there are.

Those tagged ``sh test`` are also run: tests/e2e/test_doc_commands.py.
"""

from __future__ import annotations

import copy
import importlib.util
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import invoke
import pytest

import tasks
from tests.doc_pages import PAGES, PROJECT, READ, TYPED, Fence, fences, shell_fences

FENCES = shell_fences()
SEPARATORS = {"|", "||", "&&", "&", ";", "(", ")", "|&"}
REDIRECTIONS = {">", ">>", "<", ">&", "2>", "2>>"}


def collection() -> invoke.Collection:
    """Copies of the tasks: reading one for its options takes its help apart, and other tests want that."""
    return invoke.Collection(
        *(copy.deepcopy(verb) for verb in vars(tasks).values() if isinstance(verb, invoke.Task)), auto_dash_names=True
    )


CONTEXTS = {str(context.name): context for context in collection().to_contexts()}
FLAGS = {name: {flag for flag in context.flags if flag.startswith("--")} for name, context in CONTEXTS.items()}


def commands(text: str) -> Iterator[list[str]]:
    """The words of each simple command, without redirections and assignments before it."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        skip = False
        for token in [*lexer, ";"]:
            if token in SEPARATORS:
                if words:
                    yield words
                words = []
            elif token in REDIRECTIONS:
                skip = True
            elif skip or (not words and re.match(r"[A-Z_]+=|sudo$", token)):
                skip = False
            else:
                words.append(token)


def parse(words: list[str]) -> None:
    parser = invoke.Parser(contexts=collection().to_contexts(), initial=invoke.Program().initial_context)
    parser.parse_argv(words)


def heading_names(page: Path) -> set[str]:
    """As the forge makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fence_closes_and_says_what_it_is(page: Path) -> None:
    marks = re.findall(r"^ *```.*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [mark for mark in marks if mark.strip() == "```"]
    assert len(marks) == 2 * len(plain), "a fence without a word behind it, or one that is not closed"
    assert len(plain) == len(fences(page))


@pytest.mark.parametrize("fence", FENCES, ids=str)
def test_commands_are_tagged_and_are_shell(fence: Fence) -> None:
    assert fence.tag in (TYPED, READ), f"{fence}: say `{TYPED}` or `{READ}` and not `{fence.tag}`"
    done = subprocess.run(["sh", "-n"], input=fence.text, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{fence}: {done.stderr}"


@pytest.mark.parametrize("fence", FENCES, ids=str)
def test_verbs_options_targets_and_modules_in_a_fence_are_there(fence: Fence) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for words in commands(fence.text):
        match [words[0].rpartition("/")[2], *words[1:]]:
            case ["invoke", *rest]:
                try:
                    parse(rest)
                except invoke.ParseError as wrong:
                    pytest.fail(f"{fence}: {shlex.join(words)}: {wrong}")
            case ["make", target, *_]:
                assert target in targets, f"{fence}: no target {target!r}"
            case ["python" | "python3", "-m", module, *_]:
                assert importlib.util.find_spec(module), f"{fence}: no module {module!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_verbs_and_options_named_in_a_sentence_are_there(page: Path) -> None:
    prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for said in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose):
        match said.split():
            case ["invoke", verb, *rest] if not verb.startswith("-"):
                assert verb in FLAGS, f"{page.name}: {said}"
            case [verb, *rest] if verb in FLAGS:
                pass
            case _:
                continue
        unknown = {word.partition("=")[0] for word in rest if word.startswith("--")} - FLAGS[verb]
        assert not unknown, f"{page.name}: `{said}`: {unknown} is no option of {verb}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name}: {link}"
        assert not heading or heading in heading_names(there), f"{page.name}: {link}"


def test_every_verb_is_typed_in_a_fence() -> None:
    typed = {
        word
        for fence in FENCES
        for words in commands(fence.text)
        if words[0].rpartition("/")[2] == "invoke"
        for word in words[1:2]
    }
    assert set(CONTEXTS) <= typed, f"in no fence: {set(CONTEXTS) - typed}"
