"""Links from a workbook to the raw logs: the only links that a workbook has, and every one of them is of our making."""

from __future__ import annotations

import os
from pathlib import Path

from xlsxwriter.url import Url

from analysis.runs import Run
from analysis.text import spreadsheet

LINKS = 65_000  # Excel has no more than 65,530 on a sheet


class LogLink(Url):  # type: ignore[misc]
    """A link to a file with slashes: XlsxWriter writes backslashes, which only Windows follows."""

    def _target(self) -> str:
        return str(super()._target()).replace("\\", "/")


def log_link(run: Run, folder: Path) -> LogLink | None:
    """The log as seen from a workbook in ``folder``; None where a name in it is not one that we would give."""
    if run.log_file is None or run.log is None:
        return None
    relative = Path(os.path.relpath(run.log_file.absolute(), folder.absolute())).as_posix()
    harmless = relative.isascii() and relative.isprintable() and not set(relative) & set('#?%"<>|:*\\')
    if not harmless or len(relative) >= 1000:
        return None
    link = LogLink(f"external:{relative}")
    link.text = spreadsheet(run.log)
    return link
