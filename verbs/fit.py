"""What runs on a board and why not: the catalogue's numbers, held against a board's facts by analysis' predictions.

The two meet here as plain data: fleet knows models and boards, analysis knows what numbers mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fleet.boards import BoardState
    from fleet.config.catalogue import Model
    from fleet.config.inventory import BoardEntry
    from fleet.model_files import Lies
    from verbs.refit import Refit

Row = dict[str, str | int | float | None]

NOMINAL = "8 GB board"
CORES = (1, 2, 3)


class Ground(NamedTuple):
    """What a model is judged against: a board with its facts and files, or a nominal one. None is not known."""

    board: str
    facts: str  # measured, simulated or nominal
    standin: bool  # a virtual board takes stand-ins, and those are made when they are needed
    available_bytes: float | None
    runtime: str | None
    driver: str | None
    files: Mapping[str, Lies] | None = None


def nominal() -> Ground:
    """The board that is meant when none is named."""
    from fleet import defaults

    available, runtime = defaults.NOMINAL_AVAILABLE_BYTES, defaults.NOMINAL_RUNTIME
    return Ground(NOMINAL, "nominal", False, available, runtime, None)


def ground(state: BoardState, files: Mapping[str, Lies] | None = None) -> Ground:
    """A board as its facts have it now."""
    return ground_of(state.entry, state.facts or {}, files)


def ground_of(entry: BoardEntry, facts: Mapping[str, Any], files: Mapping[str, Lies] | None = None) -> Ground:
    """A board with these facts."""
    libraries = [one.get("version") for one in _at(facts, "runtime", "rkllm") or () if isinstance(one, Mapping)]
    simulated = entry.virtual is not None or _at(facts, "simulated") is not None
    available = _at(facts, "memory", "available_bytes")
    return Ground(
        board=entry.name,
        facts="simulated" if simulated else "measured",
        standin=entry.virtual is not None,
        available_bytes=float(available) if isinstance(available, int | float) else None,
        runtime=str(libraries[0]) if libraries and libraries[0] else None,
        driver=_text(_at(facts, "npu", "driver")),
        files=files,
    )


def not_idle(state: BoardState) -> str | None:
    """Who holds memory on a board that should be idle, if somebody does."""
    users = [str(user.get("comm")) for user in _at(state.facts or {}, "npu_users") or () if isinstance(user, Mapping)]
    return f"{state.entry.name}: {', '.join(users)} has the NPU: memory is judged as it is now" if users else None


def fit_row(
    model: Model, on: Ground, here: Mapping[str, Lies], context: int, notes: set[str], refit: Refit | None = None
) -> Row:
    """One line of ``invoke models``. ``here`` is how this workstation's files lie; ``notes`` gets what a reader of the
    predictions has to know."""
    artifacts = model.artifacts_for(standin=on.standin)
    files = [(str(one.npu_core_num), one.file) for one in artifacts]
    files += [("vision", one.file) for one in model.vision_artifacts if one.standin == on.standin]
    row: Row = {
        "board": on.board,
        "model": model.title,
        "kind": str(model.kind),
        "cores": ",".join(str(one.npu_core_num) for one in artifacts) or None,
        "max context": max((one.max_context for one in artifacts), default=None),
        "here": _listed(files, here),
        "on board": _listed(files, on.files) if on.files is not None else None,
        "missing": _missing(files, here, on),
    }
    return row | _judged(model, on, context, notes, refit) | {"facts": on.facts}


def _judged(model: Model, on: Ground, context: int, notes: set[str], refit: Refit | None) -> Row:
    """The columns that are predicted."""
    row: Row = dict.fromkeys(
        (
            *("verdict", "memory GiB", "memory refitted GiB", "largest context"),
            *(f"tok/s {n} core{'s' * (n > 1)}" for n in CORES),
            *("tok/s refitted", "reason"),
        )
    )
    if model.architecture is None:
        return row | {"reason": "its architecture is not in the catalogue"}
    from analysis.architecture import architecture_of
    from analysis.feasibility import feasibility
    from analysis.memory_model import predict_memory
    from analysis.speed_model import predict_speed

    try:
        numbers = architecture_of(numbers_of(model))
    except ValueError as wrong:
        return row | {"reason": f"nothing can be computed from its architecture: {wrong}"}
    artifacts = model.artifacts_for(standin=on.standin)
    dtype = artifacts[-1].dtype if artifacts else model.dtypes[0]
    memory = predict_memory(numbers, dtype, context, on.runtime)
    row["memory GiB"] = round(memory.total / 2**30, 2)
    for cores in [one.npu_core_num for one in artifacts] or CORES:  # of a model that nobody converted yet, too
        speed = predict_speed(numbers, dtype, cores, on.runtime)
        row[f"tok/s {cores} core{'s' * (cores > 1)}"] = round(speed.generate_tps.value, 1)
        notes.update(note for note in speed.notes if "prefill" not in note.casefold())
    if refit is not None:
        row["memory refitted GiB"] = refit.memory_text(on.facts, on.runtime, numbers, dtype, context)
        row["tok/s refitted"] = refit.speed_text(on.board, on.facts, numbers, dtype)
    if on.available_bytes is None:
        return row | {"verdict": "?", "reason": "the board does not say how much memory is available"}
    since = model.runtime.since if model.runtime else None
    judged = feasibility(numbers, dtype, context, on.available_bytes, on.runtime, first_runtime=since)
    row |= {"verdict": str(judged.verdict), "largest context": judged.largest_context or None}
    reasons = [] if str(judged.verdict) == "FITS" else [judged.reason]
    if since is None and model.runtime is not None:
        reasons.append(f"no runtime is known to run it: {model.runtime.source}")
    if on.driver is not None and _older(on.driver):
        reasons.append(f"driver {on.driver} is older than {_oldest()}: expect it to refuse large models")
    return row | {"reason": "; ".join(reasons) or None}


def numbers_of(model: Model) -> dict[str, Any]:
    """A model's numbers as ``analysis.architecture.architecture_of`` takes them: plain data, None is not given."""
    assert model.architecture is not None
    numbers = model.architecture.model_dump(exclude={"source"})
    if model.vision is not None:
        seen = model.vision
        size = next((one.size_bytes for one in model.vision_artifacts if not one.standin and one.size_bytes), None)
        numbers["vision"] = {
            "parameters": seen.parameters,
            "image_tokens": seen.image_tokens,
            "patches": seen.image_tokens * seen.merge**2,
            "size_bytes": size,
        }
    return numbers


