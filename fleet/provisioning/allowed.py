"""The operations that a playbook may name: some of pyinfra's modules, and our own.

What runs code on this workstation, fetches from a board, or goes around our connection is left out, each with the
reason that a person reads who tries. A module that is not listed is refused for that alone.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typeguard import TypeCheckError, check_type

from fleet.playbook import FURTHER, Allowed, Known, Values

PYINFRA = ("apt", "crontab", "files", "git", "server", "systemd")
OURS = ("clocks", "debian", "limits", "models", "npu", "rkllm")

# Modules and single operations; the reason ends the sentence "… may not be used in a playbook: …".
REFUSED = {
    "python": "it runs code on this workstation",
    "local": "it runs commands on this workstation",
    "files.get": "it writes what a board sends to this workstation; `invoke collect` brings evidence",
    "files.rsync": "it makes a connection of its own; files.sync and `invoke push` use ours",
    "files.template": "its file is a program that would run on this workstation; use files.put or files.line",
    "server.script_template": "its file is a program that would run on this workstation; use server.script",
    "server.reboot": "a board that starts anew has lost the lease that it is worked on under",
    "server.wait": "what it waits for has no end; use server.shell with unless",
    "server.kill": "a process id means nothing on the next run; use systemd.service",
    "ssh": "it makes connections from board to board",
    "docker": "it is not on the list of modules",
}
LOCAL_FILES = {"files.put": ("src",), "files.sync": ("src",), "server.script": ("src",)}


@functools.cache
def allowed() -> Allowed:
    """The list; imports pyinfra, which takes half a second."""
    operations: dict[str, Known] = {}
    for package, modules in (("pyinfra.operations", PYINFRA), ("fleet.provisioning.operations", OURS)):
        for short in modules:
            module = importlib.import_module(f"{package}.{short}")
            for name, function in vars(module).items():
                inner = getattr(function, "_inner", None)
                dotted = f"{short}.{name}"
                if inner is not None and inner.__module__ == module.__name__ and dotted not in REFUSED:
                    operations[dotted] = _known(dotted, inner, module)
    return Allowed(operations, REFUSED)


def function_of(name: str) -> Callable[..., Any]:
    """The operation itself, to be called in the context of a host. ``name`` is one of ``allowed()``."""
    short, _, operation = name.partition(".")
    package = "fleet.provisioning.operations" if short in OURS else "pyinfra.operations"
    function: Callable[..., Any] = getattr(importlib.import_module(f"{package}.{short}"), operation)
    return function


def _known(name: str, inner: Any, module: Any) -> Known:
    signature = inspect.signature(inner)
    try:
        hints = typing.get_type_hints(inner)
    except NameError:  # a type that is imported for type checkers only: unknown here, and then not checked
        hints = {}
    checks = getattr(module, "CHECKS", {})
    operation = name.partition(".")[2]
    return Known(
        name,
        signature,
        functools.partial(_misfit, hints),
        idempotent=bool(inner.is_idempotent),
        files=LOCAL_FILES.get(name, ()) + getattr(module, "FILES", {}).get(operation, ()),
        check=checks.get(operation, functools.partial(_files_are_here, LOCAL_FILES.get(name, ()))),
    )


def _misfit(hints: dict[str, Any], argument: str, value: object) -> str:
    expected = FURTHER.get(argument) or hints.get(argument)
    if expected is None:
        return ""
    if expected is int and isinstance(value, bool):
        return "a whole number"
    try:
        check_type(value, expected)
    except TypeCheckError:
        return _in_words(expected)
    return ""


_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}


def _in_words(kind: Any) -> str:
    origin = typing.get_origin(kind)
    if origin is list:
        inner = typing.get_args(kind)
        return f"a list of {_in_words(inner[0])}" if inner else "a list"
    if origin is dict:
        return "a mapping"
    if origin is not None or hasattr(kind, "__args__"):
        parts = [_in_words(one) for one in typing.get_args(kind) if one is not type(None)]
        return " or ".join(dict.fromkeys(parts))
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))


def _files_are_here(files: tuple[str, ...], arguments: Values) -> str:
    """pyinfra would notice when it is about to send the file; then boards have been touched."""
    lacking = (str(arguments[key]) for key in files if key in arguments and not Path(str(arguments[key])).exists())
    return next((f"there is no file {path}\nput it into the folder of your inventory" for path in lacking), "")
