"""Vouching for a board's host key: a person compares a fingerprint, or a program names the one it expects.

Nothing is trusted by being seen first. What a server offers is shown beside what was trusted before; the answer is
yes, or the exact fingerprint where nobody can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fleet import defaults
from fleet.deadline import Deadline
from fleet.errors import ConfigError, HostKeyChanged
from fleet.ssh.endpoint import SSH_PORT, Endpoint
from fleet.ssh.host_keys import HostKey, HostKeys, host_key_name
from fleet.ssh.scan import offered_by

Ask = Callable[[str], bool]


@dataclass(frozen=True)
class Offer:
    """What a server shows at one address, and what was trusted there before."""

    name: str
    address: str
    port: int
    offered: tuple[HostKey, ...]
    trusted: tuple[HostKey, ...]

    @property
    def known(self) -> bool:
        """Nothing is new: every key that it offers is trusted already."""
        return bool(self.offered) and set(self.offered) <= set(self.trusted)

    @property
    def changed(self) -> bool:
        """A key was trusted here, and it is not among those that are offered now."""
        return bool(self.trusted) and not set(self.offered) & set(self.trusted)

    def text(self) -> str:
        """For a person: old and new fingerprints, one a line."""
        lines = [f"{self.name} at {host_key_name(self.address, self.port)} offers"]
        lines += [f"  {key}" for key in self.offered]
        if self.trusted:
            lines += ["trusted until now", *(f"  {key}" for key in self.trusted)]
        return "\n".join(lines)


def look(endpoint: Endpoint, keys: HostKeys) -> Offer:
    """Read the keys of a server without logging in there, behind its jump hosts too. Raises Unreachable."""
    port = endpoint.port or SSH_PORT
    offered = offered_by(endpoint, keys, Deadline.after(defaults.CONNECT_S))
    return Offer(endpoint.name, endpoint.address, port, offered, keys.trusted(endpoint.address, port))


def accept(offer: Offer, keys: HostKeys, *, fingerprint: str = "", rotate: bool = False, ask: Ask | None = None) -> str:
    """Trust what is offered, if ``fingerprint`` or the answer to ``ask`` says so; returns what was done, in words.

    Raises HostKeyChanged for a changed key without ``rotate``, ConfigError for a wrong fingerprint, for a no, and
    where neither a fingerprint nor somebody to ask is there. Nothing is written then.
    """
    where = f"{offer.name} at {host_key_name(offer.address, offer.port)}"
    if offer.known:
        return f"{where} is trusted already: {_list(offer.offered)}"
    if offer.changed and not rotate:
        raise HostKeyChanged(
            f"the host key changed: trusted {_list(offer.trusted)}, offered {_list(offer.offered)}",
            board=offer.name,
            doing="trust",
            hint=f"invoke trust --board {offer.name} --rotate   (if it was re-flashed; else somebody is between)",
        )
    accepted = _vouched(offer, fingerprint, ask)
    if rotate:
        keys.replace(offer.address, offer.port, accepted)
    else:
        keys.add(offer.address, offer.port, accepted)
    return f"{where} is trusted now: {_list(accepted)}"


def _vouched(offer: Offer, fingerprint: str, ask: Ask | None) -> Sequence[HostKey]:
    if fingerprint:
        named = [key for key in offer.offered if key.fingerprint == fingerprint]
        if not named:
            raise ConfigError(
                f"{offer.name} offers {_list(offer.offered)}, not {fingerprint}; nothing was trusted",
                key="--fingerprint",
            )
        return named
    if ask is None:
        raise ConfigError(
            "there is no terminal to ask on",
            board=offer.name,
            doing="trust",
            hint=f"invoke trust --board {offer.name} --fingerprint {offer.offered[0].fingerprint}"
            "   (after comparing it on the board: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub)",
        )
    if not ask(f"{offer.text()}\nTrust it? Compare with the board's own screen. [yes/no] "):
        raise ConfigError("nothing was trusted", board=offer.name, doing="trust")
    return offer.offered


def _list(keys: Sequence[HostKey]) -> str:
    return ", ".join(str(key) for key in keys)
