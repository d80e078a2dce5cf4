"""Drives boards: inventory, connection, facts, push, runs, campaigns, collection. Never reads a log for meaning."""

VERSION = "0.1.0"  # as in pyproject.toml; goes into every run's spec
