"""``invoke models`` as a person types it: the table on a virtual board, a file taken in, a recipe that is Python."""

from __future__ import annotations

import json

import pytest

from tests.e2e.home import virtual


def test_a_board_answers_what_runs_on_it_and_which_files_it_has(home):
    home.inventory({"a": virtual(), "down": {"address": "127.0.0.1", "port": 9}})
    home.invoke("bench", "--board", "a", "--cores", "3", "--repeats", "1")
    done = home.invoke("models", "--board", "a", "--board", "down", "--format", "json", code=4)
    rows = {row["model"]: row for row in json.loads(done.stdout)}
    assert len(rows) == 18 and {row["board"] for row in rows.values()} == {"a"}
    assert (rows["Qwen3-0.6B"]["verdict"], rows["Qwen3-32B"]["verdict"]) == ("FITS", "NO")
    assert rows["Qwen3-0.6B"]["on board"] == "3 verified"
    assert (rows["Qwen3-1.7B"]["on board"], rows["Qwen3-0.6B"]["facts"]) == (None, "simulated")
    assert "down: connect" in done.stderr


def test_a_file_of_ones_own_is_taken_in_and_listed_as_verified(home):
    home.inventory({"a": virtual()})
    (home.folder / "models").mkdir()
    (home.folder / "models" / "Qwen3-1.7B_W8A8_2core.rkllm").write_bytes(b"weights")
    done = home.invoke("models", "--add", "models/Qwen3-1.7B_W8A8_2core.rkllm")
    assert "is in models.local.yaml now, as an artifact of qwen3-1.7b" in done.stdout and "banner" in done.stderr
    listed = home.invoke("models", "--model", "Qwen3-1B", "--format", "json")
    (row,) = json.loads(listed.stdout)
    assert (row["here"], row["missing"], row["board"]) == ("2 verified", "1,3", "8 GB board")
    assert "there is no Qwen3-1B" in listed.stderr and "nominal" in listed.stderr


def test_a_recipe_is_a_program_and_nothing_else_on_stdout(home):
    home.inventory({"a": virtual()})
    text = home.invoke("models", "--recipe", "Qwen3-0.6B", "--cores", "1", "--context", "2048").stdout
    compile(text, "recipe.py", "exec")
    assert "NUM_NPU_CORE = 1" in text and "MAX_CONTEXT = 2048" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--recipe", "qwen3-0.6b"], "--cores: say for how many NPU cores"),
        (["--recipe", "qwen3-0.6b", "--cores", "4"], "'4' is not a whole number from 1 to 3"),
        (["--recipe", "qwen3-0.6", "--cores", "1"], "nearest is 'qwen3-0.6b'"),
        (["--add", "nowhere.rkllm"], "nowhere.rkllm: --add: can not be read: No such file"),
        (["--add", "x", "--recipe", "y"], "one thing at a time"),
        (["--cores", "1"], "--cores: goes with --add or --recipe"),
        (["--context", "many"], "--context: 'many' is not a whole number"),
        (["--format", "pdf"], "pdf"),
    ],
)
def test_a_wrong_option_is_one_clear_message(home, words, says):
    home.inventory({"a": virtual()})
    done = home.invoke("models", *words, code=2)
    assert says in done.stderr and len(done.stderr.strip().splitlines()) <= 2
    assert done.stdout == ""


def test_who_asks_for_a_model_that_does_not_exist_is_told_what_is_measured(home):
    home.inventory({"a": virtual()})
    done = home.invoke("bench", "--model", "Qwen3-1B", "--cores", "2", "--repeats", "1", "--format", "json")
    assert "Qwen3-1B: there is no Qwen3-1B" in done.stderr
    assert {json.loads((run / "spec.json").read_text())["model"] for run in home.runs()} == {"qwen3-1.7b"}


def test_a_model_that_is_judged_too_large_for_a_board_is_too_large_for_it(home):
    home.inventory({"a": virtual(ram_gib=4)})
    (row,) = json.loads(home.invoke("models", "--board", "a", "--model", "qwen3-4b", "--format", "json").stdout)
    assert row["verdict"] == "NO" and row["missing"] is None
    words = ("--cores", "3", "--repeats", "1", "--format", "json")
    done = home.invoke("bench", "--model", "qwen3-4b", *words)
    assert [cell["outcome"] for cell in json.loads(done.stdout)] == ["skipped"]
    home.catalogue_without("qwen3-4b", "architecture")  # then nobody can say so
    done = home.invoke("bench", "--model", "qwen3-4b", *words, code=1)
    assert [cell["outcome"] for cell in json.loads(done.stdout)] == ["oom"]
