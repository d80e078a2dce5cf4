"""A real OpenSSH server for tests: its own keys and configuration, a free port, ready when it sends its banner."""

from __future__ import annotations

import base64
import contextlib
import functools
import os
import pwd
import random
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fleet.deadline import Deadline
from fleet.ssh.endpoint import Endpoint
from fleet.ssh.host_keys import HostKey, HostKeys

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin") or "/usr/sbin/sshd"
DIE_WITH_US = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []  # tests that are killed too
PRIVATE_USER = "rkfleet-test"  # exists only in the mount namespace of a test's sshd
READY_S = 20.0


class NoSuchUser(Exception):
    """This machine can not log a normal user in; the reason is the text."""


@functools.cache
def new_key(folder: Path, name: str, kind: str = "ed25519") -> Path:
    """A private key without a passphrase, made once per folder and name."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", str(path)], check=True, timeout=60)
    return path


def public(path: Path) -> HostKey:
    """The public half of a key file."""
    return HostKey.parse(path.with_name(f"{path.name}.pub").read_text())


def free_port() -> int:
    """A port where nothing listens now, and which the kernel gives to nobody who connects: those get 32768 and more."""
    while True:
        port = random.randrange(20_000, 32_768)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


@dataclass
class Sshd:
    """One server. ``stop``, ``freeze`` and ``thaw`` act on it and on the processes of its connections."""

    folder: Path
    user: str
    identity: Path
    host_key: Path
    port: int
    log: Path
    process: subprocess.Popen[bytes] = field(repr=False)
    home: Path | None  # of the user who exists only here
    frozen: list[int] = field(default_factory=list)

    @property
    def key(self) -> HostKey:
        """The host key it shows."""
        return public(self.host_key)

    def endpoint(self, name: str = "board", *, port: int | None = None, key: Path | None = None) -> Endpoint:
        """How to reach it; ``port`` is a proxy's."""
        return Endpoint(name, "127.0.0.1", port or self.port, self.user, key or self.identity, agent=False)

    def known(self, *ports: int) -> HostKeys:
        """A project file that trusts it at its own port and at those of proxies."""
        keys = HostKeys.load(self.folder / "known_hosts")
        for port in (self.port, *ports):
            keys.replace("127.0.0.1", port, [self.key])
        return keys

    def processes(self) -> list[int]:
        """The server and everything that it started, leaves first."""
        return [*reversed(_children(self.process.pid)), self.process.pid]

    def servers(self) -> list[int]:
        """The sshd processes, without the commands they run."""
        return [pid for pid in self.processes() if _comm(pid).startswith("sshd")]

    def freeze(self) -> None:
        """SIGSTOP: the kernel still accepts and acknowledges, and nobody answers."""
        for pid in self.servers():
            with contextlib.suppress(ProcessLookupError):  # the process of a connection that just ended
                os.kill(pid, signal.SIGSTOP)
                self.frozen.append(pid)

    def thaw(self) -> None:
        """SIGCONT."""
        for pid in self.frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.frozen.clear()

    def drop_connections(self) -> None:
        """Kill the processes that serve connections, as a reboot would."""
        for pid in self.servers():
            if pid != self.process.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it and all that runs below it."""
        self.thaw()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(READY_S)
        if self.home is not None:
            shutil.rmtree(self.home, ignore_errors=True)


def start(folder: Path, *, user: str | None = None, keys: Path | None = None, extra: str = "") -> Sshd:
    """Start a server that lets ``user`` in (default: whoever runs the tests) and wait for its banner.

    A normal user for tests that run as root exists only inside the server's own mount namespace, where another
    file lies over /etc/passwd; where that is not allowed, an account of the machine with a shell has to do.
    """
    keys = keys or folder
    identity, host_key = new_key(keys, "id"), new_key(keys, "host")
    authorized = folder / "authorized_keys"
    authorized.write_text(identity.with_name(f"{identity.name}.pub").read_text())
    before, login, home = _way_in(folder, user)
    port, log = free_port(), folder / "sshd.log"
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host_key}\n{_who_may_log_in(authorized)}"
        "PidFile none\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "PermitRootLogin prohibit-password\nUsePAM no\nPrintMotd no\nLogLevel VERBOSE\nMaxStartups 100\n"
        "SetEnv SHLVL=5\n"  # bash takes it for a nested shell and leaves the person's slow ~/.bashrc alone
        f"AllowTcpForwarding yes\nSubsystem sftp internal-sftp\n{extra}"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it when it is root
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*DIE_WITH_US, *before, SSHD, "-D", "-e", "-f", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,
        )
    server = Sshd(folder, login, identity, host_key, port, log, process, home)
    try:
        wait_for_banner(port, process, log)
    except BaseException:
        server.stop()
        raise
    return server


@contextlib.contextmanager
def running(folder: Path, **options: object) -> Iterator[Sshd]:
    """A server for the length of the block."""
    server = start(folder, **options)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.stop()


def playing_board(folder: Path) -> str:
    """Lines for ``extra``: the locks and the lease of a board of its own, in ``folder``, and runs that are no services;
    its kernel's files are those of a board that is fit to be measured on.

    Of several SetEnv, sshd takes the first alone, but one in a Match block before it.
    """
    own = f"RKFLEET_BOARD_LOCK={folder}/board.lock RKFLEET_LEASE={folder}/lease RKFLEET_WAY=setsid"
    own += f" RK_SYSROOT={fit_board(folder / 'kernel')}"
    return f"Match all\nSetEnv SHLVL=5 {own}\n"


def fit_board(root: Path) -> Path:
    """A tree that ``facts.sh`` finds a healthy RK3588 in; the time and the boot are this machine's."""
    clock = {"governor": "performance", "cur_freq": "1000000000", "available_governors": "performance"}
    pages = {
        "etc/os-release": "ID=debian",
        "dev/dri/renderD129": "",
        "opt/rkllm/lib/librkllmrt.so": "rkllm-runtime version: 1.2.3",
        "sys/module/rknpu/version": "0.9.8",
        "sys/class/thermal/thermal_zone0/type": "soc-thermal",
        "sys/class/thermal/thermal_zone0/temp": "40000",
        "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "performance",
        "proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 7600000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB",
        **{
            f"sys/class/devfreq/{node}/{name}": text for node in ("dmc", "fdab0000.npu") for name, text in clock.items()
        },
    }
    for name, text in pages.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    (root / "dev/dri/renderD129").chmod(0o666)
    for name in ("uptime", "loadavg", "sys"):
        (root / "proc" / name).symlink_to(Path("/proc") / name)
    return root


