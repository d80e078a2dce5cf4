"""Who is told of a night: addresses from the environment, and from nowhere else, told through apprise where it is.

An address of apprise has a password in it. It is taken out of the environment at the start, so that no program that
we start inherits it, is in no text that this module makes, and goes to apprise through a pipe to a process of its
own: what that process says is never shown, for a library that fails may quote what it was given.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass

from fleet import defaults

VARIABLE = "RKFLEET_NOTIFY_URLS"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30})://")

_SENDER = """
import json, sys
import apprise
asked = json.load(sys.stdin)
failed = []
for place, url in enumerate(asked["urls"]):
    told = apprise.Apprise()
    if not (told.add(url) and told.notify(title=asked["title"], body=asked["body"], body_format="markdown")):
        failed.append(place)
json.dump(failed, sys.stdout)
"""


@dataclass(frozen=True, repr=False)
class Addresses:
    """Where to send to. Shows itself as the kinds of service, and as nothing else of it."""

    urls: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """``mailtos://…``: the scheme of each."""
        return tuple(f"{found[1]}://…" if (found := _SCHEME.match(url)) else "?" for url in self.urls)

    def __repr__(self) -> str:
        return f"Addresses({', '.join(self.kinds)})"


def take(environment: MutableMapping[str, str]) -> Addresses:
    """The addresses, with white space between them; they are in this environment no more."""
    return Addresses(tuple(environment.pop(VARIABLE, "").split()))


def tell(addresses: Addresses, title: str, body: str) -> str | None:
    """Send; what went wrong, in a sentence without secrets. Never raises for what the world does."""
    if not addresses.urls:
        return None
    if importlib.util.find_spec("apprise") is None:
        return (
            f"{VARIABLE} is set, and apprise is not installed: pip install --require-hashes -r requirements/notify.txt"
        )
    asked = json.dumps({"urls": addresses.urls, "title": title, "body": body})
    try:
        done = subprocess.run(
            [sys.executable, "-c", _SENDER], input=asked, capture_output=True, text=True, timeout=defaults.NOTIFY_S
        )
        failed = [addresses.kinds[place] for place in json.loads(done.stdout)]
    except subprocess.TimeoutExpired:
        return f"not sent within {defaults.NOTIFY_S:.0f} s to all of {', '.join(addresses.kinds)}"
    except (OSError, ValueError, TypeError, LookupError):
        return f"apprise ended without a word on {', '.join(addresses.kinds)}"
    return f"could not send to {', '.join(failed)}" if failed else None
