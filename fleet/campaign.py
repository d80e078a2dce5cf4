"""What a campaign was asked for, on disk before its first run: ``collected/<campaign>/campaign.json``.

With it a campaign can be given again after anything: the list of its runs is fixed, what has evidence is done, the
rest is still to do. One process drives a campaign at a time; it holds a lock in the folder, which ends with it, so
that others can tell a campaign that goes on from one whose driver is gone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet import evidence
from fleet.cell import Matrix, Ordering, Workload
from fleet.config.images import Image
from fleet.config.inventory import BoardEntry
from fleet.config.prompts import Prompt, PromptSet
from fleet.errors import ConfigError, FleetError
from fleet.gates import Limits
from fleet.plan import PlannedRun, Request
from fleet.run import SAFE_NAME, utc_now
from fleet.verdict import Outcome

if TYPE_CHECKING:
    from fleet.config.catalogue import Catalogue
    from fleet.lease import Lease

FILE = "campaign.json"
SCHEMA = 5
_LOCK = ".lock"
_TRIES, _PAUSE_S = 10, 0.02
_DONE = {Outcome.OK}  # what nobody wants to repeat; what was skipped is looked at again, its reason may be gone


class BeingDriven(FleetError):
    """Another process of this workstation has this campaign."""


@dataclass(frozen=True)
class Record:
    """``campaign.json``. ``token`` is what the campaign shows to boards that it has leased; ``runs``: by board."""

    campaign: str
    created_utc: str
    tool: str
    token: str
    asked: Mapping[str, Any]
    runs: Mapping[str, tuple[str, ...]]

    def missing(self, collected: Path) -> dict[str, tuple[str, ...]]:
        """The runs without evidence here, by board; boards that have all of theirs are left out."""
        found = {
            board: tuple(run for run in runs if not (collected / self.campaign / board / run).is_dir())
            for board, runs in self.runs.items()
        }
        return {board: runs for board, runs in found.items() if runs}


def asked(request: Request) -> dict[str, Any]:
    """A request as plain data, complete: the prompts themselves are in it, not the path of a file that may change.

    An image is named by its content; its bytes lie beside the record."""
    return {
        "boards": [entry.name for entry in request.boards],
        "parts": [_asked_part(part) for part in request.parts],
        "repeats": request.repeats,
        "most_repeats": request.most_repeats,
        "order": str(request.ordering),
        "seed": request.seed,
        "limit": request.limit_s,
        "gates": request.gates.to_json(),
        "probe": request.probe,
        "only": None if request.only is None else {name: sorted(runs) for name, runs in request.only.items()},
        "due": None if request.due is None else {name: list(cells) for name, cells in request.due.items()},
        "set_point_of": request.set_point_of,
    }


def _asked_part(part: Matrix) -> dict[str, Any]:
    return {
        "models": [model.name for model in part.models],
        "cores": list(part.cores),
        "vision_cores": list(part.vision_cores),
        "contexts": list(part.contexts),
        "clocks": part.clocks,
        "workloads": [
            {
                "prompts": one.prompts.name,
                "sha256": one.prompts.sha256,
                "texts": {prompt.id: prompt.text for prompt in one.prompts.prompts},
                "new_tokens": one.max_new_tokens,
                "image": one.image
                and {
                    "name": one.image.name,
                    "file": one.image.file,
                    "sha256": one.image.sha256,
                    "size_bytes": one.image.size_bytes,
                },
            }
            for one in part.workloads
        ],
    }


def request_of(record: Record, boards: Sequence[BoardEntry], catalogue: Catalogue, collected: Path) -> Request:
    """The request that a campaign was begun with. Raises ConfigError when a board or the model is gone since."""
    folder = collected / record.campaign
    data = record.asked
    by_name = {entry.name: entry for entry in boards}
    gone = [name for name in data["boards"] if name not in by_name]
    if gone:
        raise ConfigError(
            f"campaign {record.campaign} has runs on {', '.join(gone)}, which the inventory does not know any more",
            file="inventory.yaml",
            key="boards",
        )
    only = data["only"]
    return Request(
        boards=tuple(by_name[name] for name in data["boards"]),
        parts=tuple(_part_of(part, catalogue, folder) for part in data["parts"]),
        repeats=data["repeats"],
        most_repeats=data["most_repeats"],
        ordering=Ordering(data["order"]),
        seed=data["seed"],
        limit_s=data["limit"],
        gates=Limits(**data["gates"]),
        probe=data["probe"],
        only=None if only is None else {name: frozenset(runs) for name, runs in only.items()},
        due=data.get("due") and {name: tuple(cells) for name, cells in data["due"].items()},
        set_point_of=data.get("set_point_of"),
    )


def _part_of(data: Mapping[str, Any], catalogue: Catalogue, folder: Path) -> Matrix:
    return Matrix(
        models=tuple(catalogue.model(name) for name in data["models"]),
        cores=tuple(data["cores"]),
        contexts=tuple(data["contexts"]),
        workloads=tuple(
            Workload(
                PromptSet(one["prompts"], one["sha256"], tuple(Prompt(*prompt) for prompt in one["texts"].items())),
                one["new_tokens"],
                one["image"] and Image(**one["image"], path=folder / one["image"]["file"]),
            )
            for one in data["workloads"]
        ),
        vision_cores=tuple(data["vision_cores"]),
        clocks=data["clocks"],
    )


def same(record: Record, request: Request) -> None:
    """Refuse to go on with another request than the one a campaign was begun with. Raises ConfigError."""
    then, now = dict(record.asked), asked(request)
    compared: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    if len(then["parts"]) == len(now["parts"]):
        compared += zip(then.pop("parts"), now.pop("parts"), strict=True)
    for was, is_now in [*compared, (then, now)]:
        for key in is_now:
            if is_now[key] == was.get(key):
                continue
            raise ConfigError(
                f"campaign {record.campaign} was begun with {key} {_shown(key, was.get(key))}, and is now asked for"
                f" {_shown(key, is_now[key])}",
                key="--campaign",
                hint=f"invoke bench --campaign {record.campaign}   (goes on with what it was begun with), or another"
                " name",
            )


def _shown(key: str, value: Any) -> Any:
    if key == "workloads":
        return [(one["prompts"], one["sha256"][:12], one["new_tokens"]) for one in value]
    return len(value) if key == "parts" else value


def failed_only(record: Record, request: Request, outcomes: Mapping[tuple[str, str], str]) -> Request:
    """The same request, only what did not end well in that campaign. ``outcomes``: by (board, run).

    Raises ConfigError when nothing failed on these boards.
    """
    only = {}
    for entry in request.boards:
        runs = record.runs.get(entry.name, ())
        only[entry.name] = frozenset(run for run in runs if outcomes.get((entry.name, run)) not in _DONE)
    boards = tuple(entry for entry in request.boards if only[entry.name])
    if not boards:
        raise ConfigError(f"nothing failed in campaign {record.campaign}", key="--failed-from")
    return replace(request, boards=boards, only={entry.name: only[entry.name] for entry in boards})


def write(
    collected: Path, campaign: str, request: Request, plans: Mapping[str, Sequence[PlannedRun]], **about: str
) -> Record:
    """Record the plan of a new campaign, its images beside it; ``about``: tool and token.

    Raises NoSpace, and ConfigError for an image that is not what it was."""
    record = Record(
        campaign=campaign,
        created_utc=utc_now(),
        tool=about["tool"],
        token=about["token"],
        asked=asked(request),
        runs={name: tuple(planned.run for planned in runs) for name, runs in plans.items()},
    )
    data = json.dumps({"schema": SCHEMA, **vars(record)}, ensure_ascii=False, indent=1) + "\n"
    with evidence.disk_errors(collected, "", "record the plan"):
        for image in {one.image for one in request.workloads if one.image}:
            bytes_now = image.path.read_bytes()
            if hashlib.sha256(bytes_now).hexdigest() != image.sha256:
                raise ConfigError("changed while the campaign was planned", file=str(image.path))
            evidence.write_file(collected / campaign / image.file, bytes_now)
        evidence.write_file(collected / campaign / FILE, data.encode())
    return record


def load(collected: Path, campaign: str) -> Record | None:
    """The record of a campaign; None when it was not begun here. Raises ConfigError for what is no campaign's name."""
    if not SAFE_NAME.fullmatch(campaign):
        raise ConfigError(f"{campaign!r} is no name for a campaign: letters, digits, . _ -, a letter or digit first")
    path = collected / campaign / FILE
    try:
        data = json.loads(path.read_bytes())
        if data["schema"] != SCHEMA:
            raise ValueError(f"it is of version {data['schema']}, and this program writes {SCHEMA}")
        return Record(
            campaign=campaign,
            created_utc=str(data["created_utc"]),
            tool=str(data["tool"]),
            token=str(data["token"]),
            asked={"probe": False} | dict(data["asked"]),  # campaigns that were begun before there were probes
            runs={str(board): tuple(map(str, runs)) for board, runs in data["runs"].items()},
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"can not be read: {error!r}", file=str(path), hint="begin a new campaign") from None


