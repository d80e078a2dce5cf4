"""artifact.sh: bytes arrive whole or not at all, are here once, and what was verified is not sent again."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.shell.kit import BoardUnderTest

DATA = bytes(range(256)) * 400 + b"the last chunk is short"
CHUNK = 10_000
SPARE = 4096
TOKEN = "3f2a9c01d4e8"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def chunks(data: bytes) -> list[bytes]:
    return [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]


ALL = list(range(len(chunks(DATA))))


def store(board: BoardUnderTest) -> Path:
    return board.folder / "store"


def target(board: BoardUnderTest) -> Path:
    return store(board) / "models/little.rkllm"


def content(board: BoardUnderTest) -> Path:
    return store(board) / "sha256" / sha256(DATA)


def part(board: BoardUnderTest) -> Path:
    return content(board).with_name(f"{sha256(DATA)}.part")


def listed(data: bytes) -> bytes:
    return "".join(f"{sha256(chunk)}\n" for chunk in chunks(data)).encode()


def words(board: BoardUnderTest, name: str = "little.rkllm", *token: str) -> list[str]:
    list_sha256 = sha256(listed(DATA))
    return [
        "receive",
        str(store(board)),
        name,
        sha256(DATA),
        str(len(DATA)),
        str(CHUNK),
        list_sha256,
        str(SPARE),
        *token,
    ]


def receive(
    board: BoardUnderTest, *sent: bytes, head: bytes | None = None, name: str = "little.rkllm"
) -> subprocess.CompletedProcess[bytes]:
    """What a sender that does not listen gets: the list, and these chunks."""
    stdin = (listed(DATA) if head is None else head) + b"".join(sent)
    return board.script("artifact.sh", *words(board, name), stdin=stdin)


def said(done: subprocess.CompletedProcess[bytes], key: str) -> list[Any]:
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line[key] for line in lines if key in line]


def lying(board: BoardUnderTest) -> list[str]:
    found = [path for name in ("models", "sha256") for path in (store(board) / name).iterdir()]
    return sorted(path.name for path in found if path.name != ".sha256")


def find(board: BoardUnderTest, *paths: Path, want: str = "", name: str = "little.rkllm") -> Any:
    done = board.script("artifact.sh", "find", store(board), want, name, *(paths or (target(board),)))
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout)


def test_what_was_announced_arrives_and_both_names_are_the_same_bytes(board: BoardUnderTest) -> None:
    done = receive(board, DATA)
    assert (done.returncode, done.stderr) == (0, b"")
    assert said(done, "need") == [ALL] and said(done, "bytes") == [len(DATA)]
    assert sorted(said(done, "verified")) == ALL
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer == {"path": str(target(board)), "size_bytes": len(DATA), "sha256": sha256(DATA)}
    assert target(board).read_bytes() == DATA and target(board).samefile(content(board))
    assert lying(board) == sorted(["little.rkllm", sha256(DATA)])


def test_a_second_push_and_one_under_another_name_take_no_byte(board: BoardUnderTest) -> None:
    receive(board, DATA)
    for name in ("little.rkllm", "other name.rkllm"):
        done = receive(board, head=b"", name=name)
        assert (done.returncode, said(done, "need"), said(done, "sha256")) == (0, [], [sha256(DATA)])
        assert (target(board).parent / name).samefile(content(board))


def test_a_byte_that_went_wrong_is_asked_for_again(board: BoardUnderTest) -> None:
    wrong = DATA[:25_000] + bytes([DATA[25_000] ^ 1]) + DATA[25_001:]
    done = receive(board, wrong, chunks(DATA)[2])
    assert (done.returncode, done.stderr) == (0, b"")
    assert said(done, "need") == [ALL, [2]] and said(done, "bad") == [2]
    assert target(board).read_bytes() == DATA


def test_bytes_that_never_get_right_get_no_name(board: BoardUnderTest) -> None:
    receive(board, DATA)
    wrong = DATA[:-1] + b"x"
    other = sha256(wrong)
    announced = ["receive", store(board), "little.rkllm", other, str(len(DATA)), str(CHUNK), sha256(listed(wrong)), "0"]
    for sent in (DATA, wrong[:1000], b""):
        done = board.script("artifact.sh", *announced, stdin=listed(wrong) + sent)
        assert done.returncode == 65 and b"the connection ended" in done.stderr
        assert target(board).read_bytes() == DATA
        assert lying(board) == sorted(["little.rkllm", sha256(DATA), f"{other}.part"])


def test_a_list_that_arrived_wrong_is_refused(board: BoardUnderTest) -> None:
    for head in (listed(DATA).replace(b"a", b"b", 1), listed(DATA)[:-65], b""):
        done = receive(board, head=head)
        assert done.returncode == 65 and b"the list of chunks" in done.stderr
    assert not target(board).exists() and not content(board).exists()


def test_what_was_verified_before_an_interruption_is_not_asked_for_again(board: BoardUnderTest) -> None:
    assert receive(board, DATA[:47_000]).returncode == 65
    done = receive(board, DATA[40_000:])
    assert (done.returncode, said(done, "need")) == (0, [ALL[4:]])
    assert sorted(said(done, "verified")) == ALL
    assert target(board).read_bytes() == DATA


def test_a_part_that_was_changed_between_two_tries_is_judged_by_its_bytes(board: BoardUnderTest) -> None:
    assert receive(board, DATA[:80_000]).returncode == 65
    have = bytearray(part(board).read_bytes())
    have[5] ^= 4
    # DATA repeats itself every 256 bytes, and 10,000 is no multiple of it: no two chunks are the same
    have[20_000:30_000], have[30_000:40_000] = have[30_000:40_000], have[20_000:30_000]
    part(board).write_bytes(have)
    done = receive(board, *(chunks(DATA)[k] for k in (0, 2, 3, *ALL[8:])))
    assert (done.returncode, said(done, "need")) == (0, [[0, 2, 3, *ALL[8:]]])
    assert target(board).read_bytes() == DATA


def test_a_part_that_is_too_long_is_cut(board: BoardUnderTest) -> None:
    content(board).parent.mkdir(parents=True)
    part(board).write_bytes(DATA + b"more")
    done = receive(board)
    assert (done.returncode, said(done, "need")) == (0, []) and target(board).read_bytes() == DATA


def test_an_empty_file_is_a_file(board: BoardUnderTest) -> None:
    none = sha256(b"")
    done = board.script("artifact.sh", "receive", store(board), "empty.rkllm", none, "0", str(CHUNK), none, "0")
    assert (done.returncode, done.stderr, said(done, "need")) == (0, b"", [])
    assert (store(board) / "models/empty.rkllm").read_bytes() == b""


def test_dead_pushes_go_and_what_can_be_resumed_stays(board: BoardUnderTest) -> None:
    folder = content(board).parent
    for path in (folder, target(board).parent):
        path.mkdir(parents=True)
    old, young, beside = (folder / f"{letter * 64}.part" for letter in "abc")
    beside = folder / f"{sha256(DATA)}.4711.part"
    before = target(board).with_name("little.rkllm.0123.part")
    for path in (old, young, beside, before):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert receive(board, DATA).returncode == 0
    assert lying(board) == sorted(["little.rkllm", sha256(DATA), young.name])


def test_room_is_made_of_what_nobody_is_pushing_now(board: BoardUnderTest) -> None:
    content(board).parent.mkdir(parents=True)
    other, busy = (content(board).parent / f"{letter * 64}.part" for letter in "ab")
    other.write_bytes(b"half")
    busy.write_bytes(b"half")
    board.stub(
        "df",
        f"if [ -e {other} ]; then free=1; else free=4000; fi\n"
        'printf "Filesystem 1024-blocks Used Available Capacity Mounted\\nx 1 1 %s 1 /\\n" "$free"\n',
    )
    with subprocess.Popen(["flock", busy, "sh", "-c", "echo locked; read -r _"], stdin=-1, stdout=-1) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        assert receive(board, DATA).returncode == 0
        assert lying(board) == sorted(["little.rkllm", sha256(DATA), busy.name])


def test_a_disk_without_room_is_refused_before_a_byte_is_asked_for(board: BoardUnderTest) -> None:
    board.stub("df", 'printf "Filesystem 1024-blocks Used Available Capacity Mounted\\nx 1 1 100 1 /\\n"\n')
    done = receive(board, DATA)
    need = len(DATA) + SPARE
    assert done.returncode == 73 and said(done, "need") == []
    assert f"needs {need} bytes, {content(board).parent} has 102400 bytes free".encode() in done.stderr
    assert not target(board).exists()


def test_only_what_is_missing_needs_room(board: BoardUnderTest) -> None:
    assert receive(board, DATA[:95_000]).returncode == 65
    board.stub("df", 'printf "Filesystem 1024-blocks Used Available Capacity Mounted\\nx 1 1 20 1 /\\n"\n')
    assert receive(board, DATA[90_000:]).returncode == 0


def begun(board: BoardUnderTest, *token: str, fed: int) -> subprocess.Popen[bytes]:
    """A push whose first chunks have been verified and that hears nothing more."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    pushing = board.popen("artifact.sh", *words(board, "little.rkllm", *token), **pipes)
    assert pushing.stdin is not None and pushing.stdout is not None
    pushing.stdin.write(listed(DATA) + DATA[:fed])
    while b'"verified": 1}' not in pushing.stdout.readline():
        assert pushing.poll() is None
    return pushing


