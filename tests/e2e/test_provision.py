"""``invoke provision`` as a person types it: nothing twice, nothing in a dry run, and a board that fails says where."""

from __future__ import annotations

import hashlib
import json
import re
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.ssh.host_keys import HostKeys
from tests.e2e.home import PROJECT, Home, entry, trusted, virtual
from tests.ssh import sshd
from tests.ssh.sshd import Sshd

LIMIT_S = 60.0


@pytest.fixture
def owner(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[Sshd]:
    """A real OpenSSH server, logged in to as whoever runs the tests; its locks are its own."""
    board = tmp_path / "board"
    board.mkdir()
    with sshd.running(tmp_path_factory.mktemp("sshd"), extra=sshd.playing_board(board)) as running:
        yield running


@pytest.fixture
def real(home: Home, owner: Sshd, tmp_path: Path) -> Path:
    """A home with that server as its board ``real``; the folder in which playbooks of tests do their work."""
    home.inventory({"real": entry(owner, tmp_path)})
    trusted(home, owner)
    (home.folder / "playbooks").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    return work


def playbook(home: Home, *steps: dict[str, Any], name: str = "mine") -> None:
    (home.folder / "playbooks").mkdir(exist_ok=True)
    (home.folder / "playbooks" / f"{name}.yaml").write_text(json.dumps({"steps": list(steps)}))


def rows(home: Home, *words: str, code: int = 0) -> dict[str, dict[str, Any]]:
    said = home.invoke("provision", *words, "--format", "json", code=code)
    return {row["board"]: row for row in json.loads(said.stdout)}


def disk(home: Home, board: str) -> dict[str, str]:
    """Every file of a virtual board's disk that a provisioning could have written, with its content."""
    folder = home.folder / ".virtual" / board
    found = {}
    for top in ("root/etc", "root/opt", "root/root", "usr-local"):
        for path in sorted((folder / top).rglob("*")):
            kind = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
            found[str(path.relative_to(folder))] = f"{path.lstat().st_mode:o} {kind}"
    return found


def until(condition: Callable[[], Any], what: str) -> Any:
    for _ in range(int(LIMIT_S / 0.05)):
        if answer := condition():
            return answer
        select.select([], [], [], 0.05)
    raise AssertionError(f"waited in vain for {what}")


def test_a_dry_run_shows_and_changes_nothing_and_the_second_run_has_nothing_to_do(home: Home) -> None:
    home.inventory({"bare": virtual(bare=True)})
    home.invoke("boards")
    before = disk(home, "bare")
    dry = home.invoke("provision", "--dry-run", "--diff", "--format", "json")
    assert disk(home, "bare") == before
    (row,) = json.loads(dry.stdout)
    assert (row["would change"], row["unchanged"]) == (6, 1)
    assert "Will create /etc/security/limits.d/90-rkfleet.conf" in dry.stderr
    assert "+ root soft nofile 10240" in dry.stderr and "write /opt/rkllm/llm_demo" in dry.stderr

    # docs/02_dependencies.md names each of these files, and no other; a virtual board has no systemd.
    page = (
        (PROJECT / "docs" / "02_dependencies.md").read_text(encoding="utf-8").split("## Files\n")[1].split("\n## ")[0]
    )
    named = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    of_board = {"{{ llm_demo }}": "/opt/rkllm/llm_demo", "{{ libraries }}": "/opt/rkllm/lib"}
    for variable, path in of_board.items():
        named = [one.replace(variable, path) for one in named]
    written = re.findall(r"^write (.+)$", dry.stderr, re.MULTILINE)
    assert sorted([*written, "/etc/systemd/system/rkfleet-clocks.service"]) == sorted(named)

    first = rows(home)["bare"]
    assert (first["changed"], first["unchanged"], first["failed at"]) == (6, 1, None)
    after = disk(home, "bare")
    assert {"root/opt/rkllm/llm_demo", "root/opt/rkllm/lib/librkllmrt.so", "root/etc/rc.local"} <= set(after)
    second = rows(home)["bare"]
    assert (second["changed"], second["unchanged"]) == (0, 7)
    assert disk(home, "bare") == after

    model = home.folder / ".virtual/bare/root/root/rkfleet/models/mine.rkllm"
    model.write_text("weights")
    assert rows(home, "--playbook", "restore")["bare"]["changed"] == 3
    assert rows(home, "--playbook", "restore")["bare"]["changed"] == 0
    left = disk(home, "bare")
    assert model.exists() and "root/opt/rkllm/llm_demo" in left
    assert not {path for path in left if "90-rkfleet" in path or "99-rkfleet" in path or "rc.local" in path}
    assert not {path for path in left if path.endswith("clocks.sh") and path.startswith("usr-local")}


def test_a_virtual_board_says_that_packages_come_from_this_machine(home: Home) -> None:
    home.inventory({"a": virtual()})
    playbook(home, {"debian.packages": {"packages": ["coreutils", "no-such-package-here"]}})
    why = rows(home, "--playbook", "mine", code=1)["a"]["why"]
    assert "missing: no-such-package-here" in why and "this machine" in why


def test_a_board_that_fails_names_its_step_and_goes_on_from_there_while_others_are_done(
    home: Home, real: Path, owner: Sshd, tmp_path: Path
) -> None:
    boards = {
        "real": entry(owner, tmp_path),
        "other-key": {**entry(owner, tmp_path), "address": "localhost"},
        "unknown-key": {**entry(owner, tmp_path), "address": "127.1"},
        "down": {**entry(owner, tmp_path), "port": sshd.free_port()},
    }
    home.inventory(boards)
    wrong = sshd.public(sshd.new_key(tmp_path, "somebody_else"))
    HostKeys.load(home.folder / "known_hosts").replace("localhost", owner.port, [wrong])
    playbook(
        home,
        {"name": "a folder", "files.directory": {"path": f"{real}/one"}},
        {
            "name": "needs a part",
            "server.shell": {"commands": [f"cp {real}/part {real}/one/made"]},
            "unless": f"test -e {real}/one/made",
        },
        {"name": "the end", "files.line": {"path": f"{real}/one/log", "line": "provisioned by {{ user }}"}},
    )
    found = rows(home, "--playbook", "mine", code=4)
    assert found["real"]["failed at"].startswith("2 needs a part (playbooks/mine.yaml:1)")
    assert found["real"]["changed"] == 1 and "No such file" in found["real"]["why"]
    assert not (real / "one" / "log").exists()
    assert "trusted is SHA256" in found["other-key"]["why"]
    assert "127.1" in found["unknown-key"]["why"] and "SHA256" in found["unknown-key"]["why"]
    assert {found[name]["changed"] for name in ("other-key", "unknown-key", "down")} == {0}
    assert all(found[name]["why"] for name in ("other-key", "unknown-key", "down"))

    (real / "part").write_text("x")
    again = rows(home, "--board", "!other-key,!unknown-key,!down", "--playbook", "mine")
    assert list(again) == ["real"]
    assert (again["real"]["changed"], again["real"]["unchanged"]) == (2, 1)
    assert rows(home, "--board", "real", "--playbook", "mine")["real"]["changed"] == 0
    assert "provisioned by" in (real / "one" / "log").read_text()


def test_a_wrong_playbook_is_refused_before_any_board_is_touched(home: Home) -> None:
    home.inventory({"a": virtual(), "down": {"address": "127.0.0.1", "port": sshd.free_port()}})
    playbook(home, {"files.file": {"path": "/x"}}, {"name": "typo", "files.lines": {"path": "/x"}})
    refused = home.invoke("provision", "--playbook", "mine", code=2)
    assert "playbooks/mine.yaml: steps[1]" in refused.stderr and "step 2 (typo)" in refused.stderr
    assert "nearest is 'files.line'" in refused.stderr and "connect" not in refused.stderr
    playbook(home, {"files.file": {"path": "{{ llm_demo }}"}})
    assert "boards.down.paths.llm_demo" in home.invoke("provision", "--playbook", "mine", code=2).stderr
    assert not (home.folder / ".virtual" / "a").exists()


def test_a_guard_that_never_holds_is_a_failure_and_not_a_change_every_time(home: Home, real: Path) -> None:
    playbook(home, {"server.shell": {"commands": [f"touch {real}/x"]}, "unless": f"test -e {real}/y"})
    assert "its guard says that it is not" in rows(home, "--playbook", "mine", code=1)["real"]["why"]


def test_a_board_of_somebody_else_is_left_alone(home: Home, real: Path, owner: Sshd, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    theirs = Home(other)
    theirs.inventory({"real": entry(owner, tmp_path)})
    trusted(theirs, owner)
    theirs.invoke("reserve", "--board", "real", "--purpose", "my tests")
    playbook(home, {"files.file": {"path": f"{real}/x"}})
    assert "reserved by" in rows(home, "--playbook", "mine", code=1)["real"]["why"]
    assert not (real / "x").exists()
    theirs.invoke("release", "--board", "real")
    assert rows(home, "--playbook", "mine")["real"]["changed"] == 1
    assert "free" in home.invoke("who").stdout


def test_what_lies_on_a_board_can_not_move_the_cursor_of_who_looks_at_the_difference(home: Home, real: Path) -> None:
    (real / "motd").write_text("\x1b[2Jgone \x1b]0;title\x07\nkept\n")
    (home.folder / "motd").write_text("kept\nnew\n")
    playbook(home, {"files.put": {"src": "motd", "dest": f"{real}/motd"}})
    dry = home.invoke("provision", "--playbook", "mine", "--dry-run", "--diff")
    assert "- gone" in dry.stderr and "+ new" in dry.stderr
    assert "\x1b" not in dry.stderr + dry.stdout and "\x07" not in dry.stderr
    (real / "motd").write_bytes(bytes(range(256)))
    assert "would change" in home.invoke("provision", "--playbook", "mine", "--dry-run", "--diff").stdout
    rows(home, "--playbook", "mine", "--diff")
    assert (real / "motd").read_text() == "kept\nnew\n"


def test_a_demo_is_built_on_the_board_and_again_only_when_its_sources_change(home: Home, real: Path) -> None:
    source = home.folder / "demo"
    source.mkdir()
    (source / "main.in").write_text("echo one\n")
    target = real / "bin" / "llm_demo"
    built = {
        "source": "demo",
        "path": str(target),
        "build": f"echo . >>{real}/builds; cp main.in made",
        "program": "made",
    }
    playbook(home, {"rkllm.demo": built})
    assert rows(home, "--playbook", "mine")["real"]["changed"] == 1
    assert target.read_text() == "echo one\n" and target.stat().st_mode & 0o777 == 0o755
    assert rows(home, "--playbook", "mine")["real"]["changed"] == 0
    (source / "main.in").write_text("echo two\n")
    assert rows(home, "--playbook", "mine")["real"]["changed"] == 1
    assert target.read_text() == "echo two\n"
    assert (real / "builds").read_text() == ".\n.\n"
    target.write_text("somebody's own\n")
    assert rows(home, "--playbook", "mine")["real"]["changed"] == 1
    assert [path.name for path in sorted(target.parent.iterdir())] == ["llm_demo", "llm_demo.built"]
    playbook(home, {"rkllm.demo": {**built, "build": "echo no compiler >&2; exit 3"}})
    assert "no compiler" in rows(home, "--playbook", "mine", code=1)["real"]["why"]
    assert target.read_text() == "echo two\n"


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_an_interrupted_driver_lets_the_command_end_begins_no_other_and_gives_the_board_back(
    home: Home, real: Path, end: signal.Signals
) -> None:
    wait = f"touch {real}/begun; until [ -e {real}/go ]; do sleep 0.05; done; touch {real}/one"
    hear = "sleep 1"  # nothing shows that the process at work has heard of the end; it does within milliseconds
    playbook(
        home,
        {"server.shell": {"commands": [wait, hear]}, "unless": f"test -e {real}/one"},
        {"files.file": {"path": f"{real}/two"}},
    )
    driver = home.start("provision", "--playbook", "mine")
    try:
        until((real / "begun").exists, "the first step")
        assert "provision" in home.invoke("who").stdout
        driver.send_signal(end)
        if end == signal.SIGKILL:
            driver.wait(LIMIT_S)
        (real / "go").touch()
        said = driver.communicate(timeout=LIMIT_S)[1]
    finally:
        driver.kill()
    if end == signal.SIGINT:
        assert driver.returncode == 130, said
    until(lambda: "free" in home.invoke("who").stdout, "the board to be given back")
    assert (real / "one").exists() and not (real / "two").exists()
    assert rows(home, "--playbook", "mine")["real"]["unchanged"] == 1
    assert (real / "two").exists()


def test_a_user_without_rights_is_told_how_to_get_them(home: Home, server: Sshd, board_folder: Path) -> None:
    home.inventory({"real": entry(server, board_folder)})
    trusted(home, server)
    playbook(
        home,
        {"models.store": {"path": "{{ store }}"}},
        {"files.line": {"path": "/proc/version", "line": "rkfleet was here"}},
    )
    said = home.invoke("provision", "--playbook", "mine", code=1)
    if server.user != "root":
        assert "boards.real.sudo: true" in said.stderr
    else:
        assert "/proc/version" in said.stderr
    store = server.home / "rkfleet" if server.home else server.folder / "store"
    assert (store / "sha256").is_dir()
