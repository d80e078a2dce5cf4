"""What docs/05 tells a person to type is what the script gives the demo, and what the demo of that version takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fleet.config.catalogue import load_catalogue
from tests.shell.test_run_vlm_benchmark import FURTHER
from tests.unit.virtual.test_vision_demo import Seen

PROJECT = Path(__file__).parents[2]
GUIDE = (PROJECT / "docs" / "05_run_multimodal_vlm.md").read_text(encoding="utf-8")
CATALOGUE = load_catalogue(PROJECT / "models.yaml", PROJECT / "none")
PLACES = {"3": "CORES", "rk3588": "PLATFORM"} | dict(
    zip(FURTHER["1.2.3"][1:], ("START", "END", "CONTENT"), strict=True)
)
# By version, the words behind the first five that the page's table has.
TOLD = {
    version: row[1].split()[5:]
    for row in re.findall(r"^\| (`[\d.`, ]+) \| `(IMAGE ENCODER MODEL NEW CONTEXT[A-Z ]*)` \|$", GUIDE, re.MULTILINE)
    for version in re.findall(r"[\d.]+", row[0])
}


def test_the_page_has_the_versions_that_boards_have() -> None:
    assert list(TOLD) == ["1.1.4", "1.2.0", "1.2.1", "1.2.2", "1.2.3", "1.3.0"]


@pytest.mark.parametrize("version", TOLD)
def test_the_arguments_on_the_page_are_those_that_the_script_gives_and_the_demo_takes(
    version: str, tmp_path: Path
) -> None:
    assert TOLD[version] == [PLACES[word] for word in FURTHER[version]]
    typed = {place: word for word, place in PLACES.items()}
    script, _ = Seen(tmp_path, version, tuple(typed[place] for place in TOLD[version])).run()
    assert (script.end, script.stderr) == (0, "")


def test_the_marks_on_the_page_are_those_of_the_models() -> None:
    said = {}
    for models, marks in re.findall(r"^(\w\S*(?:, \S+)?) {2,}('.*')$", GUIDE, re.MULTILINE):
        said |= {family.casefold(): shlex.split(marks) for family in models.split(", ")}
    for model in CATALOGUE.models:
        if model.vision is not None:
            (marks,) = (marks for family, marks in said.items() if model.name.startswith(family))
            assert marks == [model.vision.image_start, model.vision.image_end, model.vision.image_content]


def test_the_command_by_hand_is_one_that_a_demo_of_1_2_3_takes(tmp_path: Path) -> None:
    command = next(block for block in re.findall(r"```sh board\n(.*?)```", GUIDE, re.DOTALL) if "./demo " in block)
    words = shlex.split(command.replace("\\\n", " "), comments=True)
    start = words.index("./demo") + 1
    arguments = [word for word in words[start : words.index("echo")] if not word.startswith((">", "2>"))]
    files = {file for one in CATALOGUE.model("qwen3-vl-4b").files_for(standin=False) for file in [one.file]}
    assert arguments[0] == "house.png" and {arguments[1], arguments[2]} <= files
    assert "<image>" in command and "exit" in command and "RKLLM_LOG_LEVEL=1" in words
    script, _ = Seen(tmp_path, "1.2.3", tuple(arguments[5:])).run()
    assert (script.end, script.stderr) == (0, "")