def wait_for_banner(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until ``SSH-2.0-…`` is sent; a server that ended says why in its log."""
    deadline = Deadline.after(READY_S)
    while not deadline.expired:
        if process.poll() is not None:
            raise RuntimeError(f"sshd ended with {process.returncode}: {log.read_text()}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=deadline.left_s) as sock:
                if sock.recv(8).startswith(b"SSH-"):
                    return
        except OSError:
            select.select([], [], [], 0.01)  # nobody tells us when it listens: ask again
    raise RuntimeError(f"sshd sends no banner: {log.read_text()}")


def _who_may_log_in(authorized: Path) -> str:
    """Read by root when we are root: the user who logs in may not be able to look into our temporary folders."""
    if os.getuid() != 0:
        return f"AuthorizedKeysFile {authorized}\n"
    cat = f"AuthorizedKeysCommand {shutil.which('cat')} {authorized}\nAuthorizedKeysCommandUser root\n"
    return f"AuthorizedKeysFile none\n{cat}"


def _way_in(folder: Path, user: str | None) -> tuple[list[str], str, Path | None]:
    """The words to put before sshd, the account to log in to ("normal" is any but root) and its own home."""
    me = pwd.getpwuid(os.getuid())
    if user != "normal" or me.pw_uid != 0:
        return [], me.pw_name, None
    home = Path(tempfile.mkdtemp(prefix="rkfleet-home-"))
    passwd = folder / "passwd"
    passwd.write_text(Path("/etc/passwd").read_text() + f"{PRIVATE_USER}:x:54321:54321::{home}:/bin/sh\n")
    passwd.chmod(0o644)
    os.chown(home, 54321, 54321)
    enter = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', str(passwd)]
    if subprocess.run([*enter, "true"], capture_output=True, timeout=20).returncode == 0:
        return enter, PRIVATE_USER, home
    home.rmdir()
    shells = Path("/etc/shells").read_text().split() if Path("/etc/shells").exists() else []
    for entry in pwd.getpwall():
        if entry.pw_uid >= 1000 and entry.pw_shell in shells:
            return [], entry.pw_name, None
    raise NoSuchUser("no mount namespace is allowed here, and no account but root has a shell")


def _children(pid: int) -> list[int]:
    found = []
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    for child in map(int, text.split()):
        found += [child, *_children(child)]
    return found


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def base64_of(key: HostKey) -> str:
    """The key as it stands in a known_hosts line."""
    return base64.b64encode(key.blob).decode()
