"""The SSH connection that all calls to one board share: made at first use, replaced when it is dead.

A connection that somebody gave up on is *retired*: calls that still use it go on, new ones get another, and
the last to leave closes it.
"""

from __future__ import annotations

import random
import shlex
import threading

from paramiko import Channel, SSHException
from paramiko.ssh_exception import ChannelException

from fleet import defaults
from fleet.deadline import Deadline
from fleet.errors import FleetError, Unreachable
from fleet.ssh.endpoint import Endpoint
from fleet.ssh.host_keys import HostKeys
from fleet.ssh.secure_fabric import SafeConnection
from fleet.ssh.ssh_errors import not_reached
from fleet.ssh.watchdog import WATCHDOG, later

CONNECT = "connect"
_NO_ROOM = (2, 4)  # "connect failed" is what OpenSSH says beyond MaxSessions; a resource shortage


class Link:
    """One SSH connection with the number of calls that use it."""

    def __init__(self, connection: SafeConnection) -> None:
        self.connection = connection
        self.users = 0
        self.retired = False


class Links:
    """Hands out channels to one board; threads may share it."""

    def __init__(
        self, endpoint: Endpoint, host_keys: HostKeys, *, connect_s: float, open_s: float, dead_peer_s: float
    ) -> None:
        self._endpoint = endpoint
        self._host_keys = host_keys
        self._connect_s = connect_s
        self._open_s = open_s
        self._dead_peer_s = dead_peer_s
        self._connecting = threading.Lock()  # held while one thread connects for all
        self._lock = threading.Lock()  # held for a moment, around _link and its count
        self._link: Link | None = None
        self._given_up = False

    def connection(self) -> SafeConnection:
        """A connection that is not made yet: who, where and how, with ~/.ssh/config looked up."""
        return SafeConnection(self._endpoint, self._host_keys, dead_peer_s=self._dead_peer_s)

    def channel(self, deadline: Deadline) -> tuple[Link, Channel]:
        """A new channel and its link, to be left by ``leave``. Raises ``Unreachable``; nothing has run then."""
        link, fresh = self._join(deadline)
        try:
            return link, self._session(link, deadline)
        except (FleetError, EOFError) as error:
            self.leave(link)
            if fresh or not isinstance(error, EOFError):
                raise self._told(error, link.connection) from error
        link, _ = self._join(deadline)  # it had died while nobody looked: once more, on a new one
        try:
            return link, self._session(link, deadline)
        except (FleetError, EOFError) as error:
            self.leave(link)
            raise self._told(error, link.connection) from error

    def leave(self, link: Link) -> None:
        """The call that got the link is over."""
        with self._lock:
            link.users -= 1
            last = link.retired and link.users == 0
        if last:
            link.connection.close()

    def retire(self, link: Link | None = None) -> None:
        """Let no new call use ``link``, or whatever link there is."""
        with self._lock:
            link = link or self._link
            if link is None:
                return
            link.retired = True
            if self._link is link:
                self._link = None
            unused = link.users == 0
        if unused:
            link.connection.close()

    def give_up(self) -> None:
        """End the connection under whatever calls wait on it, and make no other; all calls fail from now on."""
        with self._lock:
            self._given_up = True
            link = self._link
        self.retire()
        if link is not None:
            link.connection.cut()

    def _session(self, link: Link, deadline: Deadline) -> Channel:
        """A channel on the link; EOFError when the connection turned out to be dead."""
        until = deadline.cap(self._open_s)
        while True:
            try:
                return self._ask(link, until)
            except ChannelException as error:  # alive, and it has an opinion
                if error.code not in _NO_ROOM or until.left_s < defaults.ROOM_PAUSE_S + defaults.ROOM_ANSWER_S:
                    raise self._told(error, link.connection) from error
                _pause(defaults.ROOM_PAUSE_S)

    def _ask(self, link: Link, until: Deadline) -> Channel:
        transport = link.connection.transport
        with WATCHDOG.limit(later(until, 0.5), link.connection.cut) as watch:
            try:
                channel: Channel = transport.open_session(timeout=until.left_s)
                return channel
            except ChannelException:
                raise
            except Exception as error:  # the reader thread's own, whatever the server sent
                if transport.is_active() and str(error) == "Unable to open channel.":
                    raise ChannelException(_NO_ROOM[0], "no room") from error  # another thread was told why
                self.retire(link)
                if watch.fired or until.expired or "Timeout" in str(error):
                    raise self._told(TimeoutError(), link.connection) from error
                raise EOFError from error

    def _join(self, deadline: Deadline) -> tuple[Link, bool]:
        """The link, counted as used, and whether it was made just now."""
        until = deadline.cap(self._connect_s)
        if not self._connecting.acquire(timeout=until.left_s):
            raise self._told(TimeoutError(), self.connection())
        try:
            with self._lock:
                link = self._link
                if link is not None and link.connection.is_connected:
                    link.users += 1
                    return link, False
            self.retire()
            if self._given_up:
                raise Unreachable("given up", board=self._endpoint.name, doing=CONNECT)
            link = Link(self._connect(until))
            link.users = 1
            with self._lock:
                self._link = link
                given_up = self._given_up
            if given_up:
                self.leave(link)
                self.retire(link)
                raise Unreachable("given up", board=self._endpoint.name, doing=CONNECT)
            return link, True
        finally:
            self._connecting.release()

    def _connect(self, until: Deadline) -> SafeConnection:
        pause_s = defaults.CONNECT_PAUSE_S
        for attempt in range(1, defaults.CONNECT_TRIES + 1):
            connection = self.connection()
            with WATCHDOG.limit(until, connection.cut) as watch:
                try:
                    connection.open_within(until)
                    return connection
                except Exception as error:  # paramiko hands on whatever its reader thread died of
                    problem = error
            failed = next((hop for hop in reversed(connection.hops()) if not hop.is_connected), connection)
            connection.close()
            if not isinstance(problem, FleetError) and (watch.fired or until.expired):
                problem = TimeoutError()
            if attempt == defaults.CONNECT_TRIES or not _hung_up(problem):
                raise self._told(problem, failed) from problem
            _pause(min(pause_s * (1 + random.random()), until.left_s))
            pause_s *= 2
        raise AssertionError("the last attempt returns or raises")

    def _told(self, problem: BaseException, at: SafeConnection) -> FleetError:
        port = "" if at.port == 22 else f"-p {at.port} "
        hint = f"ssh -v {port}{shlex.quote(f'{at.user}@{at.host}')} true"
        where = at.where
        if isinstance(at.gateway, SafeConnection):
            where += f" (through {at.gateway.where})"
            if isinstance(problem, ChannelException) and not at.is_connected:
                said = f"{at.gateway.where} does not get through to {at.where}: {problem.text}"
                return Unreachable(said, board=self._endpoint.name, doing=CONNECT, hint=hint)
        return not_reached(problem, board=self._endpoint.name, doing=CONNECT, where=where, hint=hint)


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def _hung_up(problem: Exception) -> bool:
    """Did the server close before the login: what a busy sshd does to newcomers (MaxStartups)."""
    if isinstance(problem, SSHException):
        return "protocol banner" in str(problem)
    return isinstance(problem, EOFError | ConnectionResetError | BrokenPipeError)
