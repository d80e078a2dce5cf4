"""Logs made by hand become evidence: which file is which stream, whole or not at all, once, and of one origin."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleet import defaults, hand_logs
from fleet.config.catalogue import load_catalogue
from fleet.errors import ConfigError, EvidenceBroken
from fleet.evidence import RunFolder
from fleet.hand_logs import find
from fleet.manual import Imported, import_logs
from fleet.run import SAFE_NAME
from fleet.stated import Stated, slug

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "models.yaml")
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ANY_BYTES = bytes(range(256)) * 3 + b"\r\n\0no end of line"


def stated(**words: str) -> Stated:
    return Stated.typed(**{"board_model": "ROCK 5B 16GB", "model": "qwen3-0.6b", **words})


def take(path: Path, collected: Path, token: str = "abcd", **words: str) -> Imported:
    return import_logs(
        str(path), stated(**words), collected=collected, catalogue=CATALOGUE, tool="0", now=NOW, token=token
    )


def spec_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "spec.json").read_text())
    return found


def files(tmp_path: Path, **content: bytes) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    for name, data in content.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def everything(below: Path) -> list[Path]:
    return sorted(below.rglob("*"))


def test_a_log_is_kept_byte_for_byte_under_a_campaign_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_bytes(ANY_BYTES)
    done = take(tmp_path / "run.txt", tmp_path / "collected")
    (folder,) = done.added
    where = tmp_path / "collected" / "20260304T050607Z-abcd" / "rock-5b-16gb" / "000-qwen3-0.6b-manual"
    assert folder == where
    assert (folder / "stdout.log").read_bytes() == ANY_BYTES
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    for name, seen in listed.items():
        data = (folder / name).read_bytes()
        assert (seen["bytes"], seen["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert {"spec.json", "stdout.log"} <= set(listed)


def test_the_spec_holds_what_was_stated_and_null_for_what_was_not(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_bytes(b"x")
    words = {"cores": "3", "context": "4096", "new_tokens": "256", "runtime": "v1.2.3", "driver": "0.9.8"}
    (folder,) = take(tmp_path / "run.log", tmp_path / "c", **words, date="2026-02-01", note="no  fan").added
    spec = spec_of(folder)
    assert (spec["origin"], spec["simulated"], spec["npu_cores"]) == ("manual", False, 3)
    assert spec["workload"] == {"max_new_tokens": 256, "max_context_len": 4096}
    assert spec["stated"] == {
        "board_model": "ROCK 5B 16GB",
        "model": "qwen3-0.6b",
        "kind": None,
        "cores": 3,
        "context": 4096,
        "new_tokens": 256,
        "runtime": "1.2.3",
        "driver": "0.9.8",
        "date": "2026-02-01",
        "exit_code": None,
        "note": "no fan",
    }
    assert spec["files"] == {"stdout.log": {"from": "run.log", "bytes": 1}}
    assert str(tmp_path) not in (folder / "spec.json").read_text()


@pytest.mark.parametrize(
    ("typed", "kind", "model", "becomes", "remark"),
    [
        ("Qwen3-0.6B", "", "qwen3-0.6b", "llm", None),
        ("qwen3-0.6", "", "qwen3-0.6", None, "nearest is 'qwen3-0.6b'"),
        ("Qwen3-1B", "", "qwen3-1.7b", "llm", "there is no Qwen3-1B"),
        ("My model v2", "vlm", "My model v2", "vlm", "no model of models.yaml"),
    ],
)
def test_a_model_is_one_of_the_catalogue_or_free_text(
    tmp_path: Path, typed: str, kind: str, model: str, becomes: str | None, remark: str | None
) -> None:
    (tmp_path / "run.log").write_bytes(b"x")
    done = take(tmp_path / "run.log", tmp_path / "c", model=typed, kind=kind)
    spec = spec_of(done.added[0])
    assert (spec["model"], spec["kind"]) == (model, becomes)
    assert (remark or "") in " ".join(done.remarks) and bool(done.remarks) == bool(remark)


def test_a_folder_that_names_streams_is_one_run(tmp_path: Path) -> None:
    folder = files(tmp_path, out__log=b"o", err__log=b"e", dmesg__txt=b"d", README__md=b"no", __hidden__log=b"no")
    (run,) = find(str(folder))
    assert {(source.path.name, source.name) for source in run} == {
        ("out.log", "stdout.log"),
        ("err.log", "stderr.log"),
        ("dmesg.txt", "dmesg.log"),
    }
    (kept,) = take(folder, tmp_path / "c").added
    assert [(kept / name).read_bytes() for name in ("stdout.log", "stderr.log", "dmesg.log")] == [b"o", b"e", b"d"]


def test_a_folder_of_plain_logs_is_a_run_each_and_not_those_below_it(tmp_path: Path) -> None:
    folder = files(tmp_path, b__log=b"2", a__LOG=b"1", error_free__log=b"3")
    (folder / "older.log").mkdir()
    (folder / "older.log" / "c.log").write_bytes(b"4")
    assert [[source.path.name for source in run] for run in find(str(folder))] == [
        ["a.LOG"],
        ["b.log"],
        ["error_free.log"],
    ]
    done = take(folder, tmp_path / "c", cores="2")
    assert [folder.name for folder in done.added] == [f"00{n}-qwen3-0.6b-2core-manual" for n in range(3)]
    assert len({folder.parent for folder in done.added}) == 1


def test_the_same_bytes_with_the_same_conditions_are_here_once(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_bytes(b"once")
    collected = tmp_path / "c"
    (first,) = take(tmp_path / "run.log", collected).added
    before = everything(collected)
    (tmp_path / "run.log").rename(tmp_path / "renamed.txt")
    again = take(tmp_path / "renamed.txt", collected, token="ef01")
    assert (again.added, again.known) == ([], [first])
    assert everything(collected) == before


def test_two_copies_in_one_folder_are_one_run(tmp_path: Path) -> None:
    done = take(files(tmp_path, a__log=b"same", b__log=b"same"), tmp_path / "c")
    assert (len(done.added), done.known) == (1, done.added)


def test_the_same_bytes_with_other_conditions_are_added_and_named(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_bytes(b"twice")
    (first,) = take(tmp_path / "run.log", tmp_path / "c", cores="1").added
    second = take(tmp_path / "run.log", tmp_path / "c", token="ef01", cores="3")
    assert len(second.added) == 1 and "/".join(first.parts[-3:]) in second.remarks[0]


@pytest.mark.parametrize("origin", ["measured", "simulated"])
def test_a_boards_own_log_keeps_its_origin(tmp_path: Path, origin: str) -> None:
    collected = tmp_path / "c"
    with RunFolder(collected, "camp", "rk3588-a", "r1") as folder:
        folder.append("stdout.log", 0, b"from a board")
        folder.put("spec.json", json.dumps({"origin": origin}).encode())
        own = folder.finish()
    (tmp_path / "copy.log").write_bytes(b"from a board")
    before = everything(collected)
    for path in (tmp_path / "copy.log", own, own / "stdout.log"):
        with pytest.raises(ConfigError, match="origin"):
            take(path, collected)
    assert everything(collected) == before


def loop(tmp_path: Path) -> Path:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    return tmp_path / "a"


def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe.log")
    return tmp_path / "pipe.log"


def large(tmp_path: Path) -> Path:
    with (tmp_path / "large.log").open("wb") as file:
        file.truncate(defaults.LOG_LIMIT_BYTES + 1)
    return tmp_path / "large.log"


def with_broken_link(tmp_path: Path) -> Path:
    folder = files(tmp_path, a__log=b"good")
    (folder / "b.log").symlink_to("nowhere")
    return folder


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (lambda tmp: tmp / "none.log", "no such file"),
        (lambda tmp: tmp / "x" / ("n" * 300), "no such file|too long"),
        (lambda _tmp: "a\0b", "no such file"),
        (lambda _tmp: "", "say which log"),
        (loop, "leads back to itself"),
        (pipe, "no plain file"),
        (large, "larger than 300 MiB"),
        (with_broken_link, "b.log: there is no such file"),
        (lambda tmp: files(tmp), "holds no \\*.log"),
        (lambda tmp: files(tmp, notes__md=b"x"), "holds no \\*.log"),
        (lambda tmp: files(tmp, a__log=b""), "is empty"),
        (lambda tmp: files(tmp, a__log=b"x", b__log=b""), "b.log: is empty"),
        (lambda tmp: files(tmp, stderr__log=b"x", stdout__log=b"y", more__txt=b"z"), "both be stdout.log"),
        (lambda _tmp: "/proc/self/mem", "[Ee]rror"),  # a plain file that can not be read, even by root
    ],
)
def test_what_can_not_be_taken_is_one_message_and_nothing_is_written(tmp_path: Path, place: Any, says: str) -> None:
    path = place(tmp_path)
    with pytest.raises(ConfigError, match=says) as caught:
        import_logs(str(path), stated(), collected=tmp_path / "collected", catalogue=CATALOGUE, tool="0")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "collected").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_is_closed_to_us_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_bytes(b"x")
    (tmp_path / "run.log").chmod(0)
    with pytest.raises(ConfigError, match="may not be read"):
        take(tmp_path / "run.log", tmp_path / "c")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"board_model": " "}, "--board-model"),
        ({"model": ""}, "--model"),
        ({"cores": "4"}, "--cores"),
        ({"cores": "1,3"}, "one NPU core count"),
        ({"context": "many"}, "--context"),
        ({"new_tokens": "-1"}, "--new-tokens"),
        ({"runtime": "newest"}, "--runtime"),
        ({"driver": "0.9"}, "--driver"),
        ({"date": "yesterday"}, "--date"),
        ({"exit_code": "256"}, "--exit-code"),
        ({"kind": "audio"}, "--kind"),
        ({"note": "bell \x07"}, "--note"),
        ({"note": "half a character \udce4"}, "--note"),
        ({"note": "n" * 1001}, "--note"),
    ],
)
def test_a_condition_that_has_not_its_form_names_its_option(words: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        stated(**words)


def test_a_kind_that_is_not_the_models_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_bytes(b"x")
    with pytest.raises(ConfigError, match="is of kind llm"):
        take(tmp_path / "run.log", tmp_path / "c", kind="vlm")
    assert not (tmp_path / "c").exists()


def test_a_file_that_changes_while_it_is_read_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "run.log"
    log.write_bytes(b"first")
    real, reads = hand_logs.chunks, []

    def growing(path: Path) -> Any:
        reads.append(path)
        if len(reads) == 2:
            log.write_bytes(b"first and more")
        return real(path)

    monkeypatch.setattr("fleet.hand_logs.chunks", growing)
    monkeypatch.setattr("fleet.manual.chunks", growing)
    with pytest.raises(ConfigError, match="changed while it was read"):
        take(log, tmp_path / "c")
    assert everything(tmp_path / "c") == []


def test_a_folder_that_can_not_be_written_says_so_and_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_bytes(b"x")
    (tmp_path / "c").write_bytes(b"in the way")
    with pytest.raises(EvidenceBroken, match="can not write") as caught:
        take(tmp_path / "run.log", tmp_path / "c")
    assert "collect" not in caught.value.hint and "same command" in caught.value.hint


def test_two_imports_at_once_add_it_once(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_bytes(b"x" * 100_000)
    results: list[Imported] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(take(tmp_path / "run.log", tmp_path / "c", token=f"000{n}")))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted((len(done.added), len(done.known)) for done in results) == [(0, 1)] * 3 + [(1, 0)]


def test_different_boards_never_share_a_folder_and_every_name_is_safe() -> None:
    texts = [
        "ROCK 5B",
        "ROCK 5B+",
        "香橙派 5",
        "瑞莎 5",
        "香橙派",
        "../../etc",
        "-",
        "." * 9,
        "x" * 500,
        "x" * 501,
        "a/b",
    ]
    names = [slug(text) for text in texts]
    assert len(set(names)) == len(texts)
    assert all(SAFE_NAME.fullmatch(name) for name in names)
    assert slug("Orange Pi 5 Plus 8GB") == slug("orange pi 5 plus (8GB)") == "orange-pi-5-plus-8gb"


def test_evidence_that_makes_no_sense_is_no_obstacle(tmp_path: Path) -> None:
    broken = tmp_path / "c" / "camp" / "board" / "run"
    broken.mkdir(parents=True)
    for name, data in (("manifest.json", b'{"files": {"stdout.log": 7}}'), ("spec.json", b"[")):
        (broken / name).write_bytes(data)
    (tmp_path / "run.log").write_bytes(b"x")
    assert len(take(tmp_path / "run.log", tmp_path / "c").added) == 1
