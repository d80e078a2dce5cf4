"""What a person types behind an option, as values. Invoke hands over strings; a bad one is a message."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleet import defaults
from fleet.config.inventory import BoardEntry
from fleet.config.prompts import load_prompts
from fleet.errors import ConfigError
from fleet.plan import Request

if TYPE_CHECKING:
    from fleet.session import Session

PROMPTS = "suites/prompts/default.txt"


@dataclass(frozen=True)
class Bench:
    """The options of ``invoke bench`` as they were typed; empty means the default."""

    model: str = ""
    cores: str = "1,2,3"
    repeats: str = ""
    prompts: str = ""
    new_tokens: str = ""
    context: str = ""
    limit: str = ""

    def request(self, session: Session, boards: tuple[BoardEntry, ...]) -> Request:
        """What they ask for. Raises ConfigError; nothing has been touched then."""
        models = session.catalogue().models
        if not self.model and len(models) != 1:
            raise ConfigError(f"say which model: {', '.join(m.name for m in models)}", key="--model")
        return Request(
            boards=boards,
            model=session.catalogue().model(self.model) if self.model else models[0],
            cores=core_counts(self.cores),
            repeats=whole_number(self.repeats, "--repeats", 1, 1000, defaults.REPEATS),
            prompts=load_prompts(Path(self.prompts) if self.prompts else session.file(PROMPTS)),
            max_new_tokens=whole_number(self.new_tokens, "--new-tokens", 2, 2**17, defaults.MAX_NEW_TOKENS),
            max_context_len=whole_number(self.context, "--context", 32, 2**17, defaults.MAX_CONTEXT_LEN),
            limit_s=whole_number(self.limit, "--limit", 1, 7 * 86400, defaults.RUN_LIMIT_S),
        )


def whole_number(text: str, option: str, low: int, high: int, default: int) -> int:
    """The number in ``text``; ``default`` when it is empty. Raises ConfigError."""
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise ConfigError(f"{text!r} is not a whole number from {low} to {high}", key=option)
    return int(text)


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
