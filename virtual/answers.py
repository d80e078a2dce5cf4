"""Something to say: plausible text, one token at a time, the same for the same question and model."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

SHORTEST, LONGEST = 170, 900  # tokens of an answer that nothing cuts

_WORDS = (
    " the",
    " board",
    " memory",
    " model",
    " time",
    " heat",
    " water",
    " light",
    " number",
    " answer",
    " small",
    " large",
    " first",
    " second",
    " each",
    " because",
    " when",
    " into",
    " through",
    " between",
    " depends",
    " means",
    " shows",
    " keeps",
    " moves",
    " grows",
    " is",
    " are",
    " and",
    " or",
    " of",
    " to",
    " in",
    " a",
    " that",
    " with",
    " not",
    " most",
    " often",
    " again",
)


def prompt_tokens(prompt: str) -> int:
    """How many tokens a prompt is, the chat template's own included."""
    wide = sum(1 for character in prompt if ord(character) > 0x2E80)
    return 11 + round(0.7 * wide + 0.26 * (len(prompt) - wide))


def natural_length(prompt: str, model: str, factor: float) -> int:
    """How many tokens the model would say if nothing cut it short."""
    dice = random.Random(hashlib.sha256(f"{model}\0{prompt}".encode()).digest())
    return max(2, round(dice.randint(SHORTEST, LONGEST) * factor))


def tokens(prompt: str, model: str) -> Iterator[str]:
    """The answer's tokens, without end: sentences, now and then a new line."""
    dice = random.Random(hashlib.sha256(f"{prompt}\0{model}".encode()).digest())
    if model.startswith("qwen3") and "-vl" not in model:  # thinking switched off by the template leaves this behind
        yield from ("<think>", "\n\n", "</think>", "\n\n")
    gap = ""
    while True:
        yield gap + dice.choice(_WORDS).strip().capitalize()
        for _ in range(dice.randint(5, 15)):
            yield dice.choice(_WORDS)
        yield "."
        gap = " "
        if dice.random() < 0.25:
            yield "\n\n"
            gap = ""
