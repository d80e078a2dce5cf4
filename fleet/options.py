"""What a person types behind an option, as values. Invoke hands over strings; a bad one is a message."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fleet import campaign as campaigns
from fleet import defaults
from fleet.bench import Order, new_name, order_again
from fleet.cell import Matrix, Workload
from fleet.config.catalogue import Catalogue, Kind, Model
from fleet.config.images import Image, load_image
from fleet.config.inventory import BoardEntry
from fleet.config.prompts import load_prompts
from fleet.config.yaml_file import meant, name_of
from fleet.errors import ConfigError
from fleet.plan import Request
from fleet.run import CLOCK_PROFILES, SAFE_NAME

if TYPE_CHECKING:
    from fleet.config.suite import Suite, SuitePart, SuiteWorkload
    from fleet.session import Session

SUITES = "suites"
PROMPTS = {Kind.LLM: "suites/prompts/default.txt", Kind.VLM: "suites/prompts/vision.txt"}
IMAGE = "suites/images/house.png"


@dataclass(frozen=True)
class Bench:
    """The options of ``invoke bench`` as they were typed; empty means the default."""

    model: str = ""
    cores: str = ""
    repeats: str = ""
    prompts: str = ""
    new_tokens: str = ""
    context: str = ""
    limit: str = ""
    clocks: str = ""
    vision_cores: str = ""
    image: str = ""
    probe: bool = False

    def request(self, session: Session, boards: tuple[BoardEntry, ...], suite: Suite | None = None) -> Request:
        """What they ask for, and where they say nothing, what the suite does. Raises ConfigError; nothing has been
        touched then."""
        if suite is None:
            from fleet.config.suite import Suite

            suite = Suite()
        repeats = whole_number(self.repeats, "--repeats", 1, 1000, suite.repeats or defaults.REPEATS)
        parts = tuple(self._matrix(session, part) for part in suite.matrices)
        models = [model for part in parts for model in part.models]
        for option, typed in (("--vision-cores", self.vision_cores), ("--image", self.image)):
            if typed and Kind.VLM not in {model.kind for model in models}:
                raise ConfigError(f"{models[0].name} is a text model and takes no image", key=option)
        return Request(
            boards=boards,
            parts=parts,
            repeats=repeats,
            most_repeats=repeats if self.repeats else suite.most_repeats or repeats,
            ordering=suite.order,
            seed=suite.seed,
            limit_s=whole_number(self.limit, "--limit", 1, 7 * 86400, 0) if self.limit else suite.limit,
            gates=suite.gates.limits,
            probe=self.probe or suite.probe,
        )

    def _matrix(self, session: Session, part: SuitePart) -> Matrix:
        models = _models(session.catalogue(), self.model, part.models)
        return Matrix(
            models=models,
            cores=core_counts(self.cores) if self.cores else part.cores,
            contexts=(whole_number(self.context, "--context", 32, 2**17, 0),) if self.context else part.contexts,
            workloads=self._workloads(session, part.workloads, models),
            vision_cores=core_counts(self.vision_cores, "--vision-cores") if self.vision_cores else part.vision_cores,
            clocks=clock_profile(self.clocks or part.clocks or defaults.CLOCKS),
        )

    def _workloads(
        self, session: Session, said: Sequence[SuiteWorkload], models: Sequence[Model]
    ) -> tuple[Workload, ...]:
        """What is said, and the default of a kind of model that nothing is said for. A set of prompts is for text
        models or for vision models; what no model here takes is left out."""
        kinds = list(dict.fromkeys(model.kind for model in models))
        found = []
        for one in said:
            named = self.prompts or (f"{SUITES}/{one.prompts}" if one.prompts else "")
            files = [named] if named else [PROMPTS[kind] for kind in kinds]
            found += [self._workload(session, one, file) for file in files]
        for kind in kinds:
            if any((one.image is not None) == (kind == Kind.VLM) for one in found):
                continue
            model = next(model for model in models if model.kind == kind)
            if self.prompts:
                takes = (
                    "takes an image, and <image> is in no"
                    if kind == Kind.VLM
                    else "is a text model, and <image> is in a"
                )
                raise ConfigError(
                    f"{model.name} {takes} prompt of {self.prompts}", key="--prompts", hint="leave --prompts out"
                )
            found.append(self._workload(session, said[0], PROMPTS[kind]))
        return tuple(dict.fromkeys(one for one in found if (Kind.VLM if one.image else Kind.LLM) in kinds))

    def _workload(self, session: Session, said: SuiteWorkload, file: str) -> Workload:
        prompts = load_prompts(_file(session, file))
        default = said.new_tokens or defaults.MAX_NEW_TOKENS
        tokens = whole_number(self.new_tokens, "--new-tokens", 2, 2**17, default)
        return Workload(prompts, tokens, self._image(session, said) if prompts.of_images else None)

    def _image(self, session: Session, said: SuiteWorkload) -> Image:
        return load_image(_file(session, self.image or (f"{SUITES}/{said.image}" if said.image else IMAGE)))


def named_suite(session: Session, name: str) -> Suite:
    """``suites/NAME.yaml`` of the team's own, else the project's. Raises ConfigError."""
    from fleet.config.suite import load_suite  # most verbs have none

    if not SAFE_NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no suite's name", key="--suite")
    file = session.file(f"{SUITES}/{name}.yaml")
    if not file.exists():
        there = meant(name, sorted(path.stem for path in file.parent.glob("*.yaml")))
        raise ConfigError(f"there is no suite {name!r} in {SUITES}/; {there}", key="--suite")
    return load_suite(file)


def named_model(catalogue: Catalogue, name: str) -> Model:
    """The model that was named, else the first of the file. Raises ConfigError."""
    if not name and not catalogue.models:
        raise ConfigError("there is no model in it", file=name_of(catalogue.file))
    return catalogue.model(name) if name else catalogue.models[0]


def _models(catalogue: Catalogue, typed: str, suite: Sequence[str]) -> tuple[Model, ...]:
    """Those that were named, with commas between them, else the suite's, else the first of the file."""
    names = [word.strip() for word in typed.split(",")] if typed else [*suite] or [""]
    found = [named_model(catalogue, name) for name in names]
    return tuple(model for place, model in enumerate(found) if model not in found[:place])


