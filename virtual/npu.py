"""The NPU's device node: a FIFO that the stand-in demo opens, and what then passes between it and the board.

A demo makes two FIFOs of its own beside the node, writes ``open PID`` into the node and opens them; both are
unlinked as soon as both sides hold them, so nothing stays behind however a demo ends. Its end is noticed by the
end of its FIFO. All messages are lines; see ``firmware/llm_demo`` for the other side.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from virtual.demo import Conversation, File, Gone, Request
from virtual.isolation import hand_over
from virtual.vision_demo import DEMOS
from virtual.whole import write_whole

if TYPE_CHECKING:
    from virtual.boot import Boot

NODE = "renderD129"
OPEN_LIMIT_S = 10.0
ABORTED = 134  # as a shell counts it
RUN_MARK = re.compile(rb"(?:^|\0)RKFLEET_RUN=\[([^\0]*)\](?:\0|$)")
STATUS_KEYS = re.compile(rb"^(VmPeak|VmSize|VmHWM|VmRSS|RssShmem):\t *\d+ kB$", re.MULTILINE)


class Npu:
    """All demos of one board."""

    def __init__(self, board: Boot) -> None:
        self._board = board
        self._bus = board.folder / "bus"
        self._talks: set[asyncio.Task[None]] = set()
        self._covers: dict[int, tuple[int, int]] = {}  # pid -> what is bound over its /proc/PID/status and statm
        self._warm: dict[str, float] = {}
        self._node = -1
        for path in self._bus.iterdir():
            path.unlink()
        os.mkfifo(self._bus / NODE)
        (self._bus / NODE).chmod(0o660)
        hand_over(self._bus / NODE)

    @property
    def busy(self) -> bool:
        return bool(self._talks)

    def open(self) -> None:
        # read and write: the FIFO then never ends, and a demo that opens it never waits
        self._node = os.open(self._bus / NODE, os.O_RDWR | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(self._node, self._knock)

    async def close(self) -> None:
        """The board has no power any more: whoever was talking is silent."""
        asyncio.get_running_loop().remove_reader(self._node)
        os.close(self._node)
        talks = tuple(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        for fds in self._covers.values():
            for fd in fds:
                os.close(fd)
        self._covers.clear()

    def is_warm(self, file_id: str, size_bytes: float) -> bool:
        return file_id in self._warm

    def remember(self, file_id: str, size_bytes: float) -> None:
        """The file is in the page cache now; others go when there is no room for them."""
        self._warm.pop(file_id, None)
        self._warm[file_id] = size_bytes
        while sum(self._warm.values()) > self._board.machine.total_bytes * 0.8 and len(self._warm) > 1:
            self._warm.pop(next(iter(self._warm)))

    def show_memory(self, pid: int, resident_bytes: float, peak_bytes: float) -> None:
        """Put the demo's memory into the pages that cover its /proc/PID/status and statm."""
        if pid not in self._covers:
            return
        status, statm = self._covers[pid]
        shown = {
            b"VmPeak": peak_bytes * 1.3,
            b"VmSize": resident_bytes * 1.3,
            b"VmHWM": peak_bytes,
            b"VmRSS": resident_bytes,
            b"RssShmem": resident_bytes * 0.92,
        }
        page = os.pread(status, 16384, 0)
        # same width as before, so the page keeps its length and a reader never sees half of it
        page = STATUS_KEYS.sub(lambda line: b"%s:\t%8d kB" % (line[1], shown[line[1]] // 1024), page)
        os.pwrite(status, page, 0)
        pages = [int(part / 4096) for part in (resident_bytes * 1.3, resident_bytes, resident_bytes * 0.92)]
        os.pwrite(statm, f"{pages[0]} {pages[1]} {pages[2]} 24 0 {pages[0] - pages[1]} 0".ljust(79).encode() + b"\n", 0)

    def _knock(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for line in os.read(self._node, 4096).decode(errors="replace").splitlines():
                word, _, pid = line.partition(" ")
                if word == "open" and pid.isdigit():
                    talk = asyncio.get_running_loop().create_task(self._talk(int(pid)))
                    self._talks.add(talk)
                    talk.add_done_callback(self._talks.discard)

    async def _talk(self, pid: int) -> None:
        board = self._board
        link = Link(self._bus, pid, board)
        ended: dict[str, object] = {"code": None}
        run_dir: str | None = None
        run_number = 0
        talk: Conversation | None = None
        try:
            request = await asyncio.wait_for(link.request(), OPEN_LIMIT_S)
            run_number = _next_run(board.folder / "runs")
            run_dir = _run_dir(board.root, pid)
            board.truth.record(
                "demo_started", pid=pid, run=run_number, model=request.model_path, new=request.new, run_dir=run_dir
            )
            self._cover(pid)
            talk = DEMOS[request.program](board, link, request, run_number)
            await talk.run()
            ended = {"code": link.code}
        except (Gone, TimeoutError):
            pass
        except ConnectionError as error:
            board.truth.record("bad_client", pid=pid, why=str(error))
        finally:
            link.close()
            for fd in self._covers.pop(pid, ()):
                os.close(fd)
            board.let_pass()
            board.machine.work.pop(pid, None)
            board.machine.taken_bytes.pop(pid, None)
            board.machine.settle()
            board.wake()
            if run_number:
                made = talk.made if talk is not None else {}
                board.truth.record("demo_ended", pid=pid, run=run_number, run_dir=run_dir, **ended, **made)

    def _cover(self, pid: int) -> None:
        """Bind pages of ours over the two files that say how much memory the demo has: its own are a shell's."""
        names = (f".{pid}.status", f".{pid}.statm")
        script = (
            'cd /dev/dri && cat "/proc/$1/status" >"$2" && printf "%79s\\n" "" >"$3" &&'
            ' mount --bind "$2" "/proc/$1/status" && mount --bind "$3" "/proc/$1/statm"'
        )
        done = self._board.enclosure.run(["sh", "-c", script, "sh", str(pid), *names])
        paths = [self._bus / name for name in names]
        if done.returncode == 0:
            status, statm = (os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC) for path in paths)
            self._covers[pid] = (status, statm)
        for path in paths:
            path.unlink(missing_ok=True)
        self.show_memory(pid, 3e6, 3e6)


class Link:
    """Two FIFOs to one demo."""

    def __init__(self, bus: Path, pid: int, board: Boot) -> None:
        self._pid = pid
        self._board = board
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._partial = b""
        self._gone = asyncio.Event()
        self._paths = (bus / f".{pid}.out", bus / f".{pid}.in")
        self._fds: list[int] = []
        self._unsent = b""
        self.code: int | None = None
        for path, flags in zip(self._paths, (os.O_RDONLY, os.O_RDWR), strict=True):
            fd = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            self._fds.append(fd)
            if not stat.S_ISFIFO(os.fstat(fd).st_mode):
                self.close()
                raise ConnectionError(f"{path.name} is not a FIFO")
        asyncio.get_running_loop().add_reader(self._fds[0], self._readable)

    async def request(self) -> Request:
        """What the demo says about itself before anything else."""
        said: dict[str, str] = {}
        while (line := await self._next()) != "go":
            word, _, rest = line.partition(" ")
            said[word] = rest
        for path in self._paths:
            path.unlink(missing_ok=True)
        level = said.get("loglevel", "0")
        program = said.get("program", "llm_demo")
        if program in DEMOS and program != "llm_demo":
            return _of_vision(self._pid, said, int(level) if level.isdigit() else 0)
        return Request(
            pid=self._pid,
            model_path=said.get("model", ""),
            new=said.get("new", ""),
            context=said.get("context", ""),
            log_level=int(level) if level.isdigit() else 0,
            buffer=said.get("buffer", "block"),
            head=said.get("head"),
            size_bytes=int(said["size"]) if said.get("size", "").strip().isdigit() else -1,
            file_id=said.get("file", ""),
        )

    def out(self, text: str) -> None:
        self._send("o", text)

    def err(self, text: str) -> None:
        self._send("e", text)

    def leave(self, code: int) -> None:
        self.code = code
        self._send("x", str(code))

    def abort(self) -> None:
        self.code = ABORTED
        self._send("a", "")

    async def read_line(self) -> str | None:
        """The next line of the demo's standard input; None at its end."""
        self._send("r", "")
        line = await self._next()
        if line[:1] == "z":
            return line[1:] or None
        return line[1:]

    async def sleep(self, seconds: float) -> None:
        until, left_s = self._board.clock() + seconds, seconds
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), left_s)
            if self._gone.is_set():
                raise Gone
            await self._board.thawed.wait()
            left_s = until - self._board.clock()
            if left_s <= 0:
                return

    async def never(self) -> None:
        await self._gone.wait()
        raise Gone

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for fd in self._fds:
            loop.remove_reader(fd)
            loop.remove_writer(fd)
            os.close(fd)
        self._fds.clear()
        for path in self._paths:
            path.unlink(missing_ok=True)

    async def _next(self) -> str:
        line = await self._lines.get()
        if line is None:
            raise Gone
        return line

    def _send(self, what: str, text: str) -> None:
        """One line; escaped for the shell's ``printf %b``."""
        if self._gone.is_set():
            raise Gone
        escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
        self._unsent += f"{what}{escaped}\n".encode()
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        fd = self._fds[1]
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[os.write(fd, self._unsent) :]
        if self._unsent:
            loop.add_writer(fd, self._flush)
        else:
            loop.remove_writer(fd)

    def _readable(self) -> None:
        data = os.read(self._fds[0], 65536)
        if not data:
            asyncio.get_running_loop().remove_reader(self._fds[0])
            self._gone.set()
            self._lines.put_nowait(None)
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._lines.put_nowait(line.decode(errors="replace"))


