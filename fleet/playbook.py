"""What a provisioned board looks like, as a person wrote it: steps, each a pyinfra operation with its arguments.

    about: what it is for
    include: [base.yaml]                      steps that come first, of a playbook beside this one
    vars: {runtime: "1.2.3"}                  what ``{{ runtime }}`` means; whoever includes this may say otherwise
    steps:
      - name: the runtime library
        rkllm.runtime: {version: "{{ runtime }}", source: "vendor/rkllm-{{ runtime }}", folder: "{{ libraries }}"}
      - server.shell: {commands: [ldconfig]}
        unless: test -e /etc/ld.so.cache      shell text; the step is done where it fails

Everything here is decided before a board is touched: operations are on a list, their arguments fit their signature,
a step that can not tell by itself whether it is done has a guard, and no secret is in the file.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.config.validate import Problem, config_error, secret_key
from fleet.config.yaml_file import Document, Where, meant, name_of, read_yaml, shown
from fleet.errors import ConfigError

TOP = ("about", "include", "vars", "steps")
BESIDE = ("name", "unless")  # what a step may say beside its operation
FURTHER = {"_sudo": bool, "_chdir": str, "_env": dict[str, str], "_timeout": int, "_retries": int, "_retry_delay": int}
BOARD_VARS = ("board", "user", "home", "store", "llm_demo", "libraries")  # of the inventory and of the board itself

_VARIABLE = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*) *\}\}")
_BRACES = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml")
_SECRET_TEXT = re.compile(r"://[^/\s:@]*:[^/\s@]+@|\b(pass(word|wd|phrase)?|secret|token)=\S|PRIVATE KEY", re.I)

Values = Mapping[str, object]


@dataclass(frozen=True)
class Known:
    """An operation that a step may name. ``files``: its arguments that are paths of this workstation."""

    name: str
    signature: inspect.Signature
    fits: Callable[[str, object], str]  # argument and value; what was expected when it does not fit, else ""
    idempotent: bool = True
    files: tuple[str, ...] = ()
    check: Callable[[Values], str] = lambda _arguments: ""  # looks at local files; what is wrong, else ""


@dataclass(frozen=True)
class Allowed:
    """All that may be named. ``refused``: what there is and may not be named, and why; of a module by its name."""

    operations: Mapping[str, Known]
    refused: Mapping[str, str] = field(default_factory=dict)

    def why_not(self, name: str) -> str:
        """Why no step may name this."""
        module = name.partition(".")[0]
        reason = self.refused.get(name) or self.refused.get(module)
        if reason:
            return f"'{name}' may not be used in a playbook: {reason}"
        return f"there is no operation {shown(name)}; {meant(name, self.operations)}"


@dataclass(frozen=True)
class Step:
    """One step as it was written, and where."""

    document: Document
    where: Where
    name: str
    operation: str
    arguments: Values
    unless: str | None
    vars: Values  # as the whole of the playbooks says, not only this file

    @property
    def title(self) -> str:
        """What people see of it."""
        return self.name or self.operation

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.document.file}:{self.document.line(self.where)}"


@dataclass(frozen=True)
class Ready:
    """A step for one board: nothing in it has to be looked up any more."""

    step: Step
    number: int
    arguments: dict[str, Any]
    unless: str | None


@dataclass(frozen=True)
class Playbook:
    """All steps in order, those of included playbooks first."""

    file: str
    steps: tuple[Step, ...]


def load_playbook(path: Path, allowed: Allowed) -> Playbook:
    """The playbook in ``path`` and all that it includes. Raises ConfigError with everything that is wrong in a file."""
    read: list[tuple[Path, Document]] = []
    _read(path, read, ())
    values: dict[str, object] = {}
    for _, document in read:  # whoever includes comes later, and so wins
        values |= _section(document, "vars", dict)
    steps: list[Step] = []
    for _, document in read:
        found: list[Problem] = []
        steps += _steps(document, values, allowed, found)
        if found:
            raise config_error(document, found)
    if not steps:
        raise ConfigError("has no steps", file=name_of(path))
    return Playbook(name_of(path), tuple(steps))


def prepared(
    playbook: Playbook,
    allowed: Allowed,
    board: Values,
    local: Callable[[str], Path],
    *,
    missing: Mapping[str, str] | None = None,
) -> tuple[Ready, ...]:
    """The steps for a board about which ``board`` tells. Raises ConfigError when an argument does not fit.

    ``local`` finds a file of this workstation; ``missing`` says how to bring about a variable that has no value.
    """
    ready = []
    for number, step in enumerate(playbook.steps, 1):
        found: list[Problem] = []
        fill = _Fill({**step.vars, **board}, missing or {}, found)
        arguments = {
            key: fill.value(value, (*step.where, step.operation, key)) for key, value in step.arguments.items()
        }
        unless = fill.value(step.unless, (*step.where, "unless"))
        known = allowed.operations[step.operation]
        where = (*step.where, step.operation)
        if not found:
            for key, value in arguments.items():
                if key in known.files and isinstance(value, str):
                    arguments[key] = str(local(value))
            found += [Problem((*where, key), what) for key, what in _misfits(known, arguments)]
        if not found and (wrong := known.check(arguments)):
            what, _, hint = wrong.partition("\n")
            found.append(Problem(where, what, hint))
        if found:
            raise config_error(step.document, [Problem(one.where, _of(step, one.what), one.hint) for one in found])
        ready.append(Ready(step, number, arguments, None if unless is None else str(unless)))
    return tuple(ready)


def _read(path: Path, into: list[tuple[Path, Document]], above: tuple[Path, ...]) -> None:
    """This playbook after all that it includes; one that is included twice is done once."""
    if path in above:
        circle = " -> ".join(one.name for one in (*above[above.index(path) :], path))
        raise ConfigError(f"includes itself: {circle}", file=name_of(above[-1]), key="include")
    if any(path == other for other, _ in into):
        return
    document = read_yaml(path)
    problems = [Problem((key,), f"there is no such key; {meant(key, TOP)}") for key in document.data if key not in TOP]
    for at, name in enumerate(_section(document, "include", list)):
        if isinstance(name, str) and _FILE.fullmatch(name):
            if not (path.parent / name).is_file():
                near = sorted(other.name for other in path.parent.glob("*.yaml"))
                problems.append(Problem(("include", at), f"there is no {shown(name)} here; {meant(name, near)}"))
        else:
            what = f"{shown(name)} is not the file name of a playbook beside this one"
            problems.append(Problem(("include", at), what))
    for key, value in _section(document, "vars", dict).items():
        if key in BOARD_VARS:
            problems.append(Problem(("vars", key), "is what the inventory says of a board; choose another name"))
        elif not isinstance(value, str | int | float | bool):
            problems.append(Problem(("vars", key), f"{shown(value)} is not one word or number"))
        elif secret_key(key) or _is_secret(value):
            problems.append(Problem(("vars", key), _NO_SECRET))
    if problems:
        raise config_error(document, problems)
    for name in _section(document, "include", list):
        _read(path.parent / str(name), into, (*above, path))
    into.append((path, document))


_NO_SECRET = "a secret has no place in a playbook; boards are reached with a key, and sudo asks for no password"


def _section(document: Document, key: str, kind: type) -> Any:
    value = document.data.get(key)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        words = "a list" if kind is list else "a mapping"
        raise config_error(document, [Problem((key,), f"{shown(value)} is not {words}")])
    return value


def _steps(document: Document, values: Values, allowed: Allowed, found: list[Problem]) -> Iterator[Step]:
    for at, written in enumerate(_section(document, "steps", list)):
        where: Where = ("steps", at)
        if not isinstance(written, dict):
            found.append(Problem(where, f"{shown(written)} is not a step: an operation, and perhaps name and unless"))
            continue
        operations = [key for key in written if key not in BESIDE]
        if len(operations) != 1:
            what = f"a step names one operation; this one has {', '.join(operations) or 'none'}"
            found.append(Problem(where, what))
            continue
        (operation,) = operations
        arguments = written[operation]
        name, unless = written.get("name"), written.get("unless")
        step = Step(
            document,
            where,
            str(name or ""),
            operation,
            arguments if isinstance(arguments, dict) else {},
            unless,
            values,
        )
        problems: list[Problem] = []
        for key, value in (("name", name), ("unless", unless)):
            if key in written and (not isinstance(value, str) or not value.strip()):
                problems.append(Problem((*where, key), f"{shown(value)} is not text"))
        if not isinstance(arguments, dict | None):
            problems.append(Problem((*where, operation), f"{shown(arguments)} is not a mapping of arguments"))
        elif operation not in allowed.operations:
            problems.append(Problem((*where, operation), allowed.why_not(operation)))
        else:
            problems += _against(step, allowed.operations[operation])
        found += [Problem(one.where, _of(step, one.what), one.hint) for one in problems]
        yield step


def _against(step: Step, known: Known) -> Iterator[Problem]:
    """What of a step does not fit its operation, as far as it shows without a board."""
    where = (*step.where, step.operation)
    parameters = known.signature.parameters
    for key, value in step.arguments.items():
        if secret_key(key) or _is_secret(value):
            yield Problem((*where, key), _NO_SECRET)
        elif key.startswith("_") and key not in FURTHER:
            yield Problem((*where, key), f"may not be set in a playbook; there are: {', '.join(FURTHER)}")
        elif key not in FURTHER and key not in parameters:
            yield Problem((*where, key), f"{step.operation} has no such argument; {meant(key, parameters)}")
    for key, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and key not in step.arguments:
            yield Problem(where, f"the argument '{key}' is missing")
    if isinstance(step.unless, str) and _is_secret(step.unless):
        yield Problem((*step.where, "unless"), _NO_SECRET)
    if not known.idempotent and step.unless is None:
        what = f"{step.operation} can not tell whether it is done: without a guard a second run would do it again"
        yield Problem(step.where, what, hint="add to the step: unless: a command that succeeds when it is done")


def _misfits(known: Known, arguments: Values) -> Iterator[tuple[str, str]]:
    for key, value in arguments.items():
        if expected := known.fits(key, value):
            yield key, f"{shown(value)} is not {expected}"


def _is_secret(value: object) -> bool:
    """Does a secret stand in there, at any depth?"""
    if isinstance(value, dict):
        return any(secret_key(str(key)) or _is_secret(inner) for key, inner in value.items())
    if isinstance(value, list):
        return any(map(_is_secret, value))
    return isinstance(value, str) and _SECRET_TEXT.search(value) is not None


def _of(step: Step, what: str) -> str:
    return f"step {int(step.where[1]) + 1} ({step.title}): {what}"


@dataclass
class _Fill:
    """Puts values for ``{{ name }}``; what has none is a problem."""

    values: Values
    missing: Mapping[str, str]
    found: list[Problem]

    def value(self, value: object, where: Where, depth: int = 0) -> Any:
        """``value`` with everything filled in; a text that is one variable becomes what the variable is."""
        if isinstance(value, dict):
            return {key: self.value(inner, where, depth) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner, where, depth) for inner in value]
        if not isinstance(value, str) or "{{" not in value:
            return value
        if depth > 4:
            self.found.append(Problem(where, f"{shown(value)} refers to itself"))
            return value
        for braces in _BRACES.findall(value):
            if not _VARIABLE.fullmatch(braces):
                self.found.append(Problem(where, f"{shown(braces)} is not a variable: {{{{ name }}}}"))
                return value
        if whole := _VARIABLE.fullmatch(value):
            return self._one(whole[1], where, depth)
        return _VARIABLE.sub(lambda one: str(self._one(one[1], where, depth)), value)

    def _one(self, name: str, where: Where, depth: int) -> object:
        if self.values.get(name) is not None:
            return self.value(self.values[name], where, depth + 1)
        if name in self.missing:
            what, _, hint = self.missing[name].partition("\n")
            self.found.append(Problem(where, what, hint))
        else:
            self.found.append(Problem(where, f"no variable '{name}'; {meant(name, self.values)}"))
        return ""


def find_playbook(name: str, folders: Sequence[Path]) -> Path:
    """The file that ``--playbook`` means: a path, or a name in one of these folders. Raises ConfigError."""
    if "/" in name:
        return Path(name)
    file = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
    for folder in folders:
        if (folder / file).is_file():
            return folder / file
    there: Iterable[str] = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise ConfigError(f"there is no playbook {shown(name)}; {meant(name, there)}", key="--playbook")