def _listed(files: Sequence[tuple[str, str]], lies: Mapping[str, Lies]) -> str | None:
    """``1 verified, 3 there``; None where there is none of them."""
    there = [(what, str(lies[file])) for what, file in files if file in lies and str(lies[file]) != "missing"]
    return ", ".join(f"{what} {how}" for what, how in there) or None


def _missing(files: Sequence[tuple[str, str]], here: Mapping[str, Lies], on: Ground) -> str | None:
    """What ``bench`` would not find: neither here nor on the board, or with other content than the catalogue says."""
    if not files:
        return "none is listed"
    if on.standin:
        return None
    usable = ("there", "unverified", "verified")
    places = [here, on.files or {}]
    lacking = [what for what, file in files if not any(str(place.get(file)) in usable for place in places)]
    return ",".join(lacking) or None


def _older(driver: str) -> bool:
    from fleet import defaults

    parts = driver.lstrip("v").split(".")
    return len(parts) == 3 and all(part.isdigit() for part in parts) and tuple(map(int, parts)) < defaults.OLDEST_DRIVER


def _oldest() -> str:
    from fleet import defaults

    return ".".join(map(str, defaults.OLDEST_DRIVER))


def _at(facts: Mapping[str, Any], *keys: str) -> Any:
    value: Any = facts
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _text(value: object) -> str | None:
    return None if value is None else str(value)