def test_two_pushes_of_the_same_bytes_do_not_write_into_each_other(board: BoardUnderTest) -> None:
    first = begun(board, fed=50_000)
    second = receive(board, DATA)
    assert second.returncode == 0 and said(second, "need") == [ALL]
    assert target(board).read_bytes() == DATA
    out, err = first.communicate(DATA[50_000:], timeout=30)
    assert (first.returncode, err) == (0, b"") and json.loads(out.splitlines()[-1])["sha256"] == sha256(DATA)
    assert target(board).read_bytes() == DATA and lying(board) == sorted(["little.rkllm", sha256(DATA)])


def test_a_dead_connection_of_the_same_holder_makes_way_and_its_chunks_count(board: BoardUnderTest) -> None:
    held = board.script("lease.sh", "hold", TOKEN, "600", "me", "push", "")
    assert held.returncode == 0, held.stderr
    first = begun(board, TOKEN, fed=35_000)
    done = board.script(
        "artifact.sh", *words(board, "little.rkllm", TOKEN), stdin=listed(DATA) + b"".join(chunks(DATA)[2:]), timeout=30
    )
    # Of the third chunk nobody knows whether it had arrived as a whole.
    assert said(done, "need")[0][:1] in ([2], [3])
    assert first.wait(30) != 0
    first.communicate()


