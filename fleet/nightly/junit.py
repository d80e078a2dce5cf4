"""A night as JUnit XML, for a CI system: a suite a board, a case for each stage and each run that was planned."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from fleet.nightly.night import FLEET, Status
from fleet.nightly.page import Morning
from fleet.verdict import Outcome

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0, escaped or not


def junit(morning: Morning) -> bytes:
    """The document. What failed is a failure, what was not tried is skipped, and so is what is only suspected."""
    night = morning.night
    suites: dict[str, ElementTree.Element] = {}
    for stage, results in night.stages.items():
        for board, done in results.items():
            case = _case(suites, board, str(stage))
            if done.status in (Status.SICK, Status.FAILED):
                _because(case, "failure", str(done.status), done.what)
            elif done.status is Status.LEFT_OUT:
                _because(case, "skipped", str(done.status), done.what)
    for row in morning.runs:
        case, outcome = _case(suites, str(row["board"]), str(row["run"])), str(row["outcome"])
        if outcome == Outcome.SKIPPED:
            _because(case, "skipped", outcome, str(row["reason"] or ""))
        elif outcome != Outcome.OK:
            _because(case, "failure", outcome, str(row["reason"] or ""))
    for one in night.findings:
        case = _case(suites, one.board or FLEET, f"{one.kind}: {one.cell} {one.metric}".strip())
        since = f", since {one.since}" if one.since else ""
        _because(case, "failure" if one.alarm else "skipped", one.kind, one.sentence + since)
    top = ElementTree.Element("testsuites", name=night.name)
    for suite in suites.values():
        for word in ("failure", "skipped"):
            suite.set(f"{word}s" if word == "failure" else word, str(len(suite.findall(f"testcase/{word}"))))
        suite.set("tests", str(len(suite)))
        suite.set("timestamp", night.started_utc.rstrip("Z"))
        top.append(suite)
    ElementTree.indent(top)
    text: bytes = ElementTree.tostring(top, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _case(suites: dict[str, ElementTree.Element], board: str, name: str) -> ElementTree.Element:
    board = "fleet" if board == FLEET else board
    suite = suites.setdefault(board, ElementTree.Element("testsuite", name=_xml(board)))
    return ElementTree.SubElement(suite, "testcase", classname=_xml(board), name=_xml(name))


def _because(case: ElementTree.Element, word: str, kind: str, what: str) -> None:
    attributes = {"message": _xml(what)} | ({"type": _xml(kind)} if word == "failure" else {})
    ElementTree.SubElement(case, word, attributes)


def _xml(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
