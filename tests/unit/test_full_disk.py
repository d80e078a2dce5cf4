"""This workstation's disk fills up in the middle of a write: no half file, what was there stays, and it is said."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.small_disk import SmallDisk, small_disk

PROJECT = Path(__file__).parents[2]
BEGIN = """
import errno, json, sys
from pathlib import Path
here = Path(sys.argv[1])
def caught(call, *words):
    try:
        call(*words)
    except Exception as error:
        return [type(error).__name__, str(error), getattr(error, 'hint', '')]
    return None
def files():
    return sorted(str(path.relative_to(here)) for path in here.rglob('*') if path.is_file())
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", "256k") as made:
        yield made


def run(disk: SmallDisk, script: str) -> Any:
    argv = disk.inside([sys.executable, "-c", BEGIN + script, str(disk.folder)], PROJECT)
    done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("module", "call", "error"),
    [
        ("fleet.evidence", "write_file(here / 'x', data)", "OSError"),
        ("analysis.writers.files", "write_whole(here / 'x', data)", "CannotWrite"),
        ("virtual.whole", "write_whole(here / 'x', data)", "OSError"),
    ],
)
def test_a_file_that_does_not_fit_leaves_the_old_one(disk: SmallDisk, module: str, call: str, error: str) -> None:
    script = f"""
from {module} import *
from {module} import {call.partition("(")[0]}
data = b'old'
{call}
data = b'new' * 200_000
print(json.dumps([caught(lambda: {call}), (here / 'x').read_text(), files()]))
"""
    seen, old, files = run(disk, script)
    assert seen[0] == error and "No space left on device" in seen[1]
    assert (old, files) == ("old", ["x"])


def test_a_log_that_does_not_fit_goes_on_at_the_same_byte_when_there_is_space_again(disk: SmallDisk) -> None:
    script = """
from fleet.evidence import RunFolder
filler = here / 'filler'
filler.write_bytes(bytes(190_000))
folder = RunFolder(here, 'c', 'b', 'r')
folder.append('stdout.log', 0, b'a' * 20_000)
full = caught(folder.append, 'stdout.log', 20_000, b'b' * 100_000)
size = (folder.part / 'stdout.log').stat().st_size
hidden = not (here / 'c/b/r').exists()
filler.unlink()
folder.append('stdout.log', 20_000, b'b' * 100_000)
final = folder.finish()
import hashlib
data = (final / 'stdout.log').read_bytes()
listed = json.loads((final / 'manifest.json').read_text())['files']['stdout.log']
same = listed == {'bytes': 120_000, 'sha256': hashlib.sha256(data).hexdigest()}
print(json.dumps([full, size, hidden, same, data == b'a' * 20_000 + b'b' * 100_000]))
"""
    full, size, hidden, same, whole = run(disk, script)
    assert full[0] == "NoSpace" and "on this workstation" in full[1] and "invoke collect" in full[2]
    assert (size, hidden, same, whole) == (20_000, True, True, True)


def test_evidence_that_can_not_be_finished_stays_invisible(disk: SmallDisk) -> None:
    script = """
from fleet.evidence import RunFolder
folder = RunFolder(here, 'c', 'b', 'r')
with (here / 'filler').open('wb', buffering=0) as filler:
    try:
        while filler.write(bytes(4096)):
            pass
    except OSError:
        pass
errors = [caught(folder.put, 'end.json', b'x' * 5000), caught(folder.finish)]
print(json.dumps([errors, (here / 'c/b/r').exists()]))
"""
    errors, visible = run(disk, script)
    assert [error[0] for error in errors] == ["NoSpace", "NoSpace"] and visible is False


def test_an_import_that_will_not_fit_is_refused_before_anything_is_written(disk: SmallDisk, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_bytes(b"I rkllm: rkllm-runtime version: 1.2.3\n" * 20_000)
    script = f"""
from fleet.config.catalogue import load_catalogue
from fleet.manual import import_logs
from fleet.stated import Stated
stated = Stated.typed(board_model='b', model='m')
catalogue = load_catalogue(Path('models.yaml'))
print(json.dumps([
    caught(lambda: import_logs({str(log)!r}, stated, collected=here / 'collected', catalogue=catalogue, tool='0')),
    files(),
]))
"""
    error, files = run(disk, script)
    assert error[0] == "NoSpace" and "on this workstation" in error[1] and error[2]
    assert files == []
