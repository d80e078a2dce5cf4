"""Releases of the RKLLM runtime, in the order they came."""

from __future__ import annotations

import re

from analysis.constants import DEFAULT_RUNTIME, RUNTIMES, Constants

Release = tuple[int, int, int]
_RELEASE = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?")


def release_of(text: str | None) -> Release | None:
    """``1.2.3``, ``v1.2.3`` or ``1.2.1b1`` as numbers; None when it says nothing that can be ordered.

    A beta counts as its release: what it lacks nobody has written down.
    """
    matched = _RELEASE.match(text.strip()) if text else None
    return None if matched is None else (int(matched[1]), int(matched[2]), int(matched[3] or 0))


def constants_of(release: Release | None) -> Constants:
    """The constants of the newest fitted release up to this one; for what is older than all, those of the oldest."""
    wanted = release or DEFAULT_RUNTIME
    known = [one for one in RUNTIMES if one <= wanted]
    return RUNTIMES[max(known) if known else min(RUNTIMES)]
