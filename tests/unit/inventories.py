"""Inventories for tests: written as text, read as the fleet reads them."""

from __future__ import annotations

from pathlib import Path

from fleet.config.inventory import Inventory, load_inventory

HOSTILE = "1; touch pwned #"


def load(tmp_path: Path, text: str | bytes) -> Inventory:
    path = tmp_path / "inventory.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_inventory(path)


def board(text: str) -> str:
    """An inventory of one board with this flow mapping."""
    return f"boards:\n  a: {text}\n"
