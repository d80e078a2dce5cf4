"""Why a number is what it is: of a cell that was measured, or of a log that somebody sent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Argument, Context, Task

from verbs.kit import PROJECT, verb, width

if TYPE_CHECKING:
    from analysis.architecture import Architecture
    from analysis.diagnosis.tables import Board
    from analysis.references import Reference
    from analysis.runs import Run
    from fleet.config.catalogue import Catalogue

LOG_LIMIT_BYTES = 64 * 2**20


class _FileOrBoard(Argument):
    """A positional that may be left out where a cell is named; Invoke knows required ones only."""

    instead: tuple[Argument, ...]

    @property
    def value(self) -> Any:
        named = self._value is not None or not any(one.value for one in self.instead)
        return self._value if named else ""

    @value.setter
    def value(self, value: str) -> None:
        self.set_value(value)


class _Explain(Task):  # type: ignore[type-arg]
    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        arguments = super().get_arguments(ignore_unknown_help)
        at = next(place for place, one in enumerate(arguments) if one.name == "path")
        plain = arguments[at]
        arguments[at] = path = _FileOrBoard(names=plain.names, kind=str, help=plain.help, positional=True)
        path.instead = tuple(one for one in arguments if one.name in ("board", "model"))
        return arguments


@verb(
    help={
        "path": "a log, or - for standard input; needs no board and no inventory",
        "board": "one board of the evidence",
        "model": "a model of models.yaml; with a log: what it is of, where neither banner nor file name say so",
        "cores": "NPU core count; default: the most that were measured",
        "format": "table, json or md",
    },
    positional=["path"],
    klass=_Explain,
)
def explain(
    _c: Context,
    path: str | None = None,
    board: str | None = None,
    model: str = "",
    cores: str = "",
    format: str = "table",
) -> None:
    """Say why a speed is what it is: checks, ranked by effect.

    invoke explain --board rk3588-a --model qwen3-0.6b
    invoke explain run.log
    ssh board cat run.log | invoke explain - --model qwen3-4b
    """
    from analysis.diagnosis.tables import check_format
    from fleet.errors import ConfigError
    from fleet.options import whole_number

    check_format(format)
    count = whole_number(cores, "--cores", 1, 3, 0) or None
    if path and board:
        raise ConfigError("a log has no board", key="--board", hint="invoke explain FILE, or --board with --model")
    if path:
        print(_of_log(path, model, format))
    elif board and model:
        print(_of_cell(board, model, count, format))
    else:
        what = "say of what: a log, or a board and a model"
        raise ConfigError(what, hint="invoke explain FILE, or invoke explain --board NAME --model NAME")


def _of_log(path: str, model: str, form: str) -> str:
    from analysis.diagnosis.explanation import explain as explained
    from analysis.diagnosis.gather import model_of_log, observe_log
    from analysis.diagnosis.tables import Board, shown
    from analysis.parse import parse_log

    data = _read(path)
    catalogue = _catalogue(PROJECT)
    architectures, references = _known(PROJECT, catalogue)
    named = catalogue.find(model) if model else None
    title = named.title if named is not None else model or model_of_log(data, path, architectures)
    seen = observe_log(parse_log(data), data, model=title, architectures=architectures, references=references)
    if title is None:
        print("neither banner nor file name say of which model this is: --model NAME", file=sys.stderr)
    elif seen.arch is None:
        print(f"nothing is known of the architecture of {title}, so its speed can not be judged", file=sys.stderr)
    name = "standard input" if path == "-" else Path(path).name
    return shown(explained(f"{name}{f', {title}' if title else ''}", [seen]), Board(), form, width())


def _of_cell(board: str, model: str, cores: int | None, form: str) -> str:
    from analysis.diagnosis.cell import explain_cell, newest_cell
    from analysis.diagnosis.tables import shown
    from analysis.evidence import find_runs
    from analysis.runs import read_run
    from fleet.errors import ConfigError

    here = Path.cwd()
    home = here if (here / "inventory.yaml").exists() or (here / "collected").is_dir() else PROJECT
    catalogue = _catalogue(home)
    architectures, references = _known(home, catalogue)
    found = catalogue.find(model)
    files = {(one.campaign, one.board, one.run): one for one in find_runs(home / "collected") if one.board == board}
    runs = [read_run(one) for one in files.values()]
    chosen = newest_cell(runs, board, found.name if found else model, cores)
    if chosen is None:
        have = sorted({f"{run.model} on {run.npu_cores}" for run in runs if run.model})
        what = f"no run of {model}{f' on {cores} cores' if cores else ''} is in the evidence of {board}"
        hint = f"there are: {', '.join(have)}" if have else f"invoke bench --board {board} --model {model}"
        raise ConfigError(what, key="--board", hint=hint)
    if newer := chosen.passed_over:
        logs = "collected" if home == here else str(home / "collected")
        print(
            f"campaign {newer[0]} is newer, and no number of it counts; why: invoke parse {logs}/{newer[0]}/{board}",
            file=sys.stderr,
        )
    told = explain_cell(chosen.runs, files, runs, architectures, references)
    return shown(told, _board(chosen.runs[0], runs, architectures, references), form, width())


def _board(
    first: Run, runs: list[Run], architectures: dict[str, Architecture], references: tuple[Reference, ...]
) -> Board:
    """What the runs of the same campaign say of the board, and all of the same origin of memory and cores."""
    from analysis.core_scaling import core_scaling
    from analysis.diagnosis.board import board_speeds
    from analysis.diagnosis.cell import board_fits
    from analysis.diagnosis.tables import Board
    from analysis.memory_fit import WITNESSES, fits_of

    same = [run for run in runs if run.campaign == first.campaign and run.origin == first.origin]
    alike = [run for run in runs if run.origin == first.origin]
    return Board(
        speeds=board_speeds(same, architectures, references),
        fits=tuple(board_fits(same, architectures, first.board, first.origin).items()),
        memory=tuple((name, fit) for name in WITNESSES for fit in fits_of(alike, architectures, name)),
        scaling=core_scaling(run for run in same if run.model == first.model),
    )


def _known(home: Path, catalogue: Catalogue) -> tuple[dict[str, Architecture], tuple[Reference, ...]]:
    """Architectures by the names of references and of the catalogue, and the published numbers."""
    from analysis.architecture import architecture_of
    from analysis.references import load_architectures, load_references
    from verbs.fit import numbers_of

    folder = next(place / "references" for place in (home, PROJECT) if (place / "references").is_dir())
    architectures = load_architectures(folder)
    for model in catalogue.models:
        if model.architecture is not None:
            try:
                numbers = architecture_of(numbers_of(model))
            except ValueError:  # `invoke models` says what is the matter with it
                continue
            architectures |= {model.name: numbers, model.title: numbers}
    return architectures, load_references(folder)


def _catalogue(home: Path) -> Catalogue:
    from fleet.config.catalogue import load_catalogue

    own = home / "models.yaml"
    return load_catalogue(own if own.exists() else PROJECT / "models.yaml", home / "models.local.yaml")


def _read(path: str) -> bytes:
    from fleet.errors import ConfigError

    if path == "-":
        return sys.stdin.buffer.read(LOG_LIMIT_BYTES)
    try:
        with Path(path).open("rb") as file:
            return file.read(LOG_LIMIT_BYTES)
    except OSError as wrong:
        why = wrong.strerror or str(wrong)
        raise ConfigError(
            f"can not be read: {why}", file=path, hint="invoke explain FILE, with the log of one run"
        ) from None
