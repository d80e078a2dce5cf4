"""The shape of the command line: every verb explains itself, and listing them costs nothing."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import invoke
import pytest

import tasks

PROJECT = Path(__file__).parents[2]
VERBS = {verb.name: verb for verb in vars(tasks).values() if isinstance(verb, invoke.Task)}  # as they are typed


@pytest.mark.parametrize("name", VERBS)
def test_every_option_is_explained_and_every_parameter_has_a_default(name):
    verb = VERBS[name]
    options = [option for option in verb.argspec(verb.body).parameters if option != "_c"]
    typed = {option.strip("_").replace("_", "-") for option in options}  # `for_`, because Python has that word
    assert typed == set(verb.help)
    assert all(verb.argspec(verb.body).parameters[option].default is not inspect.Parameter.empty for option in options)
    assert not [
        argument for argument in verb.get_arguments() if len(argument.names) > 1 and len(argument.names[1]) == 1
    ]


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_begins_with_a_short_imperative_line_and_shows_how_it_is_typed(name):
    lines = [line.strip() for line in VERBS[name].__doc__.strip().splitlines()]
    assert len(lines[0]) <= 70 and lines[0].endswith(".")
    assert any(line.startswith(f"invoke {name}") for line in lines[1:])


def test_listing_the_verbs_loads_nothing_that_a_board_needs():
    code = (
        "import sys, tasks;"
        "print(sorted({'fabric','paramiko','pydantic','rich','xlsxwriter','fleet','analysis'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("wanted", [True, False])
def test_modules_are_compiled_once_and_not_by_every_verb(tmp_path: Path, wanted: bool) -> None:
    (tmp_path / "a.log").write_text("nothing\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPYCACHEPREFIX": str(tmp_path / "kept")}
    environment |= {} if wanted else {"PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-m", "invoke", "--search-root", str(PROJECT), "parse", "a.log"]
    subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, check=True)
    kept = {path.parent.name for path in tmp_path.rglob("*.pyc") if path.is_relative_to(f"{tmp_path}/kept{PROJECT}")}
    assert kept >= {"verbs", "parse", "analysis"} if wanted else not kept


@pytest.mark.parametrize(
    ("name", "moment", "code"),
    [
        ("SIGINT", "while it loads", 130),
        ("SIGINT", "in the verb", 130),
        ("SIGINT", "after it", 3),
        ("SIGTERM", "while it loads", 143),
        ("SIGTERM", "in the verb", 143),
    ],
)
def test_ctrl_c_and_term_are_exit_codes_and_ctrl_c_after_the_result_changes_nothing(name, moment, code):
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # or whoever tests in the background ignores it
        "from invoke import Context, Exit\n"
        "from verbs.kit import leave, verb\n"
        "def interrupt(when):\n"
        f"    if when == {moment!r}: os.kill(os.getpid(), signal.{name})\n"
        "class Loading:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'fleet.errors': interrupt('while it loads')\n"
        "sys.meta_path.insert(0, Loading())\n"
        "@verb()\n"
        "def measure(_c):\n"
        "    interrupt('in the verb')\n"
        "    leave(3)\n"
        "try:\n"
        "    measure(Context())\n"
        "except Exit as ended:\n"
        "    interrupt('after it')\n"
        "    sys.exit(ended.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
