"""The page round the data: its frame, its policy, its one style sheet and its one script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from analysis.writers.html.safe import harmless, json_for_script

_HERE = Path(__file__).parent
SCRIPTS = ("kit.js", "filters.js", "charts.js", "report.js")
STYLE = "report.css"
# Sections in their order, by the key of their heading among the words.
SECTIONS = {
    "verdicts": "verdicts",
    "speed": "speed",
    "memory": "memory",
    "cores": "core_scaling",
    "fleet": "fleet",
    "nights": "nights",
    "runs": "runs",
    "actions": "actions",
    "marks": "marks",
    "conditions": "conditions",
    "definitions": "definitions",
}
# Below their headings, where a reader needs a word on how to read what follows.
_NOTES = {"verdicts": "verdicts_note", "memory": "memory_note", "cores": "cores_note", "nights": "nights_note"}


def page(data: Mapping[str, Any], runs: Mapping[int, str]) -> bytes:
    """The whole file. ``runs`` has the JSON of each run by its place; it is read when the run is opened."""
    data = harmless(data)
    style = _read(STYLE)
    script = "".join(map(_read, SCRIPTS))
    words = data["words"]
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    links = "".join(f'<li><a href="#{name}">{escape(words[key])}</a></li>' for name, key in SECTIONS.items())
    parts = "".join(_section(name, key, words) for name, key in SECTIONS.items())
    blocks = "".join(f'<script type="application/json" id="run-{at}">{text}</script>\n' for at, text in runs.items())
    warning = f'<p class="warning">{escape(data["warning"])}</p>' if data["warning"] else ""
    return f"""<!DOCTYPE html>
<html lang="{escape(data["language"])}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(data["title"])}</title>
<style>{style}</style>
</head>
<body>
<header>
<div class="top"><h1>{escape(data["title"])}</h1><button type="button" id="theme"></button></div>
<p class="muted">{escape(data["made"])}</p>
{warning}
<nav aria-label="{escape(words["sections"])}"><ul>{links}</ul></nav>
<noscript><p class="warning">{escape(words["noscript"])}</p></noscript>
</header>
<div id="filters" role="group" aria-label="{escape(words["filters"])}"></div>
<main>
{parts}</main>
<dialog id="run" aria-labelledby="run-title">
<div class="dialog-top"><h2 id="run-title" tabindex="-1"></h2><button type="button" id="run-close">{
        escape(words["close"])
    }</button></div>
<div id="run-body"></div>
</dialog>
<script type="application/json" id="data">{json_for_script(data)}</script>
{blocks}<script>{script}</script>
</body>
</html>
""".encode()


def _section(name: str, key: str, words: Mapping[str, str]) -> str:
    note = f'<p class="muted">{escape(words[_NOTES[name]])}</p>' if name in _NOTES else ""
    heading = f'<h2 id="{name}-h" tabindex="-1">{escape(words[key])}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-h">{heading}{note}</section>\n'


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
