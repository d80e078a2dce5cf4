"""The model files: there, of the right size, and with the sha256 that the board remembers of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.checks.check import Check, Finding, Subject, Verdict, Wanted

_WORST = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN)
_NAMED = 3  # files named in one finding


class ModelFiles(Check):
    """No gigabyte is read for it: what the board has not hashed since the file changed is unknown until a push."""

    name = "model-files"
    reads = "size of each copy on the board, and the sha256 remembered of it, beside `models.yaml`"
    rule = (
        "each file asked for is on the board with the catalogue's size and sha256; what this workstation can push is a "
        "warning; without `--model`, only what is there is judged"
    )
    action = "copy the file to `models/` here: `invoke push` and `invoke bench` send it, verified"

    def judge(self, board: Subject) -> Finding:
        if not isinstance(board.get("check.files"), list):
            return self.unknown(board.why("check.files"))
        found: dict[Verdict, list[str]] = {}
        good = 0
        for wanted in board.wanted:
            for verdict, said in self._one(board, wanted):
                if verdict is Verdict.OK:
                    good += 1
                else:
                    found.setdefault(verdict, []).append(f"{wanted.file.file} {said}")
        for verdict in _WORST:
            if all_said := found.get(verdict):
                rest = len(all_said) - _NAMED
                seen = "; ".join(all_said[:_NAMED]) + (f"; and {rest} more" if rest > 0 else "")
                if verdict is Verdict.FAIL:
                    return self.fail(seen)
                if verdict is Verdict.WARN:
                    return self.warn(seen, "nothing: a bench sends it; or now: `invoke push`")
                return self.unknown(seen, "`invoke push` reads it and compares")
        return self.ok(f"{good} there with the right sha256" if good else "none of models.yaml is there yet")

    def _one(self, board: Subject, wanted: Wanted) -> Iterator[tuple[Verdict, str]]:
        copies = [copy for copy in board.rows("check.files") if copy.get("name") == wanted.file.file]
        how = [_how(wanted, copy) for copy in copies]
        if Verdict.OK in how:
            yield Verdict.OK, ""
        elif Verdict.UNKNOWN in how:
            yield Verdict.UNKNOWN, "is there, and its sha256 was not computed since it changed"
        elif copies:
            said = f"at {copies[0].get('path')} is another file than models.yaml says"
            if wanted.here or (wanted.file.standin and board.files_asked):
                yield Verdict.WARN, f"{said}: the right one is sent"
            else:
                yield Verdict.FAIL, f"{said}, and there is no copy here"
        elif board.files_asked:
            if wanted.here or wanted.file.standin:
                yield Verdict.WARN, "is not there yet: it is sent"
            else:
                yield Verdict.FAIL, "is neither on the board nor in models/ here"


def _how(wanted: Wanted, copy: Mapping[str, Any]) -> Verdict:
    file, size, sha256 = wanted.file, copy.get("size_bytes"), copy.get("sha256")
    if file.size_bytes not in (None, size) or size == 0:
        return Verdict.FAIL
    if file.sha256 is None:
        return Verdict.OK
    if sha256 is None:
        return Verdict.UNKNOWN
    return Verdict.OK if sha256 == file.sha256 else Verdict.FAIL
