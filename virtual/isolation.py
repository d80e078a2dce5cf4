"""A board's own small Linux: one persistent set of namespaces, entered again for every command.

The first process in it (``firmware/init.sh``) builds the root and then reads a pipe whose other end only the
board process holds. When that end closes, for whatever reason, the process ends, and the kernel kills everything
in the board's pid namespace: that is the power switch, and nothing can be left behind.

There are two layers. In the outer one ``firmware/host.sh`` shows the host's programs read-only; the inner one is
the board's, and what it inherits is locked: the board's root can mount what it likes and can not undo that.

Nobody in a board is real root. Started by an ordinary user, the board's root *is* that user; started by root, it
is ``BOARD_ID``, an id that nothing on the host belongs to. Only that one id exists inside.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import select
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

BOARD_ID = 60750  # in a range that systemd.io/UIDS-GIDS lists as unused (60578-61183)
POWER_ON_S = 10.0
POWER_OFF_S = 5.0
BOOT_TOOK_S = 19  # uptime when the SSH server of such a board begins to answer
NEEDED = ("unshare", "nsenter", "setsid", "mount", "umount", "pivot_root", "sh", "tar")
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LOGIN_ENVIRONMENT = {"HOME": "/root", "USER": "root", "LOGNAME": "root", "PATH": SEARCH_PATH}

_MOUNT_FLAGS = (
    (os.ST_NOSUID, "nosuid"),
    (os.ST_NODEV, "nodev"),
    (os.ST_NOEXEC, "noexec"),
    (os.ST_NOATIME, "noatime"),
    (os.ST_NODIRATIME, "nodiratime"),
)
_FIRMWARE = Path(__file__).with_name("firmware")
_HOST, _INIT = _FIRMWARE / "host.sh", _FIRMWARE / "init.sh"
# Root's own preparation: a folder below a 0700 home is out of BOARD_ID's reach until it is mounted elsewhere.
_AS_ROOT = (
    'mount --rbind "$1" "$2" && id=$3 && shift 3 &&'
    ' exec setpriv --reuid "$id" --regid "$id" --clear-groups --inh-caps=-all "$@"'
)


class CanNotIsolate(Exception):
    """This machine can not keep a board apart from itself; the message says what to install or to enable."""


@dataclasses.dataclass(frozen=True)
class PowerOn:
    """What the first process needs to know."""

    folder: Path
    name: str
    home_size: str = "disk"


@functools.cache
def board_owner() -> int | None:
    """The id that must own a board's files where it is not our own, i.e. when we are root.

    Root of a container that does not know this id is an ordinary user who is called root.
    """
    if os.geteuid() != 0:
        return None
    ranges = (map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines())
    return BOARD_ID if any(first <= BOARD_ID < first + count for first, _, count in ranges) else None


def hand_over(path: Path | int) -> None:
    """Give a file or an open descriptor to the board's root."""
    owner = board_owner()
    if owner is None:
        return
    if isinstance(path, int):
        os.fchown(path, owner, owner)
    else:
        os.chown(path, owner, owner, follow_symlinks=False)


