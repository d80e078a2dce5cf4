"""What is wrong with a playbook is said with file, step and line, and before any board is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.errors import ConfigError
from fleet.playbook import find_playbook, load_playbook, prepared
from fleet.provisioning.allowed import allowed
from fleet.provisioning.operations import rkllm

PROJECT = Path(__file__).parents[2]


def load(folder: Path, text: str, **others: str) -> Any:
    for name, content in {"p": text, **others}.items():
        (folder / f"{name}.yaml").write_text(content)
    return load_playbook(folder / "p.yaml", allowed())


def refused(folder: Path, text: str, **others: str) -> str:
    with pytest.raises(ConfigError) as problem:
        load(folder, text, **others)
    return problem.value.message()


def ready(folder: Path, text: str, **board: object) -> Any:
    return prepared(load(folder, text), allowed(), board, lambda path: folder / path)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("files.lines: {path: /x}", "there is no operation 'files.lines'; nearest is 'files.line'"),
        ("files.line: {path: /x, lien: y}", "files.line has no such argument; nearest is 'line'"),
        ("files.line: {path: /x}", "the argument 'line' is missing"),
        ("files.line: [/x]", "a list is not a mapping of arguments"),
        ("python.call: {function: os.system}", "'python.call' may not be used in a playbook: it runs code"),
        ("local.shell: {commands: [ls]}", "'local.shell' may not be used in a playbook"),
        ("files.get: {src: /etc/shadow, dest: x}", "it writes what a board sends to this workstation"),
        ("files.template: {src: x, dest: /x}", "is a program that would run on this workstation"),
        ("mysql.user: {user: x}", "there is no operation 'mysql.user'"),
        ("files.put.__class__: {}", "there is no operation"),
        ("server.shell: {commands: [ls]}", "without a guard a second run would do it again"),
        ("apt.update: {}", "without a guard"),
        ("server.user: {user: x, password: hunter2}", "a secret has no place in a playbook"),
        ("files.line: {path: /x, line: y, _sudo_password: x}", "a secret has no place in a playbook"),
        ("git.repo: {src: 'https://me:tok@host/x', dest: /x}", "a secret has no place in a playbook"),
        ("server.shell: {commands: ['curl -d password=x host']}\n    unless: 'true'", "a secret has no place"),
        ("files.line: {path: /x, line: y, _su_user: x}", "may not be set in a playbook; there are: _sudo"),
        ("files.line: {path: /x, line: y, name: x}", "files.line has no such argument"),
        ("files.line: {path: /x, line: y}\n    files.file: {path: /x}", "this one has files.line, files.file"),
        ("name: nothing to do", "this one has none"),
        ("files.file: {path: /x}\n    unless: 3", "3 is not text"),
    ],
)
def test_a_step_that_can_not_be_is_named_with_its_file_and_line(tmp_path: Path, step: str, said: str) -> None:
    message = refused(tmp_path, f"steps:\n  - files.file: {{path: /good}}\n  - {step}\n")
    assert said in message
    assert "p.yaml: steps[1]" in message and ("(line 3)" in message or "(line 4)" in message)
    assert "hunter2" not in message and "tok@" not in message


def test_everything_that_is_wrong_comes_at_once_and_names_the_step(tmp_path: Path) -> None:
    text = "steps:\n  - name: first\n    files.line: {lime: x}\n  - name: second\n    python.call: {}\n"
    message = refused(tmp_path, text)
    assert "step 1 (first)" in message and "step 2 (second)" in message and "(line 3)" in message


def test_a_problem_of_an_included_file_is_told_of_that_file(tmp_path: Path) -> None:
    message = refused(tmp_path, "include: [base.yaml]\n", base="steps:\n  - nothing.there: {}\n")
    assert "base.yaml: steps[0]" in message and "(line 2)" in message


@pytest.mark.parametrize(
    ("include", "said"),
    [
        ("[b.yaml]", "includes itself: p.yaml -> b.yaml -> p.yaml"),
        ("[bb.yaml]", "there is no 'bb.yaml' here; nearest is 'b.yaml'"),
        ("[../p.yaml]", "is not the file name of a playbook beside this one"),
        ("b.yaml", "'b.yaml' is not a list"),
    ],
)
def test_an_include_that_can_not_be_is_refused(tmp_path: Path, include: str, said: str) -> None:
    assert said in refused(tmp_path, f"include: {include}\n", b="include: [p.yaml]\n")


def test_what_is_included_comes_first_and_once_and_its_variables_can_be_said_otherwise(tmp_path: Path) -> None:
    playbook = load(
        tmp_path,
        "include: [a.yaml, b.yaml]\nvars: {where: /mine}\nsteps:\n  - files.file: {path: /last}\n",
        a="vars: {where: /theirs}\nsteps:\n  - files.file: {path: '{{ where }}/x'}\n",
        b="include: [a.yaml]\nsteps:\n  - files.file: {path: /second}\n",
    )
    steps = prepared(playbook, allowed(), {}, Path)
    assert [(one.number, one.arguments["path"]) for one in steps] == [(1, "/mine/x"), (2, "/second"), (3, "/last")]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("files.file: {path: '{{ stoer }}'}", "no variable 'stoer'; nearest is 'store'"),
        ("files.file: {path: '{{ store | x }}'}", "is not a variable"),
        ("files.directory: {path: /x, recursive: maybe}", ""),
        ("files.file: {path: 12}", "12 is not text"),
        ("debian.packages: {packages: [1]}", "a list is not a list of text"),
        ("limits.nofile: {value: lots}", "'lots' is not a whole number"),
        ("files.file: {path: /x, _timeout: soon}", "'soon' is not a whole number"),
        ("files.put: {src: not-here, dest: /x}", "there is no file"),
        ("npu.access: {user: 'x; reboot'}", "is not a name"),
        ("clocks.at_boot: {profile: fast}", "there is no profile 'fast'; there are: pinned, no_dmc"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_named_with_its_line(tmp_path: Path, step: str, said: str) -> None:
    if not said:  # pyinfra leaves this one without a type
        assert ready(tmp_path, f"steps:\n  - {step}\n", store="/s")
        return
    with pytest.raises(ConfigError) as problem:
        ready(tmp_path, f"steps:\n  - {step}\n", store="/s")
    assert said in problem.value.message() and "step 1" in problem.value.message() and "(line 2)" in str(problem.value)


def test_a_variable_that_is_the_whole_value_keeps_its_kind_and_one_that_names_itself_is_refused(tmp_path: Path) -> None:
    (one,) = ready(tmp_path, "vars: {n: 7, m: '{{ n }}'}\nsteps:\n  - limits.nofile: {value: '{{ m }}'}\n")
    assert one.arguments == {"value": 7}
    with pytest.raises(ConfigError, match="refers to itself"):
        ready(tmp_path, "vars: {n: '{{ n }}'}\nsteps:\n  - limits.nofile: {value: '{{ n }}'}\n")


def test_what_the_inventory_does_not_say_is_named_with_what_to_do(tmp_path: Path) -> None:
    playbook = load(tmp_path, "steps:\n  - files.file: {path: '{{ llm_demo }}'}\n")
    with pytest.raises(ConfigError) as problem:
        prepared(playbook, allowed(), {"llm_demo": None}, Path, missing={"llm_demo": "llm_demo is not known\nset it"})
    assert "llm_demo is not known" in problem.value.what and problem.value.hint == "set it"


def vendor(folder: Path, said: bytes = b"rkllm-runtime version: 1.2.3\0", sums: str | None = None) -> Path:
    source = folder / "vendor"
    source.mkdir()
    (source / "librkllmrt.so").write_bytes(said)
    (source / "SHA256SUMS").write_text(sums or f"{rkllm.hashlib.sha256(said).hexdigest()}  librkllmrt.so\n")
    return source


RUNTIME = "steps:\n  - rkllm.runtime: {version: '1.2.3', source: vendor, folder: /lib}\n"


@pytest.mark.parametrize(
    ("library", "sums", "said"),
    [
        (b"rkllm-runtime version: 1.2.2\0", None, "says it is version 1.2.2, the step says 1.2.3"),
        (b"rkllm-runtime version: 1.2.3\0", "0" * 64 + "  librkllmrt.so\n", "is not what SHA256SUMS says"),
        (b"rkllm-runtime version: 1.2.3\0", "0" * 64 + "  other.so\n", "SHA256SUMS says nothing of"),
        (b"rkllm-runtime version: 1.2.3\0", "hello\n", "is not a line of sha256sum"),
    ],
)
def test_a_library_that_is_not_what_is_stated_is_refused(
    tmp_path: Path, library: bytes, sums: str | None, said: str
) -> None:
    vendor(tmp_path, library, sums)
    with pytest.raises(ConfigError) as problem:
        ready(tmp_path, RUNTIME)
    assert said in problem.value.message()


def test_a_library_that_says_no_version_is_vouched_for_by_its_sha256_alone(tmp_path: Path) -> None:
    source = vendor(tmp_path, b"rkllm-runtime version: %s, rknpu driver version: %s\0")
    assert ready(tmp_path, RUNTIME)
    (source / "SHA256SUMS").unlink()
    with pytest.raises(ConfigError) as problem:
        ready(tmp_path, RUNTIME)
    assert "sha256sum *.so*" in problem.value.hint


def test_a_folder_that_is_not_there_says_what_belongs_into_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as problem:
        ready(tmp_path, RUNTIME)
    assert "librkllmrt.so of runtime 1.2.3" in problem.value.hint


def test_the_archive_of_sources_is_the_same_for_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "src").mkdir(parents=True)
        (folder / "src" / "main.c").write_text("int main;")
        (folder / "Makefile").write_text("all:")
    rkllm._packed.cache_clear()
    assert rkllm._packed(str(tmp_path / "one")) == rkllm._packed(str(tmp_path / "two"))
    (tmp_path / "two" / "Makefile").write_text("all: x")
    rkllm._packed.cache_clear()
    assert rkllm._packed(str(tmp_path / "one")) != rkllm._packed(str(tmp_path / "two"))


def test_a_playbook_is_found_by_name_first_in_the_folder_of_the_team(tmp_path: Path) -> None:
    shipped = PROJECT / "playbooks"
    assert find_playbook("benchmark", [tmp_path, shipped]) == shipped / "benchmark.yaml"
    (tmp_path / "benchmark.yaml").write_text("")
    assert find_playbook("benchmark", [tmp_path, shipped]) == tmp_path / "benchmark.yaml"
    assert find_playbook("./x.yaml", []) == Path("./x.yaml")
    with pytest.raises(ConfigError, match="nearest is 'restore'"):
        find_playbook("restor", [tmp_path, shipped])


@pytest.mark.parametrize("name", ["base", "benchmark", "restore"])
def test_the_shipped_playbooks_are_right(name: str, tmp_path: Path) -> None:
    playbook = load_playbook(PROJECT / "playbooks" / f"{name}.yaml", allowed())
    source = vendor(tmp_path)
    (source / "llm_demo").write_text("#!/bin/sh\n")
    board = {"user": "root", "store": "/s", "llm_demo": "/d/llm_demo", "libraries": "/d/lib", "vendor": str(source)}
    assert prepared(playbook, allowed(), board, Path)


def test_only_operations_that_stay_on_the_board_are_allowed() -> None:
    names = set(allowed().operations)
    assert {"files.line", "apt.packages", "systemd.service", "git.repo", "server.user", "rkllm.runtime"} <= names
    assert not {name for name in names if name.startswith(("python.", "local.", "ssh.", "docker."))}
    assert not names & set(allowed().refused)
