"""The same verbs over a real OpenSSH server: what a real board with its models on it takes, and what it does not."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.home import entry, trusted
from tests.ssh import sshd


def test_an_address_and_the_path_of_the_demo_are_all_that_a_board_takes(home, server, board_folder):
    home.inventory({"real": entry(server, board_folder)})
    trusted(home, server)
    done = home.invoke("bench", "--cores", "1,2,3", "--repeats", "2", "--format", "json")
    cells = json.loads(done.stdout)
    assert [(cell["npu_cores"], cell["outcome"], cell["n"], cell["origin"]) for cell in cells] == [
        (cores, "ok", 2, "measured") for cores in (1, 2, 3)
    ]
    assert {(cell["ttft_ms"], cell["generate_tps"]) for cell in cells} == {(240.0, 20.0)}
    assert not list(board_folder.parent.rglob("pwned")) and not list(home.folder.rglob("pwned"))
    spec = json.loads((home.runs()[0] / "spec.json").read_text())
    answer = (home.runs()[0] / "stdout.log").read_text()
    assert f"You asked: {spec['prompt']}" in answer


def test_a_model_goes_to_the_board_once_and_is_verified_there(home, server, board_folder):
    name = "Qwen3-0.6B_W8A8_RK3588_3core.rkllm"
    (board_folder / name).unlink()
    home.inventory({"real": entry(server, board_folder)})
    trusted(home, server)
    refused = home.invoke("bench", "--cores", "3", "--repeats", "1", code=2)
    assert name in refused.stderr and "models/" in refused.stderr
    (home.folder / "models").mkdir()
    (home.folder / "models" / name).write_bytes(b"cores 3\n" + bytes(range(256)) * 12_000)
    first = home.invoke("bench", "--cores", "3", "--repeats", "1")
    assert f"pushed {name}" in first.stderr
    again = home.invoke("bench", "--cores", "3", "--repeats", "1")
    assert "pushed" not in again.stderr


def test_a_vision_model_whose_encoder_is_nowhere_is_skipped_as_one_without_a_model_is(home, server, board_folder):
    (board_folder / "Qwen3-VL-2B_W8A8_RK3588_3core.rkllm").write_text("cores 3\n")
    (board_folder / "librknnrt.so").write_bytes(b"\0librknnrt version: 2.3.2 (429f97ae6b@2025-04-09T09:09:27)\0")
    (board_folder / "demo").write_text("#!/bin/sh\n")
    (board_folder / "demo").chmod(0o755)
    home.inventory({"real": entry(server, board_folder, vlm_demo=str(board_folder / "demo"))})
    trusted(home, server)
    words = ("bench", "--model", "qwen3-0.6b,qwen3-vl-2b", "--cores", "3", "--repeats", "1", "--format", "json")
    text, seeing = json.loads(home.invoke(*words).stdout)
    assert (text["outcome"], seeing["outcome"]) == ("ok", "skipped")
    assert "Qwen3-VL-2B_vision_448_FP16_RK3588.rknn is neither on the board" in json.dumps(seeing["reasons"])


def test_a_banner_with_another_core_count_than_planned_fails_the_run(home, server, board_folder):
    (board_folder / "Qwen3-0.6B_W8A8_RK3588_1core.rkllm").write_text("really 3\n")
    home.inventory({"real": entry(server, board_folder)})
    trusted(home, server)
    done = home.invoke("bench", "--cores", "1", "--repeats", "1", "--format", "json", code=1)
    (cell,) = json.loads(done.stdout)
    assert (cell["outcome"], cell["n"]) == ("failed", 0)
    assert "wrong artifact: npu_core_num 3 in the banner, 1 planned" in json.dumps(cell["reasons"])


def test_a_host_key_is_trusted_by_name_only_and_a_changed_one_is_refused(home, server, board_folder):
    home.inventory({"real": entry(server, board_folder)})
    refused = home.invoke("boards", code=4)
    assert server.key.fingerprint in refused.stderr and "invoke trust --board real" in refused.stderr
    assert server.key.fingerprint in home.invoke("trust", "--board", "real", code=2).stderr
    home.invoke("trust", "--board", "real", "--fingerprint", "SHA256:" + "A" * 43, code=2)
    assert not (home.folder / "known_hosts").exists()
    trusted(home, server)
    assert json.loads(home.invoke("boards", "--format", "json").stdout)[0]["state"] == "up"
    other = sshd.new_key(server.folder, "other")
    known = home.folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {other.with_name('other.pub').read_text()}")
    changed = home.invoke("boards", code=4)
    assert server.key.fingerprint in changed.stderr and sshd.public(other).fingerprint in changed.stderr
    assert "--rotate" in changed.stderr
    home.invoke("trust", "--board", "real", "--fingerprint", server.key.fingerprint, code=4)
    home.invoke("trust", "--board", "real", "--rotate", "--fingerprint", server.key.fingerprint)
    home.invoke("boards")


def test_a_key_that_the_board_does_not_take_is_named(home, server, board_folder):
    stranger = sshd.new_key(server.folder, "stranger")
    home.inventory({"real": entry(server, board_folder) | {"key": str(stranger)}})
    trusted(home, server)
    done = home.invoke("bench", "--cores", "1", "--repeats", "1", "--format", "json", code=4)
    assert str(stranger) in done.stderr and json.loads(done.stdout)[0]["outcome"] == "unreachable"


def test_a_bare_address_becomes_an_entry_that_works(home, server, board_folder):
    (home.folder / "inventory.yaml").write_text("boards:\n  other:\n    virtual: true  # mine\n\n# the end\n")
    ssh = Path(home.environment["HOME"]) / ".ssh"
    ssh.mkdir(mode=0o700)
    shutil.copy(server.identity, ssh / "id_ed25519")
    options = ["--port", str(server.port), "--user", server.user, "--llm-demo", str(board_folder / "llm_demo")]
    untrusted = home.invoke("add", "127.0.0.1", *options, code=2)
    assert server.key.fingerprint in untrusted.stderr
    told = home.invoke("add", "127.0.0.1", *options, "--fingerprint", server.key.fingerprint).stdout
    assert "rk3588-a is in inventory.yaml" in told and "invoke bench --board rk3588-a" in told
    rows = json.loads(home.invoke("boards", "--board", "rk3588-a", "--format", "json").stdout)
    assert [(row["board"], row["state"]) for row in rows] == [("rk3588-a", "up")]
    assert "virtual: true  # mine" in (home.folder / "inventory.yaml").read_text()
    twice = home.invoke("add", "127.0.0.1", *options, "--fingerprint", server.key.fingerprint, code=2)
    assert "rk3588-a" in twice.stderr


@pytest.mark.parametrize("address", ["-oProxyCommand=touch pwned", "a b", "", "1;touch pwned"])
def test_an_address_that_is_none_is_refused_before_anything_happens(home, address):
    home.inventory({"other": {"virtual": True}})
    before = (home.folder / "inventory.yaml").read_bytes()
    home.invoke("add", f"--address={address}", "--fingerprint", "SHA256:x", code=2)
    assert (home.folder / "inventory.yaml").read_bytes() == before and not list(home.folder.rglob("pwned"))


@pytest.mark.parametrize("server", [None], ids=["owner"], indirect=True)
def test_a_run_outlives_the_server_that_started_it(home, server, board_folder):
    slow = (board_folder / "llm_demo").read_text().replace("ruler=", f"flock '{home.folder}/gate' true\nruler=", 1)
    (board_folder / "llm_demo").write_text(slow)
    home.inventory({"real": entry(server, board_folder)})
    trusted(home, server)
    gate = (home.folder / "gate").open("w")
    fcntl.flock(gate, fcntl.LOCK_EX)  # the demo answers when this goes
    bench = home.start("bench", "--cores", "3", "--repeats", "1")
    try:
        assert any("started" in line for line in bench.stderr)
        server.drop_connections()
        gate.close()
        out, told = bench.communicate(timeout=60)
    finally:
        bench.kill()
    assert bench.returncode == 0, told
    assert " ok " in out
