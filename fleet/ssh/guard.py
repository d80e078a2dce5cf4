"""Every command on a board runs under a guard: a few lines of POSIX sh that come with it, so one round trip
is enough.

The guard prints a mark that nobody can guess on both streams before anything else, so what a login shell
prints on its own is told apart from the command's output. It starts the command under ``timeout`` in a
process group of its own, kills what is left of the group when the command ends, and after a timeout looks
in /proc whether the group is really gone (a process that waits in the NPU driver does not die of KILL)
before it says ``dead``. What must outlive the command has to start its own session (``setsid``).

It ends after its input does: sshd takes a packet for a channel that is gone as an attack and ends the connection,
with all that others do on it, so our end of input must not come later than the end of the command.

The login shell has to understand quoted words and ``exec``, no more.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from fleet import defaults
from fleet.ssh.command import Raw, encoded, quote

_SCRIPT = f"""\
mark=$1 limit=$2; shift 2
printf '%s\\n' "$mark"; printf '%s\\n' "$mark" >&2
if command -v timeout >/dev/null 2>&1; then set -- timeout -k {defaults.KILL_AFTER_S} "$limit" "$@"; fi
exec 3<&0
"$@" <&3 3<&- &
pid=$!
exec </dev/null
trap 'kill "$pid" 2>/dev/null' HUP INT TERM
wait "$pid"; rc=$?
while kill -0 "$pid" 2>/dev/null; do wait "$pid"; rc=$?; done
kill -9 "-$pid" 2>/dev/null
gone() {{
    for stat in /proc/[0-9]*/stat; do
        read -r line 2>/dev/null <"$stat" || continue
        set -- ${{line##*) }}
        [ "$3" = "$pid" ] || continue
        case $1 in [ZX]) ;; *) return 1 ;; esac
    done
}}
case $rc in 124 | 137 | 143)
    word=dead tries=0
    until gone; do
        tries=$((tries + 1))
        [ "$tries" -le 5 ] || {{ word=alive; break; }}
        sleep 0.1 2>/dev/null || sleep 1
    done
    printf '%s %s\\n' "$mark" "$word" >&2 ;;
esac
read -r line <&3 2>/dev/null && cat <&3 >/dev/null 2>&1
exit "$rc"
"""


def new_mark() -> bytes:
    """A line that no login shell prints by chance."""
    return b"rkfleet-" + secrets.token_hex(8).encode()


def guarded(argv: Sequence[str], *, mark: bytes, limit_s: int) -> bytes:
    """The line for the login shell: ``argv`` under the guard, dead on the board after ``limit_s``."""
    return encoded(quote([Raw("exec"), "sh", "-c", _SCRIPT, "rkfleet", mark.decode(), str(limit_s), *argv]))


class Skip:
    """Passes on what comes after the mark's line; ``noise`` is what came before it, the end of it."""

    def __init__(self, mark: bytes, keep_bytes: int = 4096) -> None:
        self._line = mark + b"\n"
        self._keep_bytes = max(keep_bytes, len(self._line))
        self.noise = b""
        self.seen = False

    def feed(self, data: bytes) -> bytes:
        """The part of ``data`` that is the command's own."""
        if self.seen:
            return data
        self.noise, found, rest = (self.noise + data).partition(self._line)
        self.seen = bool(found)
        if not found:
            self.noise = self.noise[-self._keep_bytes :]
        return rest


def last_word(stderr: bytes, mark: bytes) -> tuple[bytes, bool | None]:
    """``stderr`` without the guard's last line; is the command's group dead, or None where it did not say."""
    for word, dead in ((b" dead\n", True), (b" alive\n", False)):
        before, found, after = stderr.rpartition(mark + word)
        if found:
            return before + after, dead
    return stderr, None
