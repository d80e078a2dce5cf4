"""Architectures for tests: those of published models, and any that a strategy can think of."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from analysis.architecture import Architecture, Vision
from analysis.references import load_architectures, load_references

PROJECT = Path(__file__).parents[2]
KNOWN = load_architectures(PROJECT / "references")
PUBLISHED = load_references(PROJECT / "references")

_vision = st.none() | st.builds(
    Vision,
    parameters=st.integers(10**6, 10**9),
    image_tokens=st.integers(1, 4096),
    patches=st.none() | st.integers(1, 16384),
    size_bytes=st.none() | st.integers(10**6, 10**10),
)


@st.composite
def architectures(draw: st.DrawFn, moe: bool | None = None) -> Architecture:
    """Any decoder, dense or a mixture of experts, with or without a vision encoder."""
    layers = draw(st.integers(1, 100))
    experts = draw(st.integers(2, 256)) if (draw(st.booleans()) if moe is None else moe) else 0
    return Architecture(
        layers=layers,
        hidden=draw(st.integers(64, 8192)),
        heads=draw(st.integers(1, 64)),
        kv_heads=draw(st.integers(1, 64)),
        head_dim=draw(st.integers(16, 256)),
        ffn=draw(st.integers(64, 32768)),
        vocab=draw(st.integers(100, 300_000)),
        experts=experts,
        active_experts=draw(st.integers(1, experts)) if experts else 0,
        expert_ffn=draw(st.integers(16, 4096)) if experts else 0,
        shared_experts=draw(st.integers(0, 4)) if experts else 0,
        dense_layers=draw(st.integers(0, layers)) if experts else 0,
        vision=draw(_vision),
    )