def _file(session: Session, typed: str) -> Path:
    return session.file(typed) if typed.startswith(f"{SUITES}/") else Path(typed)


def order(
    session: Session,
    wanted: Bench,
    boards: Sequence[str] | None,
    *,
    suite: Suite | None = None,
    campaign: str = "",
    failed_from: str = "",
    outcomes: Callable[[str], Mapping[tuple[str, str], str]] = lambda _campaign: {},
) -> Order:
    """What ``bench`` is to do: something new, a campaign that was begun before, or what failed in one.

    ``outcomes`` tells how the runs of a campaign ended, by (board, run): that is in their logs. Raises ConfigError.
    """
    if failed_from:
        if replace(wanted, probe=False) != Bench() or suite is not None:
            raise ConfigError(
                "it repeats with the options of that campaign", key="--failed-from", hint="leave the other options out"
            )
        record = campaigns.begun(session.collected, failed_from)
        request = campaigns.request_of(record, session.inventory.boards, session.catalogue(), session.collected)
        request = replace(request, probe=wanted.probe or request.probe)
        if boards:
            chosen = session.select(boards)
            request = replace(request, boards=tuple(entry for entry in request.boards if entry in chosen))
        request = campaigns.failed_only(record, request, outcomes(failed_from))
        name = campaign or new_name()
        if campaign and campaigns.load(session.collected, campaign) is not None:
            raise ConfigError(f"campaign {campaign} was begun before", key="--campaign", hint="give it another name")
        return Order(request, name)
    begun = campaigns.load(session.collected, campaign) if campaign else None
    if begun is not None and wanted == Bench() and suite is None and not boards:
        return order_again(session, begun)
    request = wanted.request(session, session.select(boards), suite)
    if begun is None:
        return Order(request, campaign or new_name())
    campaigns.same(begun, request)
    return order_again(session, begun)


def whole_number(text: str, option: str, low: int, high: int, default: int) -> int:
    """The number in ``text``; ``default`` when it is empty. Raises ConfigError."""
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise ConfigError(f"{text!r} is not a whole number from {low} to {high}", key=option)
    return int(text)


def clock_profile(text: str) -> str:
    """``as-is`` as the boards' scripts write it. Raises ConfigError."""
    if text.replace("-", "_") not in CLOCK_PROFILES:
        raise ConfigError(
            f"{text!r} is no profile of clocks",
            key="--clocks",
            hint="--clocks pinned (the highest that the board offers), no-dmc (all but the DRAM) or as-is",
        )
    return text.replace("-", "_")


def core_counts(text: str, option: str = "--cores") -> tuple[int, ...]:
    """``1,2,3`` as numbers, each once, in the order given. Raises ConfigError."""
    words = [word.strip() for word in text.split(",")]
    if not all(word in {"1", "2", "3"} for word in words):
        raise ConfigError(
            f"{text!r} is no list of NPU core counts",
            key=option,
            hint=f"{option} 1,2,3   (an RK3588 has three NPU cores)",
        )
    return tuple(dict.fromkeys(int(word) for word in words))