class Enclosure:
    """A set of namespaces while it exists."""

    def __init__(self, process: subprocess.Popen[bytes], init_pid: int, uptime_offset_s: float) -> None:
        self._process = process
        self.init_pid = init_pid
        self.uptime_offset_s = uptime_offset_s  # the board's uptime minus the host's
        self._nsenter = _tool("nsenter")

    def argv(self, command: Sequence[str]) -> list[str]:
        """``command`` in the board, in a session of its own, as an SSH server would start it."""
        flags = ["-U", "-m", "-p", "-u", "-i", "-n", "-T", "-w"]
        enter = [self._nsenter, "--preserve-credentials", "-t", str(self.init_pid), *flags]
        return [*enter, "--", *command]

    def start(
        self,
        command: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        environment: Mapping[str, str] = LOGIN_ENVIRONMENT,
    ) -> subprocess.Popen[bytes]:
        """Start ``command`` in the board; the caller owns the result."""
        owner = board_owner()
        return subprocess.Popen(
            self.argv(command),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
            user=owner,
            group=owner,
            extra_groups=None if owner is None else (),
        )

    def run(
        self, command: Sequence[str], data: bytes = b"", limit_s: float = 10.0
    ) -> subprocess.CompletedProcess[bytes]:
        """A short command of the board process itself, waited for."""
        process = self.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(data, timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def power_off(self) -> None:
        """All at once and for certain, as pulling the plug."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(POWER_OFF_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def power_on(wish: PowerOn) -> Enclosure:
    """Build the namespaces and the root in them; raises CanNotIsolate with the reason."""
    for tool in NEEDED:
        _tool(tool)
    uptime_s = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    offset_s = min(BOOT_TOOK_S, uptime_s) - uptime_s
    namespaces = [
        _tool("unshare"),
        *("--user", "--map-root-user", "--mount", "--propagation", "unchanged"),
        *("--pid", "--uts", "--ipc", "--net", "--time", "--fork"),
        *("--boottime", str(offset_s)),
    ]
    folder = wish.folder.resolve()
    prefix: list[str] = []
    if board_owner() is not None:
        _tool("setpriv")
        inside = next(path for path in ("/mnt", "/media", "/srv", "/tmp") if Path(path).is_dir())
        outer = [_tool("unshare"), "--mount", "--propagation", "private", "sh", "-c", _AS_ROOT, "sh"]
        prefix = [*outer, str(folder), inside, str(BOARD_ID)]
        folder = Path(inside)
    # Two layers: the inner one is the board's, and can not undo what the outer one has mounted.
    host = [_tool("unshare"), "--user", "--map-root-user", "--mount", "sh", "-c", _HOST.read_text(), "sh"]
    prefix += [*host, str(folder), _usr_options()]
    arguments = [str(folder), wish.name, wish.home_size]
    process = subprocess.Popen(
        [*prefix, *namespaces, "sh", "-s", "--", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": SEARCH_PATH},
        cwd="/",
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(_INIT.read_bytes())
            process.stdin.flush()
        answer = _first_line(process.stdout.fileno(), POWER_ON_S)
        if answer != "ready":
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.stdin = None  # or communicate() would want to flush it
            _, complaint = process.communicate(timeout=POWER_OFF_S)
            raise CanNotIsolate(_advice(complaint.decode(errors="replace").strip()))
        children = child_pids(process.pid)
        if len(children) != 1:
            raise CanNotIsolate("the board's first process can not be found in /proc")
        return Enclosure(process, children[0], offset_s)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
        process.stderr.close()


def child_pids(pid: int) -> list[int]:
    """The children of a process, as seen from here."""
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):  # kernels without CONFIG_PROC_CHILDREN
        with contextlib.suppress(OSError):
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == pid:
                children.append(int(stat.parent.name))
    return children


def login_shell() -> str:
    return "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"


def _tool(name: str) -> str:
    path = shutil.which(name, path=SEARCH_PATH)
    if path is None:
        raise CanNotIsolate(f"virtual boards need `{name}`: install util-linux, coreutils and tar")
    return path


def _usr_options() -> str:
    """The flags /usr is mounted with; a user namespace may add to them and never drop one."""
    flags = os.statvfs("/usr").f_flag
    names = [name for flag, name in _MOUNT_FLAGS if flags & flag]
    if not flags & os.ST_NOATIME:
        names.append("relatime" if flags & os.ST_RELATIME else "strictatime")
    return ",".join(names)


def _first_line(fd: int, limit_s: float) -> str:
    deadline = time.monotonic() + limit_s
    seen = b""
    while b"\n" not in seen:
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(fd, 100) if ready else b""
        if not piece:
            break
        seen += piece
    return seen.partition(b"\n")[0].decode(errors="replace")


def _advice(complaint: str) -> str:
    """One message out of what ``unshare`` or ``mount`` said; the cause is nearly always the same."""
    knobs = (
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "10000"),
    )
    for knob, bad, good in knobs:
        with contextlib.suppress(OSError):
            if Path("/proc/sys", knob).read_text().strip() == bad:
                fix = f"sudo sysctl -w {knob.replace('/', '.')}={good}"
                return f"this machine forbids user namespaces ({complaint}); allow them with: {fix}"
    return (
        f"this machine can not isolate a virtual board: {complaint or 'no answer'}; needed are user, mount, pid,"
        " net and time namespaces (Linux 5.6 or later; in a container: --privileged, or no seccomp profile)"
    )
