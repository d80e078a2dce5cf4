"""The numbers of a model that memory and speed follow from, and the sizes of its tensors.

A decoder is ``layers`` times attention and feed-forward, and one head. RKLLM keeps the head as a tensor of its own even
where the model ties it to the embedding, so ``tied`` saves nothing here; it is kept because people ask.

In a mixture of experts a layer has ``experts`` small feed-forwards and a router; a token passes ``active_experts`` of
them. So all of them count in memory and the active ones in speed. ``shared_experts`` are passed by every token, and the
first ``dense_layers`` have an ordinary feed-forward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

KV_BYTES = 2  # fp16, for K and for V


@dataclass(frozen=True)
class Vision:
    """The vision encoder that a VLM loads beside its decoder, an ``.rknn`` of its own in fp16."""

    parameters: int
    image_tokens: int  # what one image becomes in the prompt
    patches: int | None = None  # what the encoder itself sees; None is four to a token, as Qwen-VL and InternVL merge
    size_bytes: int | None = None  # of the .rknn, where it is known; None is two bytes a parameter

    @property
    def encoder_patches(self) -> int:
        """Patches of one image in the encoder."""
        return 4 * self.image_tokens if self.patches is None else self.patches


@dataclass(frozen=True)
class Architecture:
    """One decoder, with its vision encoder if it has one. Names as in ``models.yaml``, numbers as in config.json."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    tied: bool = False
    experts: int = 0  # 0 is a dense model
    active_experts: int = 0
    expert_ffn: int = 0
    shared_experts: int = 0
    dense_layers: int = 0
    vision: Vision | None = None

    def __post_init__(self) -> None:
        for name in ("layers", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocab"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: not above 0")
        if self.experts and not (0 < self.active_experts <= self.experts and self.expert_ffn > 0):
            raise ValueError("a mixture of experts needs expert_ffn, and active_experts up to experts")
        if not 0 <= self.dense_layers <= self.layers:
            raise ValueError(f"dense_layers is {self.dense_layers} of {self.layers} layers")

    @property
    def moe(self) -> bool:
        """Is it a mixture of experts?"""
        return self.experts > 0

    @property
    def body_weights(self) -> int:
        """Weights of all layers: what memory must hold."""
        return self._body(self.experts)

    @property
    def active_body_weights(self) -> int:
        """Weights of all layers that one token passes: what is read to make it."""
        return self._body(self.active_experts)

    @property
    def head_weights(self) -> int:
        """Weights of the head, and as many again of the word embeddings."""
        return self.vocab * self.hidden

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of K and V that one token of context adds, over all layers."""
        return 2 * KV_BYTES * self.layers * self.kv_heads * self.head_dim

    def _body(self, experts: int) -> int:
        attention = 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)
        dense = 3 * self.hidden * self.ffn
        mixed = 3 * self.hidden * self.expert_ffn * (experts + self.shared_experts) + self.hidden * self.experts
        plain = self.dense_layers if self.moe else self.layers
        return self.layers * attention + plain * dense + (self.layers - plain) * mixed


_NUMBERS = frozenset(field.name for field in fields(Architecture)) - {"vision"}
_VISION = frozenset(field.name for field in fields(Vision))


def architecture_of(numbers: Mapping[str, Any]) -> Architecture:
    """The architecture in plain data, such as an entry of ``models.yaml``.

    What is None counts as not given. Keys that are no number of ours (a source, a note) are left out, so that
    a catalogue may say more than a prediction needs. ``vision`` is a mapping, or None.
    """
    given = {key: value for key, value in numbers.items() if key in _NUMBERS and value is not None}
    seen = numbers.get("vision")
    vision = None if seen is None else {key: seen[key] for key in seen if key in _VISION}
    try:
        return Architecture(**given, vision=None if vision is None else Vision(**vision))
    except TypeError as wrong:
        raise ValueError(f"numbers are missing: {wrong}") from None
