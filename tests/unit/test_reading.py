"""``invoke parse PATH``: whatever a person points at, the logs that belong together are read together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.errors import CannotRead, UnknownFormat
from analysis.reading import headline, read_path

TABLE = (
    b"I rkllm: rkllm-runtime version: 1.2.3, rknpu driver version: 0.9.8, platform: RK3588\n"
    b"I rkllm: rkllm-toolkit version: 1.2.3, max_context_limit: 4096, npu_core_num: 2, target_platform: RK3588,"
    b" model_dtype: W8A8\n"
    b"I rkllm:  Prefill       240.00           120       2.00                     500.00\n"
    b"I rkllm:  Generate      5000.00          100       50.00                    20.00\n"
    b"I rkllm:  Peak Memory Usage (GB)\nI rkllm:  0.75\n"
)


def write(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name.replace("_", ".", 1)).write_bytes(data)
    return folder


def spec(folder: Path) -> bytes:
    names = dict(zip(("campaign", "board", "run"), folder.parts[-3:], strict=True))
    plan = {"origin": "simulated", "simulated": True, "model": "m", "kind": "llm", "npu_cores": 3, "warmup": False}
    return json.dumps(names | plan).encode()


def test_a_failure_on_stderr_is_found_beside_a_clean_stdout(tmp_path):
    folder = write(tmp_path / "pasted", stdout_log=TABLE, stderr_log=b"E RKNN: [10:00:00.000] failed to submit!\n")
    (answer,) = json.loads(read_path(folder, "json"))
    assert (answer["failure"], answer["tainted"]) == ("npu_submit_failed", True)
    assert answer["advice"] and answer["generate"]["tps"] == 20.0


def test_a_collected_run_says_how_it_ended_and_which_check_it_failed(tmp_path):
    folder = tmp_path / "collected" / "c1" / "b1" / "r1"
    end = json.dumps({"result": "success", "exit_code": 0, "boot_id": "x", "duration_s": 9.0}).encode()
    write(folder, stdout_log=TABLE, stderr_log=b"", spec_json=spec(folder), end_json=end)
    (answer,) = json.loads(read_path(folder, "json"))
    assert (answer["outcome"], answer["board"], answer["origin"]) == ("failed", "b1", "simulated")
    assert answer["reason"].startswith("wrong artifact: ")
    failed = [(check["name"], check["observed"], check["expected"]) for check in answer["checks"] if not check["ok"]]
    assert failed == [("npu_cores_as_planned", "npu_core_num 2 in the banner", "3")]
    assert "failed" in headline(folder) and "(simulated)" in headline(folder)
    assert read_path(tmp_path / "collected").count("campaign ") == 1


def test_a_folder_of_logs_gives_an_answer_for_each(tmp_path):
    folder = write(tmp_path / "logs", a_log=TABLE, b_log=b"E rkllm: max_context[8192] must be less than the model's"
                   b" max_context_limit[4096]\n")  # fmt: skip
    first, second = json.loads(read_path(folder, "json"))
    assert (first["npu_core_num"], second["failure"]) == (2, "context_over_limit")
    assert "try" in read_path(folder / "b.log")


def test_what_is_hidden_is_unfinished_and_not_read(tmp_path):
    write(tmp_path / "logs" / ".r1.abc.part", stdout_log=TABLE)
    with pytest.raises(CannotRead, match="no log below it"):
        read_path(tmp_path / "logs")


def test_text_of_a_log_can_not_act_on_the_screen(tmp_path):
    folder = write(tmp_path / "x", a_log=TABLE.replace(b"W8A8", b"W8\x1b[2JA8"))
    assert "\x1b" not in read_path(folder / "a.log")


def test_no_such_path_and_no_such_format_are_messages(tmp_path):
    with pytest.raises(CannotRead, match="no such file"):
        read_path(tmp_path / "nowhere")
    with pytest.raises(UnknownFormat):
        read_path(tmp_path, "pdf")
