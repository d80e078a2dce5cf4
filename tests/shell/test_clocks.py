"""clocks.sh: found and never assumed, pinned with what was there saved, and put back by whoever comes."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.shell.clock_tree import BOOT_ID, DMC, GOVERNORS, NPU, Tree, board_files, devfreq, idle, policy, trans_stat
from tests.shell.kit import BoardUnderTest

NO_USERSPACE = GOVERNORS.replace("userspace ", "")


@contextmanager
def alive(lock: Path) -> Iterator[None]:
    """Somebody holds that lock."""
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def tree(board: BoardUnderTest) -> Tree:
    if os.geteuid() != 0:
        board.stub("id", '[ "$*" = -u ] && echo 0')
    return Tree(board, board_files())


def as_user(board: BoardUnderTest, sudo: str) -> None:
    board.stub("id", '[ "$*" = -u ] && { [ -n "${AS_ROOT-}" ] && echo 0 || echo 1234; }')
    board.stub("sudo", f"echo asked >>'{board.folder}/sudo'\n{sudo}")


def test_everything_goes_to_the_highest_that_there_is_and_comes_back(tree: Tree) -> None:
    before = tree.settings()
    with alive(tree.lock):
        said = tree.pin()
        assert said["clock"]["fdab0000.npu"][1:] == ("1000000000", "userspace", "-")
        assert said["clock"]["dmc"][1:] == ("2112000000", "userspace", "-")
        assert said["clock"]["policy6"][1:] == ("2400000000", "userspace", "-")
        assert said["clock"]["cpu7/state1"][1:] == ("1", "disable", "-")
        assert (tree.text(f"{DMC}/governor"), tree.text(f"{DMC}/userspace/set_freq")) == ("userspace", "2112000000")
        assert tree.text(f"{policy(6)}/scaling_setspeed") == "2400000"
        assert {tree.text(f"{idle(cpu)}/disable") for cpu in range(8)} == {"1"}
        assert {tree.text(f"{idle(cpu, 0)}/disable") for cpu in range(8)} == {"0"}
        assert said["was"][DMC] == ("dmc_ondemand", "2112000000", "528000000", "2112000000")
        assert said["is"][DMC] == ("userspace", "2112000000", "528000000", "2112000000")
        assert said["time"][DMC] == {"528000000": 1000, "2112000000": 5000}
        assert said["time"][policy(0)] == {"408000000": 1000, "1800000000": 2000}
    tree.lines("restore", str(tree.lock))
    after = tree.settings()
    for name in before:
        if name.endswith(("set_freq", "setspeed")):
            after[name] = before[name]  # where the governor is another, these mean nothing
    assert after == before
    assert not tree.saved.exists()


def test_without_userspace_it_is_performance_from_the_top_up(board: BoardUnderTest, tree: Tree) -> None:
    other = Tree(board, board_files(NO_USERSPACE))
    for node in (NPU, DMC):
        (other.root / node / "userspace/set_freq").unlink()
    before = other.settings()
    said = other.pin()
    clocks = ("fdab0000.npu", "dmc", "policy0", "policy4", "policy6")
    assert {said["clock"][name][2] for name in clocks} == {"performance"}
    assert (other.text(f"{DMC}/governor"), other.text(f"{DMC}/min_freq")) == ("performance", "2112000000")
    assert other.text(f"{policy(4)}/scaling_min_freq") == "2256000"
    other.lines("restore")
    assert other.settings() == before


def test_a_userspace_that_is_offered_and_refused_is_performance_too(tree: Tree) -> None:
    (tree.root / DMC / "userspace/set_freq").unlink()
    assert tree.pin()["clock"]["dmc"][1:] == ("2112000000", "performance", "-")
    assert tree.text(f"{DMC}/governor") == "performance"


def test_a_kernel_without_a_dmc_node_is_told_and_the_rest_is_pinned(tree: Tree) -> None:
    for path in sorted((tree.root / DMC).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tree.root / DMC).rmdir()
    said = tree.pin()
    assert "no devfreq node dmc" in said["clock"]["dmc"][3]
    assert said["clock"]["fdab0000.npu"][2] == "userspace"


def test_another_kind_of_memory_has_other_frequencies(tree: Tree) -> None:
    for name, text in devfreq(DMC, "534000000 1320000000 1968000000 2400000000").items():
        tree.write(name, text)
    assert tree.pin()["clock"]["dmc"][1] == "2400000000"


def test_cores_that_are_missing_are_not_looked_for(tree: Tree) -> None:
    for node in (policy(6), *(idle(cpu) for cpu in (6, 7))):
        for path in sorted((tree.root / node).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (tree.root / node).rmdir()
    names = set(tree.pin()["clock"])
    assert "policy4" in names and "policy6" not in names and "cpu6/state1" not in names


def test_deeper_idle_states_are_switched_off_too(tree: Tree) -> None:
    for name in ("name", "disable"):
        (tree.root / idle(4, 2)).mkdir(exist_ok=True)
        tree.write(f"{idle(4, 2)}/{name}", "0\n")
    assert tree.pin()["clock"]["cpu4/state2"][2] == "disable"
    assert tree.text(f"{idle(4, 2)}/disable") == "1"


def test_a_person_s_limit_is_lifted_and_put_back(tree: Tree) -> None:
    tree.write(f"{policy(4)}/scaling_max_freq", "1200000\n")
    with alive(tree.lock):
        tree.pin()
    assert tree.text(f"{policy(4)}/scaling_max_freq") == "2256000"
    tree.lines("restore")
    assert tree.text(f"{policy(4)}/scaling_max_freq") == "1200000"


def test_the_limit_of_a_board_that_is_being_cooled_is_left_alone(tree: Tree) -> None:
    cooling = tree.root / "sys/class/thermal/cooling_device1"
    cooling.mkdir(parents=True)
    (cooling / "type").write_text("cpufreq-cpu4\n")
    (cooling / "cur_state").write_text("2\n")
    tree.write(f"{policy(4)}/scaling_max_freq", "1200000\n")
    tree.pin()
    assert tree.text(f"{policy(4)}/scaling_max_freq") == "1200000"
    assert "max_freq" not in tree.saved.read_text()


@pytest.mark.parametrize("profile", ["no_dmc", "as_is"])
def test_a_profile_leaves_alone_what_it_does_not_name(tree: Tree, profile: str) -> None:
    before = tree.settings()
    said = tree.pin(profile)
    assert said["clock"]["dmc"][1:] == ("-", "-", "-")
    assert {name: text for name, text in tree.settings().items() if "dmc" in name} == {
        name: text for name, text in before.items() if "dmc" in name
    }
    assert (tree.settings() == before) == (profile == "as_is")
    assert set(said["is"]) == {NPU, DMC, *(policy(p) for p in (0, 4, 6)), *(idle(cpu) for cpu in range(8))}


def test_values_that_make_no_sense_are_nothing(tree: Tree) -> None:
    tree.write(f"{DMC}/available_frequencies", "$(touch hacked) 99999999999999999999 -1 0x10 1068000000 * ; 7e9\n")
    tree.write(f"{DMC}/governor", 'a"b\\c\td;`id`\n')
    tree.write(f"{policy(0)}/scaling_cur_freq", "x" * 100_000)
    tree.write(f"{policy(0)}/stats/time_in_state", "junk\n408000 12x\n1800000 7\n99 99 99\n" + "1 1\n" * 5000)
    tree.write(f"{DMC}/trans_stat", "Not Supported.\n")
    tree.write(f"{NPU}/trans_stat", trans_stat({"300000000": 7}) + "\n*1000000000: x y\n")
    said = tree.pin()
    assert said["clock"]["dmc"][1] == "1068000000"
    assert said["was"][DMC][0] == "-"
    assert said["is"][policy(0)][1] == "-"
    assert said["time"][policy(0)]["1800000000"] == 70
    assert DMC not in said["time"]
    assert said["time"][NPU] == {"300000000": 7}
    assert not list(tree.board.folder.rglob("hacked"))
    assert "dmc/governor" not in tree.saved.read_text(), "what can not be read is never written back"


def test_a_clock_that_names_no_frequency_is_not_pinned(tree: Tree) -> None:
    for name in ("available_frequencies", "max_freq"):
        tree.write(f"{NPU}/{name}", "\n")
    assert tree.pin()["clock"]["fdab0000.npu"][1:] == ("-", "-", "it names no frequency")


def test_a_second_pin_never_takes_what_was_pinned_for_what_was_there(tree: Tree) -> None:
    before = tree.settings()
    other = tree.board.folder / "other.lock"
    other.touch()
    with alive(tree.lock):
        tree.pin()
        saved = tree.saved.read_bytes()
        with alive(other):
            said = tree.pin(owner="c1/r2", lock=other)
        assert "pinned by c1/r1" in said["clock"]["dmc"][3]
        assert tree.saved.read_bytes() == saved
    with alive(other):
        assert tree.pin(owner="c1/r2", lock=other)["was"][DMC][0] == "dmc_ondemand", "the dead one's was put back first"
        tree.lines("restore", str(tree.lock))
        assert tree.text(f"{DMC}/governor") == "userspace", "the pin of another is not undone"
        tree.lines("restore")
        assert tree.text(f"{DMC}/governor") == "userspace", "it is in force"
    tree.lines("restore")
    assert {k: v for k, v in tree.settings().items() if "set" not in k} == {
        k: v for k, v in before.items() if "set" not in k
    }


def test_what_is_saved_of_another_boot_is_no_more(tree: Tree) -> None:
    with alive(tree.lock):
        tree.pin()
    tree.write("proc/sys/kernel/random/boot_id", BOOT_ID.replace("1", "2"))
    pinned = tree.settings()
    tree.lines("restore")
    assert tree.settings() == pinned
    assert tree.pin()["was"][DMC][0] == "userspace"


def test_what_can_not_be_put_back_stays_saved_for_the_next_one(tree: Tree) -> None:
    tree.pin()
    gone = tree.root / idle(3) / "disable"
    gone.unlink()
    assert tree.lines("restore", code=1)["left"] == {f"/{idle(3)}/disable": "0"}
    assert tree.text(f"{DMC}/governor") == "dmc_ondemand"
    gone.write_text("1\n")
    tree.pin()
    tree.lines("restore")
    assert gone.read_text() == "0\n"
    assert not tree.saved.exists()


def test_without_rights_nothing_is_written_and_that_is_said(tree: Tree) -> None:
    as_user(tree.board, "echo 'a password is required' >&2; exit 1")
    before = tree.settings()
    said = tree.pin()
    assert {why for _, _, _, why in said["clock"].values()} == {
        "no right to write: this user is not root, and sudo asks for a password"
    }
    assert said["is"][DMC][0] == "dmc_ondemand"
    assert tree.settings() == before
    assert not (tree.root / "run").exists()


def test_all_of_it_takes_one_sudo(tree: Tree) -> None:
    as_user(tree.board, '[ "$1 $2" = "-n --" ] || exit 1\nshift 2\nAS_ROOT=1 exec "$@"')
    said = tree.pin()
    assert said["clock"]["dmc"][2] == "userspace"
    assert (tree.board.folder / "sudo").read_text() == "asked\n"
    tree.lines("restore")
    assert (tree.board.folder / "sudo").read_text() == "asked\n" * 2
    assert tree.text(f"{DMC}/governor") == "dmc_ondemand"
    tree.lines("restore")
    assert (tree.board.folder / "sudo").read_text() == "asked\n" * 2, "nothing to put back needs no right"


def test_a_machine_that_is_no_such_board_is_left_alone(tree: Tree) -> None:
    tree.write("sys/firmware/devicetree/base/compatible", "raspberrypi,5-model-b\0brcm,bcm2712\0")
    before = tree.settings()
    assert "no Rockchip board" in tree.pin()["clock"]["dmc"][3]
    assert tree.settings() == before
    assert tree.board.script("clocks.sh", "set", "pinned").returncode == 1
    assert tree.settings() == before


def test_root_saves_nothing_in_somebody_elses_folder(tree: Tree) -> None:
    elsewhere = tree.board.folder / "elsewhere"
    elsewhere.mkdir()
    (tree.root / "run").mkdir()
    (tree.root / "run/rkfleet").symlink_to(elsewhere)
    before = tree.settings()
    assert "belongs to somebody else" in tree.pin()["clock"]["dmc"][3]
    assert tree.settings() == before
    assert not list(elsewhere.iterdir())


def test_a_saved_file_that_somebody_made_up_writes_nowhere_else(tree: Tree) -> None:
    tree.saved.parent.mkdir(parents=True)
    victim = tree.root / "sys/victim"
    victim.write_text("mine\n")
    lines = ["/sys/class/../victim yours", "/proc/uptime 1", "/sys/class/devfreq/dmc/governor $(id)", "nonsense"]
    tree.saved.write_text(f"boot {BOOT_ID}\nowner x\nlock /nowhere\n" + "\n".join(lines) + "\n")
    tree.lines("restore")
    assert victim.read_text() == "mine\n"
    assert tree.text("proc/uptime") == "100.00 0.00"
    assert tree.text(f"{DMC}/governor") == "dmc_ondemand"


def test_a_profile_for_good_saves_nothing_and_is_what_a_run_puts_back(tree: Tree) -> None:
    tree.lines("set", "pinned")
    assert not tree.saved.exists()
    at_start = tree.settings()
    with alive(tree.lock):
        tree.pin("no_dmc")
        done = tree.board.script("clocks.sh", "set", "pinned")
        assert done.returncode == 75 and b"c1/r1" in done.stderr
    tree.lines("restore")
    assert tree.settings() == at_start


def test_a_profile_for_good_fails_where_a_clock_is_missing(tree: Tree) -> None:
    for name in ("available_frequencies", "max_freq"):
        tree.write(f"{NPU}/{name}", "\n")
    assert tree.lines("set", "pinned", code=1)["clock"]["fdab0000.npu"][3] == "it names no frequency"


@pytest.mark.parametrize(
    "words", [(), ("pin", "pinned"), ("pin", "fast", "o", "/l"), ("set",), ("show", ";id"), ("x",)]
)
def test_what_makes_no_sense_is_usage(board: BoardUnderTest, words: tuple[str, ...]) -> None:
    done = board.script("clocks.sh", *words)
    assert done.returncode == 2 and done.stdout == b""


def test_who_pins_while_another_does_waits_for_it(tree: Tree) -> None:
    tree.saved.parent.mkdir(parents=True)
    lock = Path(f"{tree.saved}.lock")
    lock.touch()
    with alive(lock):
        second = tree.board.popen("clocks.sh", "pin", "pinned", "c1/r1", str(tree.lock), stdout=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(0.5)
        assert tree.text(f"{DMC}/governor") == "dmc_ondemand"
    assert second.communicate(timeout=20)[0]
    assert tree.text(f"{DMC}/governor") == "userspace"