def test_a_file_is_taken_where_it_lies_and_read_once(board: BoardUnderTest) -> None:
    here = board.folder / "demo.rkllm"
    here.write_bytes(DATA)
    asked = board.pipe("asked")
    board.stub("openssl", "exit 1\n")  # then it is sha256sum that reads
    tell = f'if [ /proc/self/fd/0 -ef "{here}" ]; then echo read >"{asked.path}"; fi'
    board.stub("sha256sum", f'{tell}\nexec /usr/bin/sha256sum "$@"\n')
    for _ in range(2):
        assert find(board, target(board), here) == {"path": str(here), "size_bytes": len(DATA), "sha256": sha256(DATA)}
    here.write_bytes(DATA[:-1] + b"X")
    assert find(board, here)["sha256"] == sha256(DATA[:-1] + b"X")
    assert [asked.read_line() for _ in range(2)] == ["read"] * 2
    asked.tell("no third")
    assert asked.read_line() == "no third"


def test_what_is_wanted_is_found_behind_another_file_of_that_name(board: BoardUnderTest) -> None:
    receive(board, DATA)
    other = board.folder / "little.rkllm"
    other.write_bytes(b"another model")
    assert find(board, other, target(board), want=sha256(DATA))["path"] == str(target(board))
    target(board).unlink()
    assert find(board, other, target(board), want=sha256(DATA))["path"] == str(target(board))
    assert target(board).samefile(content(board))
    assert find(board, other, target(board), want="0" * 64)["path"] == str(other)
    assert find(board, board.folder / "nowhere")["path"] is None


