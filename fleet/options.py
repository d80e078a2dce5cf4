"""What a person types behind an option, as values. Invoke hands over strings; a bad one is a message."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fleet import campaign as campaigns
from fleet import defaults
from fleet.bench import Order, new_name, order_again
from fleet.cell import Workload
from fleet.config.catalogue import Catalogue, Model
from fleet.config.inventory import BoardEntry
from fleet.config.prompts import load_prompts
from fleet.config.yaml_file import name_of
from fleet.errors import ConfigError
from fleet.plan import Request
from fleet.run import CLOCK_PROFILES, SAFE_NAME

if TYPE_CHECKING:
    from fleet.config.suite import Suite, SuiteWorkload
    from fleet.session import Session

SUITES = "suites"
PROMPTS = "suites/prompts/default.txt"


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

    def request(self, session: Session, boards: tuple[BoardEntry, ...], suite: Suite | None = None) -> Request:
        """What they ask for, and where they say nothing, what the suite does. Raises ConfigError; nothing has been
        touched then."""
        if suite is None:
            from fleet.config.suite import Suite

            suite = Suite()
        repeats = whole_number(self.repeats, "--repeats", 1, 1000, suite.repeats or defaults.REPEATS)
        return Request(
            boards=boards,
            models=_models(session.catalogue(), self.model, suite.models),
            cores=core_counts(self.cores) if self.cores else suite.cores,
            contexts=(whole_number(self.context, "--context", 32, 2**17, 0),) if self.context else suite.contexts,
            workloads=tuple(dict.fromkeys(self._workload(session, one) for one in suite.workloads)),
            repeats=repeats,
            most_repeats=repeats if self.repeats else suite.most_repeats or repeats,
            ordering=suite.order,
            seed=suite.seed,
            limit_s=whole_number(self.limit, "--limit", 1, 7 * 86400, 0) if self.limit else suite.limit,
            clocks=clock_profile(self.clocks or suite.clocks or defaults.CLOCKS),
            gates=suite.gates.limits,
        )

    def _workload(self, session: Session, said: SuiteWorkload) -> Workload:
        prompts = f"{SUITES}/{said.prompts}" if said.prompts and not self.prompts else self.prompts
        default = said.new_tokens or defaults.MAX_NEW_TOKENS
        return Workload(
            load_prompts(_prompt_file(session, prompts)),
            whole_number(self.new_tokens, "--new-tokens", 2, 2**17, default),
        )


def named_suite(session: Session, name: str) -> Suite:
    """``suites/NAME.yaml`` of the team's own, else the project's. Raises ConfigError."""
    from fleet.config.suite import load_suite  # most verbs have none

    if not SAFE_NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no suite's name", key="--suite")
    return load_suite(session.file(f"{SUITES}/{name}.yaml"))


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


def _prompt_file(session: Session, typed: str) -> Path:
    if not typed:
        return session.file(PROMPTS)
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
        if wanted != Bench() or suite is not None:
            raise ConfigError(
                "it repeats with the options of that campaign", key="--failed-from", hint="leave the other options out"
            )
        record = campaigns.begun(session.collected, failed_from)
        request = campaigns.request_of(record, session.inventory.boards, session.catalogue())
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


def core_counts(text: str) -> tuple[int, ...]:
    """``1,2,3`` as numbers, each once, in the order given. Raises ConfigError."""
    words = [word.strip() for word in text.split(",")]
    if not all(word in {"1", "2", "3"} for word in words):
        raise ConfigError(
            f"{text!r} is no list of NPU core counts",
            key="--cores",
            hint="--cores 1,2,3   (an RK3588 has three NPU cores)",
        )
    return tuple(dict.fromkeys(int(word) for word in words))
