"""What a person types behind an option, as values. Invoke hands over strings; a bad one is a message."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fleet import campaign as campaigns
from fleet import defaults
from fleet.bench import Order, new_name, order_again
from fleet.config.catalogue import Catalogue, Kind, Model
from fleet.config.inventory import BoardEntry
from fleet.config.prompts import load_prompts
from fleet.config.yaml_file import name_of
from fleet.errors import ConfigError
from fleet.plan import Request
from fleet.run import CLOCK_PROFILES, SAFE_NAME

if TYPE_CHECKING:
    from fleet.config.suite import Suite
    from fleet.session import Session

CORES = "1,2,3"
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

    def over(self, suite: Suite) -> Bench:
        """These options, and where one is empty, what the suite says."""
        cores = ",".join(map(str, suite.cores))
        said = replace(
            Bench(),
            cores=cores,
            **{
                name: str(value)
                for name in ("model", "repeats", "new_tokens", "context", "limit", "clocks")
                if (value := getattr(suite, name)) is not None
            },
        )
        typed = {name: text for name, text in vars(self).items() if text}
        return replace(said, prompts=f"{SUITES}/{suite.prompts}" if suite.prompts else "", **typed)

    def request(self, session: Session, boards: tuple[BoardEntry, ...]) -> Request:
        """What they ask for. Raises ConfigError; nothing has been touched then."""
        return Request(
            boards=boards,
            model=_text_model(session.catalogue(), self.model),
            cores=core_counts(self.cores or CORES),
            repeats=whole_number(self.repeats, "--repeats", 1, 1000, defaults.REPEATS),
            prompts=load_prompts(_prompt_file(session, self.prompts)),
            max_new_tokens=whole_number(self.new_tokens, "--new-tokens", 2, 2**17, defaults.MAX_NEW_TOKENS),
            max_context_len=whole_number(self.context, "--context", 32, 2**17, defaults.MAX_CONTEXT_LEN),
            limit_s=whole_number(self.limit, "--limit", 1, 7 * 86400, defaults.RUN_LIMIT_S),
            clocks=clock_profile(self.clocks or defaults.CLOCKS),
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


def _text_model(catalogue: Catalogue, name: str) -> Model:
    """The model that was named, else the first of the file. Raises ConfigError for one that can not be measured."""
    model = named_model(catalogue, name)
    if model.kind != Kind.LLM:
        raise ConfigError(
            f"{model.title} takes an image, and bench measures text models only so far",
            key="--model",
            hint=f"run the vendor's demo by hand, then invoke import LOG --model {model.name} --kind {model.kind}",
        )
    return model


def _prompt_file(session: Session, typed: str) -> Path:
    if not typed:
        return session.file(PROMPTS)
    return session.file(typed) if typed.startswith(f"{SUITES}/") else Path(typed)


def order(
    session: Session,
    wanted: Bench,
    boards: Sequence[str] | None,
    *,
    campaign: str = "",
    failed_from: str = "",
    outcomes: Callable[[str], Mapping[tuple[str, str], str]] = lambda _campaign: {},
) -> Order:
    """What ``bench`` is to do: something new, a campaign that was begun before, or what failed in one.

    ``outcomes`` tells how the runs of a campaign ended, by (board, run): that is in their logs. Raises ConfigError.
    """
    if failed_from:
        if wanted != Bench():
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
    if begun is not None and wanted == Bench() and not boards:
        return order_again(session, begun)
    request = wanted.request(session, session.select(boards))
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
