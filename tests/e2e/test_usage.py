"""What a person gets wrong at 19:00: one clear message, the right exit code, and nothing was touched."""

from __future__ import annotations

import pytest

from tests.e2e.home import virtual

BENCH = ["bench", "--repeats", "1"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([*BENCH, "--board", "rk3588-x"], ["rk3588-x", "rk3588-a"]),
        ([*BENCH, "--model", "qwen3-0.6"], ["qwen3-0.6", "qwen3-0.6b"]),
        ([*BENCH, "--cores", "4"], ["--cores", "'4'"]),
        ([*BENCH, "--cores", "1;touch pwned"], ["--cores"]),
        (["bench", "--repeats", "many"], ["--repeats", "'many'"]),
        ([*BENCH, "--prompts", "none.txt"], ["none.txt"]),
        ([*BENCH, "--format", "pdf"], ["pdf", "table"]),
        (["cancel"], ["--board"]),
        (["parse", "nowhere.log"], ["nowhere.log"]),
    ],
)
def test_a_wrong_option_is_one_clear_message(home, words, says):
    home.inventory({"rk3588-a": virtual()})
    done = home.invoke(*words, code=1 if words[0] == "parse" else 2)
    assert all(word in done.stderr for word in says), done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert not (home.folder / "collected").exists() and not (home.folder / ".virtual").exists()
    assert not (home.folder / "pwned").exists()


def test_a_core_count_without_an_artifact_says_which_there_are(home):
    home.inventory({"a": virtual()})
    catalogue = (home.folder / "models.yaml").write_text(
        "models: {m: {title: M, kind: llm, artifacts: [{file: m-1core.rkllm, standin: true, npu_core_num: 1,"
        " dtype: W8A8, max_context: 4096, size_bytes: 1, sha256: '" + "0" * 64 + "', origin: here}]}}"
    )
    assert catalogue
    done = home.invoke("bench", "--cores", "2", code=2)
    assert "2 NPU cores" in done.stderr and "converted" in done.stderr


def test_a_broken_inventory_names_file_key_and_the_nearest_name(home):
    home.inventory({"a": {"adress": "192.0.2.1", "paths": {"llm_demo": "/x"}}})
    done = home.invoke("boards", code=2)
    assert "inventory.yaml" in done.stderr and "boards.a.adress" in done.stderr and "address" in done.stderr


def test_a_real_board_without_its_demo_says_what_to_write(home):
    home.inventory({"a": {"address": "192.0.2.1"}})
    done = home.invoke("bench", "--cores", "1", code=2)
    assert "boards.a.paths.llm_demo" in done.stderr
