"""What all verbs share: the decorator, the options that are the same everywhere, and how a verb ends.

A verb parses its options, calls one function and hands the result to a writer. Everything heavy is imported inside,
so that ``--list`` and ``--help`` are instant. Results go to stdout, progress and messages to stderr. Exit codes:
0 good, 1 the work failed, 2 usage or configuration, 3 verdict, 4 unreachable, 130 interrupted, 143 terminated.

Ctrl-C and TERM (`systemctl stop`) unwind a verb in the same way, as KeyboardInterrupt, so that leases are given back.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Exit, task

if TYPE_CHECKING:
    from fleet.errors import FleetError
    from fleet.session import Session

PROJECT = Path(__file__).resolve().parents[1]
_ON_INTERRUPT = signal.getsignal(signal.SIGINT)  # of whoever started us: a job in the background does not hear it
_ON_TERMINATE = signal.getsignal(signal.SIGTERM)
_stopped_by = signal.SIGINT  # the last signal that unwinds the verb

BOARD = "names, patterns 'rk3588-[a-d]', '@group', '!exclusion'; repeatable or comma separated; default all"
FORMAT = "table, json, csv or md"


def verb(help: dict[str, str] | None = None, positional: Sequence[str] = (), **options: Any) -> Callable[[Any], Any]:
    """An Invoke task whose errors are a message and an exit code; a traceback is a bug of ours."""

    def wrap(body: Callable[..., None]) -> Any:
        @functools.wraps(body)
        def guarded(*args: Any, **kwargs: Any) -> None:
            signal.signal(signal.SIGINT, _ON_INTERRUPT)
            if _ON_TERMINATE is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, _terminate)
            try:
                from analysis.errors import AnalysisError
                from fleet.errors import FleetError

                body(*args, **kwargs)
            except KeyboardInterrupt:  # first: it may come before the names of the others are known
                raise stopped("terminated" if _stopped_by == signal.SIGTERM else "interrupted") from None
            except (FleetError, AnalysisError) as error:
                raise Exit(error.message(), code=int(error.exit_code)) from None
            except BrokenPipeError:
                # `invoke parse … | head`: nobody listens any more, and Python would say so at its end
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise Exit(code=0) from None
            finally:
                # The result is out. Ctrl-C while Python cleans up behind it would make a signal of the exit code.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, _ON_TERMINATE)

        return task(auto_shortflags=False, help=help or {}, positional=list(positional), **options)(guarded)

    return wrap


def stopped(message: str | None = None) -> Exit:
    """The end of a verb that a signal unwound: 130 by Ctrl-C, 143 by TERM, as shells say of a program that it ended."""
    return Exit(message, code=128 + _stopped_by)


def _terminate(_number: int, _frame: object) -> None:
    global _stopped_by
    _stopped_by = signal.SIGTERM
    raise KeyboardInterrupt


def headline(folder: Path) -> str:
    """What an ended run gave, in a few words."""
    from analysis import reading

    return reading.headline(folder)


def open_session() -> Session:
    """The inventory and the folders of the home that we are called in. Raises ConfigError."""
    from fleet.session import Session

    return Session.open(PROJECT)


def stderr() -> Any:
    """Where progress and messages go, as rich's console."""
    from rich.console import Console

    return Console(stderr=True)


def finish(errors: Iterable[FleetError | None], failed: bool = False) -> None:
    """Say what went wrong where, then leave with the worst of it."""
    from fleet.errors import ExitCode, worst

    found = [error for error in errors if error is not None]
    for error in found:
        print(error.message(), file=sys.stderr)
    leave(int(worst([error.exit_code for error in found] + ([ExitCode.FAILED] if failed else []))))


def leave(code: int) -> None:
    """End with this exit code."""
    if code:
        raise Exit(code=code)


def width() -> int:
    """Columns of the terminal, or as ``COLUMNS`` says; 0 in a pipe, where a table is as wide as it gets."""
    import shutil

    return shutil.get_terminal_size(fallback=(0, 0)).columns