def begun(collected: Path, campaign: str) -> Record:
    """The record of a campaign that must be here. Raises ConfigError."""
    record = load(collected, campaign)
    if record is None:
        raise ConfigError(f"there is no campaign {campaign!r} in {collected.name}/", hint=f"ls {collected.name}")
    return record


def unfinished(collected: Path) -> Iterator[Record]:
    """The campaigns that nobody drives any more and that have runs without evidence."""
    for path in sorted(collected.glob(f"*/{FILE}")):
        try:
            record = load(collected, path.parent.name)
        except ConfigError:
            continue  # of a version that kept less
        if record is not None and record.missing(collected) and not is_driven(collected, record.campaign):
            yield record


def left_behind(collected: Path, held: Lease) -> bool:
    """Is this the lease of a campaign of ours whose driver is gone, so that nobody will ever give it back?"""
    if not held.campaign or not SAFE_NAME.fullmatch(held.campaign):
        return False
    try:
        record = load(collected, held.campaign)
    except ConfigError:
        return False
    return record is not None and record.token == held.token and not is_driven(collected, held.campaign)


def sweep(collected: Path) -> None:
    """Remove the half written records of campaigns that nobody drives."""
    for path in collected.glob(f"*/.{FILE}.*"):
        if not is_driven(collected, path.parent.name):
            path.unlink(missing_ok=True)


def is_driven(collected: Path, campaign: str) -> bool:
    """Does a process of this workstation drive this campaign now?"""
    try:
        handle = os.open(collected / campaign / _LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(handle)


@contextmanager
def driving(collected: Path, campaign: str) -> Iterator[None]:
    """Drive a campaign, alone. Raises BeingDriven."""
    folder = collected / campaign
    with evidence.disk_errors(collected, "", "begin the campaign"):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _lock(handle, campaign)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, campaign: str) -> None:
    for _ in range(_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_PAUSE_S)  # who only asks holds it for a moment
    raise BeingDriven(
        f"campaign {campaign} is being driven by another process of this workstation", hint="invoke status"
    )
