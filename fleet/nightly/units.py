"""Who starts a night: a timer of systemd, a line of crontab where there is no systemd; both twice is both once.

The user's own systemd where a user installs it, the machine's where root does. What is written is a pure function of
a ``Timer``, so that it can be shown before; a path that a unit or a crontab can not hold is refused.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet import defaults
from fleet.errors import ConfigError, FleetError
from fleet.evidence import write_file

NAME = "rkfleet-nightly"
MARK = f"# {NAME}"


@dataclass(frozen=True)
class Timer:
    """``command`` is run in ``home`` every day at ``at`` (``02:00``); ``secrets`` is a file with the addresses of who
    is told, need not exist, and is read by whoever starts it."""

    command: tuple[str, ...]
    home: Path
    at: str
    secrets: Path

    def __post_init__(self) -> None:
        for text in (*self.command, str(self.home), str(self.secrets)):
            if not text.isprintable():
                raise ConfigError(f"{text!r} can not be written into a unit or a crontab", key="--install")


@dataclass(frozen=True)
class Systemd:
    """One manager: ``--user``'s or the machine's."""

    folder: Path
    words: tuple[str, ...]  # of systemctl, before its verb

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return _called(["systemctl", *self.words, *words])


def units(timer: Timer, *, system: bool) -> dict[str, str]:
    """The files, by name."""
    user = ["User=root"] if system else []
    service = [
        "[Unit]",
        "Description=Measure the RK3588 boards",
        "StartLimitIntervalSec=1h",
        "StartLimitBurst=5",
        "",
        "[Service]",
        "Type=oneshot",
        *user,
        f"WorkingDirectory={_specifiers(str(timer.home))}",
        f"EnvironmentFile=-{_specifiers(str(timer.secrets))}",
        "ExecStart=" + " ".join(map(_word, timer.command)),
        "# The runs are detached on the boards, so ending this loses nothing; what was killed goes on where it was.",
        "# On stop it gives the boards back, with the programs that it has started: these are ended after it.",
        "KillMode=mixed",
        f"SuccessExitStatus={128 + signal.SIGTERM}",
        "Restart=on-abnormal",
        "RestartSec=60",
        "",
    ]
    when = [
        "[Unit]",
        "Description=Measure the RK3588 boards every night",
        "",
        "[Timer]",
        "# Not persistent: a night that the workstation slept through is not made up for in the day.",
        f"OnCalendar=*-*-* {timer.at}:00",
        "",
        "[Install]",
        "WantedBy=timers.target",
        "",
    ]
    return {f"{NAME}.service": "\n".join(service), f"{NAME}.timer": "\n".join(when)}


def crontab_line(timer: Timer) -> str:
    """One line; cron takes a bare % for the end of it."""
    hour, minute = timer.at.split(":")
    secrets, home = shlex.quote(str(timer.secrets)), shlex.quote(str(timer.home))
    read = f"set -a; [ ! -r {secrets} ] || . {secrets}; set +a"
    log = "nightly/cron.log"
    command = f"cd {home} && mkdir -p nightly && {{ {read}; {shlex.join(timer.command)} >>{log} 2>&1; }}"
    return f"{int(minute)} {int(hour)} * * * {command.replace('%', chr(92) + '%')} {MARK}"


def install(timer: Timer, environment: Mapping[str, str], *, dry_run: bool = False) -> list[str]:
    """Write and start it, or say what would be written; returns what was done, for a person. Raises FleetError."""
    manager = systemd(environment)
    if manager is not None:
        files = units(timer, system=not manager.words)
        for name, text in files.items():
            _refuse_other(manager.folder / name, text)
        if dry_run:
            return [line for name, text in files.items() for line in (f"{manager.folder / name}:", text)]
        written = [name for name, text in files.items() if _written(manager.folder / name, text)]
        for words in (("daemon-reload",), ("enable", "--now", f"{NAME}.timer")):
            _check(manager.call(*words), " ".join(("systemctl", *manager.words, *words)))
        told = [f"wrote {manager.folder / name}" for name in written] or ["nothing has changed"]
        told.append(f"every night at {timer.at}; try it now: {_systemctl(manager)} start {NAME}")
        if manager.words:
            told.append("so that it also runs when nobody is logged in: sudo loginctl enable-linger $USER")
        return told
    line = crontab_line(timer)
    if dry_run:
        return ["crontab:", line]
    if shutil.which("crontab") is None:
        raise FleetError("there is neither systemd nor crontab here", doing="install", hint=f"have it started: {line}")
    before = _crontab()
    after = [one for one in before if not one.endswith(MARK)] + [line]
    if before != after:
        _put_crontab(after)
    return ["nothing has changed" if before == after else "added to the crontab:", line]


def uninstall(environment: Mapping[str, str], *, dry_run: bool = False) -> list[str]:
    """Take away whatever ``install`` has brought; what goes on now goes on to its end."""
    told = []
    manager = systemd(environment)
    if manager is not None:
        there = [path for end in ("timer", "service") if (path := manager.folder / f"{NAME}.{end}").exists()]
        told += [f"{'would remove' if dry_run else 'removed'} {path}" for path in there]
        if there and not dry_run:
            manager.call("disable", "--now", f"{NAME}.timer")  # may be half gone already
            for path in there:
                path.unlink()
            _check(manager.call("daemon-reload"), "systemctl daemon-reload")
    if shutil.which("crontab") is not None:
        before = _crontab()
        after = [one for one in before if not one.endswith(MARK)]
        if before != after:
            told.append(f"{'would remove' if dry_run else 'removed'} the line from the crontab")
            if not dry_run:
                _put_crontab(after)
    return told or ["nothing was installed"]


def systemd(environment: Mapping[str, str]) -> Systemd | None:
    """The manager that would run our units; None where there is none that answers."""
    root = os.geteuid() == 0
    config = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    usual = "/etc/systemd/system" if root else f"{config}/systemd/user"
    folder = (environment.get("SYSTEMD_UNIT_PATH") or usual).split(":")[0]
    manager = Systemd(Path(folder), () if root else ("--user",))
    if shutil.which("systemctl") is None or manager.call("show-environment").returncode != 0:
        return None
    return manager


def _systemctl(manager: Systemd) -> str:
    return " ".join(("systemctl", *manager.words))


def _written(path: Path, text: str) -> bool:
    if path.exists() and path.read_text() == text:
        return False
    try:
        write_file(path, text.encode())
        path.chmod(0o644)
    except OSError as error:
        raise FleetError(f"can not write {path}: {error.strerror}", doing="install") from None
    return True


def _refuse_other(path: Path, text: str) -> None:
    """Two homes would take turns in overwriting one unit."""

    def home(of: str) -> str:
        return "".join(re.findall(r"^WorkingDirectory=.*$", of, re.MULTILINE))

    if path.exists() and home(path.read_text()) != home(text):
        there = home(path.read_text()).partition("=")[2]
        raise ConfigError(f"{path} is there already, for {there}", key="--install", hint="invoke nightly --uninstall")


def _crontab() -> list[str]:
    done = _called(["crontab", "-l"])
    if done.returncode != 0 and "no crontab" not in done.stderr.lower():
        _check(done, "crontab -l")  # what can not be read must not be written over
    return done.stdout.splitlines() if done.returncode == 0 else []


def _put_crontab(lines: list[str]) -> None:
    _check(_called(["crontab", "-"], "".join(f"{line}\n" for line in lines)), "crontab -")


def _called(argv: list[str], given: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, input=given, capture_output=True, text=True, timeout=defaults.COMMAND_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(argv, 1, "", str(error))


def _check(done: subprocess.CompletedProcess[str], what: str) -> None:
    if done.returncode != 0:
        raise FleetError(f"{what} ended with {done.returncode}: {done.stderr.strip()}", doing="install")


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """As a unit's command line quotes it."""
    for mark, escaped in (("\\", "\\\\"), ('"', '\\"'), ("$", "$$"), ("%", "%%")):
        text = text.replace(mark, escaped)
    return f'"{text}"'