def test_bytes_that_somebody_wrote_over_are_not_taken_for_what_they_were(board: BoardUnderTest) -> None:
    receive(board, DATA)
    content(board).chmod(0o644)
    with content(board).open("r+b") as file:
        file.write(b"other bytes")
    assert find(board, board.folder / "nowhere", want=sha256(DATA))["path"] is None
    done = receive(board, DATA)
    assert done.returncode == 0 and said(done, "need") == [ALL]
    assert target(board).read_bytes() == DATA and target(board).samefile(content(board))


def test_without_links_the_name_is_a_symbolic_link_or_the_file_itself(board: BoardUnderTest) -> None:
    board.stub("ln", 'case "$*" in -s*) exec /bin/ln "$@" ;; *) exit 1 ;; esac\n')
    assert receive(board, DATA).returncode == 0
    assert target(board).is_symlink() and target(board).read_bytes() == DATA
    assert find(board)["sha256"] == sha256(DATA)
    target(board).unlink()
    board.stub("ln", "exit 1\n")
    assert receive(board).returncode == 0
    assert target(board).read_bytes() == DATA and lying(board) == ["little.rkllm"]


def test_names_stay_in_their_folder(board: BoardUnderTest) -> None:
    for name in ("../evil", ".hidden", "", "a/b"):
        for verb in (["receive", store(board), name, *words(board)[3:]], ["remove", store(board), name]):
            assert board.script("artifact.sh", *verb, stdin=listed(DATA)).returncode == 2
    assert not list(board.folder.rglob("evil"))


def entries(board: BoardUnderTest) -> list[Any]:
    done = board.script("artifact.sh", "list", store(board))
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.splitlines()]


def remove(board: BoardUnderTest, what: str) -> bool:
    done = board.script("artifact.sh", "remove", store(board), what)
    assert (done.returncode, done.stderr) == (0, b"")
    answer: bool = json.loads(done.stdout)["removed"]
    return answer


def test_what_lies_there_is_listed_with_what_is_known_of_it(board: BoardUnderTest) -> None:
    assert entries(board) == []
    receive(board, DATA)
    (target(board).parent / "by hand.rkllm").write_bytes(b"abc")
    part(board).with_name(f"{'e' * 64}.part").write_bytes(b"half")
    found = {one.get("name") or ("part" if "part" in one else "bytes"): one for one in entries(board)}
    named, of_hand, whole, half = (found[key] for key in ("little.rkllm", "by hand.rkllm", "bytes", "part"))
    assert named == {"name": "little.rkllm", "size_bytes": len(DATA), "sha256": sha256(DATA)}
    assert of_hand == {"name": "by hand.rkllm", "size_bytes": 3, "sha256": None}
    assert whole == {"sha256": sha256(DATA), "size_bytes": len(DATA)}
    assert half["part"] == "e" * 64 and len(found) == 4


def test_a_name_goes_with_its_bytes_unless_they_have_another_one(board: BoardUnderTest) -> None:
    receive(board, DATA)
    receive(board, name="other.rkllm")
    assert remove(board, "other.rkllm")
    assert lying(board) == sorted(["little.rkllm", sha256(DATA)])
    assert remove(board, "little.rkllm") and not remove(board, "little.rkllm")
    assert lying(board) == []


def test_a_sha256_goes_with_all_its_names_and_what_is_unfinished_of_it(board: BoardUnderTest) -> None:
    receive(board, DATA)
    receive(board, name="other.rkllm")
    (target(board).parent / "by hand.rkllm").write_bytes(DATA)
    part(board).write_bytes(b"half")
    assert remove(board, sha256(DATA)) and not remove(board, sha256(DATA))
    assert lying(board) == ["by hand.rkllm"]


def test_nothing_is_removed_from_a_board_that_is_reserved(board: BoardUnderTest) -> None:
    receive(board, DATA)
    assert board.script("lease.sh", "hold", TOKEN, "600", "me", "tests", "").returncode == 0
    done = board.script("artifact.sh", "remove", store(board), "little.rkllm")
    assert done.returncode == 75 and json.loads(done.stdout)["reserved"]["token"] == TOKEN
    assert target(board).exists()
    assert board.script("artifact.sh", "remove", store(board), "little.rkllm", TOKEN).returncode == 0
    assert lying(board) == []
