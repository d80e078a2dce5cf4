"""Models: what is known of each, where its files are, what fits on which board, and how a file is made or taken in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Context

from verbs.kit import BOARD, FORMAT, finish, open_session, stderr, verb, width

if TYPE_CHECKING:
    from fleet.boards import BoardState
    from fleet.config.inventory import BoardEntry
    from fleet.errors import FleetError
    from fleet.model_files import Lies
    from fleet.session import Session


@verb(
    help={
        "board": BOARD.replace("default all", "default a nominal 8 GB board"),
        "model": "only this model",
        "context": "tokens of context to judge by, and of a recipe; default 4096",
        "verify": "compute the sha256 of the files in models/ that were not yet",
        "add": "a model file to write into models.local.yaml",
        "recipe": "a model whose conversion script is printed; needs --cores",
        "cores": "NPU core count of --add or --recipe: 1, 2 or 3",
        "dtype": "quantization of --add or --recipe, such as W8A8",
        "toolkit": "version of the toolkit that made the file of --add",
        "format": FORMAT,
    },
    iterable=["board"],
)
def models(
    _c: Context,
    board: Sequence[str] | None = None,
    model: str = "",
    context: str = "",
    verify: bool = False,
    add: str = "",
    recipe: str = "",
    cores: str = "",
    dtype: str = "",
    toolkit: str = "",
    format: str = "table",
) -> None:
    """List the models, where their files are, and what fits on a board.

    invoke models
    invoke models --board rk3588-a
    invoke models --add models/mine-3core.rkllm --model qwen3-0.6b
    invoke models --recipe qwen3-0.6b --cores 1 > convert.py
    """
    from analysis.listing import check_format
    from fleet import defaults
    from fleet.errors import ConfigError
    from fleet.options import whole_number

    check_format(format)
    if add and recipe:
        raise ConfigError("one thing at a time", key="--add", hint="leave out --add or --recipe")
    session = open_session()
    wanted = whole_number(context, "--context", 32, 2**17, 0) or None
    of_file = whole_number(cores, "--cores", 1, 3, 0) or None
    if recipe:
        _recipe(session, recipe, of_file, wanted, dtype)
    elif add:
        _add(session, Path(add), model, of_file, wanted, dtype, toolkit)
    else:
        for option, value in (("--cores", cores), ("--dtype", dtype), ("--toolkit", toolkit)):
            if value:
                raise ConfigError("goes with --add or --recipe", key=option)
        _list(session, board, model, wanted or defaults.MAX_CONTEXT_LEN, verify, format)


def _recipe(session: Session, name: str, cores: int | None, context: int | None, dtype: str) -> None:
    from fleet.errors import ConfigError
    from fleet.recipe import Target, recipe

    if cores is None:
        raise ConfigError(
            "say for how many NPU cores: that is fixed at conversion",
            key="--cores",
            hint=f"invoke models --recipe {name} --cores 3",
        )
    catalogue = session.catalogue()
    _remark(name, catalogue.remark(name))
    print(recipe(catalogue.model(name), Target(cores, context, dtype or None)), end="")


def _add(
    session: Session, path: Path, model: str, cores: int | None, context: int | None, dtype: str, toolkit: str
) -> None:
    from fleet.add_artifact import Told, add_artifact

    catalogue = session.catalogue()
    _remark(model, catalogue.remark(model))
    told = Told(model or None, cores, dtype or None, context, toolkit or None)
    with _Progress() as moved:
        added = add_artifact(
            path, told, catalogue=catalogue, local=session.local_models, models=session.models, moved=moved
        )
    for remark in added.remarks:
        print(remark, file=sys.stderr)
    where = session.shown(session.local_models)
    said = f"is in {where} now, as an artifact of {added.model}" if added.new else f"is an artifact of {added.model}"
    print(f"{added.file} {said}\nsha256 {added.sha256}\nnext:\n  invoke models --model {added.model}")


def _list(session: Session, board: Sequence[str] | None, name: str, context: int, verify: bool, format: str) -> None:
    from analysis.listing import listing
    from fleet import defaults
    from fleet.model_files import lies_here
    from verbs.fit import fit_row, ground, nominal, not_idle
    from verbs.refit import refit

    catalogue = session.catalogue()
    _remark(name, catalogue.remark(name))
    chosen = (catalogue.model(name),) if name else catalogue.models
    files = [one for model in chosen for standin in (False, True) for one in model.files_for(standin=standin)]
    with _Progress() as moved:
        here = lies_here(session.models, files, verify=verify, moved=moved)
    states: tuple[BoardState, ...] = ()
    errors: list[FleetError | None] = []
    grounds = [nominal()]
    if board:
        looked = _look(session, session.select(board), files)
        states = tuple(state for state, _ in looked)
        errors = [state.error for state in states]
        grounds = [ground(state, lies) for state, lies in looked if state.error is None]
    notes: set[str] = set()
    # Without a board nobody knows whether its memory would be a real board's or a virtual one's.
    fits = refit(session, [on.board for on in grounds]) if board else None
    rows = [fit_row(model, on, here, context, notes, fits) for on in grounds for model in chosen]
    print(listing(rows, format, empty="no board answers", width=width()))
    for state in states:
        _remark("", not_idle(state))
    if not board:
        there = f"{defaults.NOMINAL_AVAILABLE_BYTES / 2**30:.1f} GiB available and runtime {defaults.NOMINAL_RUNTIME}"
        print(f"a nominal 8 GB board with a desktop, {there}; for a real answer: --board NAME", file=sys.stderr)
    print(f"memory and tok/s are predicted, at {context} tokens of context", file=sys.stderr)
    for told in fits.sentences if fits else ():
        print(f"refitted from the evidence here: {told}", file=sys.stderr)
    for note in sorted(notes):
        print(f"tok/s: {note}", file=sys.stderr)
    finish(errors)


def _look(
    session: Session, boards: tuple[BoardEntry, ...], files: Sequence[Any]
) -> list[tuple[BoardState, dict[str, Lies] | None]]:
    """Facts of each board and how the files lie there, by one connection a board."""
    from fleet import defaults
    from fleet.boards import BoardState, libraries_of
    from fleet.deadline import Deadline
    from fleet.errors import FleetError
    from fleet.facts import Facts, read_facts
    from fleet.model_files import lies_on
    from fleet.pool import on_each

    def one(entry: BoardEntry) -> tuple[Facts, dict[str, Lies]]:
        wanted = [file for file in files if file.standin == (entry.virtual is not None)]
        with session.connect(entry) as board:
            facts = read_facts(board, Deadline.after(defaults.FACTS_S), libraries=libraries_of(entry))
            return facts, lies_on(board, entry, wanted, Deadline.after(defaults.HASH_S))

    answers = on_each(boards, one)
    return [
        (BoardState(entry, None, answer), None)
        if isinstance(answer, FleetError)
        else (BoardState(entry, answer[0], None), answer[1])
        for entry, answer in zip(boards, answers, strict=True)
    ]


def _remark(name: str, remark: str | None) -> None:
    if remark:
        print(f"{name}: {remark}" if name else remark, file=sys.stderr)


class _Progress:
    """A bar for gigabytes that are read, where somebody looks; made when the first of them are."""

    def __enter__(self) -> Callable[[int, int], None]:
        self._bar: Any = None
        return self._moved

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _moved(self, done: int, total: int) -> None:
        if self._bar is None:
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

            self._bar = Progress(TextColumn("sha256"), BarColumn(), DownloadColumn(), console=stderr(), transient=True)
            self._task = self._bar.add_task("sha256", total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total)