def _of_vision(pid: int, said: dict[str, str], level: int) -> Request:
    """A multimodal demo says all of its arguments, and which of them are files."""
    arguments: list[str] = []
    while (word := said.get(f"arg{len(arguments)}")) is not None:
        arguments.append(word)
    files = {
        at: File(said.get(f"head{at}", ""), int(size) if size.isdigit() else -1, said.get(f"file{at}", ""))
        for at in range(len(arguments))
        if (size := said.get(f"size{at}", "").strip())
    }
    model = files.get(2)
    named = dict(enumerate(arguments))
    return Request(
        pid=pid,
        model_path=named.get(2, ""),
        new=named.get(3, "2048"),
        context=named.get(4, "4096"),
        log_level=level,
        buffer=said.get("buffer", "block"),
        head=model.head if model else None,
        size_bytes=model.size_bytes if model else -1,
        file_id=model.file_id if model else "",
        program=said["program"],
        arguments=tuple(arguments),
        files=files,
    )


def _run_dir(root: Path, pid: int) -> str | None:
    """Which run a demo belongs to, by the mark in its environment; None when it was started by hand."""
    with contextlib.suppress(OSError):
        found = RUN_MARK.search((root / f"proc/{pid}/environ").read_bytes())
        return found[1].decode(errors="replace") if found else None
    return None


def _next_run(path: Path) -> int:
    """Counts the runs of this board, over restarts too: with the seed it makes a run's luck."""
    number = int(path.read_text()) + 1 if path.exists() else 1
    write_whole(path, str(number).encode())
    return number
