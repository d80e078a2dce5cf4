"""Files that people wrote: plain data with lines, or one clear message."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fleet.config.yaml_file import MAX_FILE_BYTES, meant, name_of, nearest, parse_yaml, read_yaml, shown
from fleet.errors import ConfigError

LOADERS = pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader], ids=["python", "libyaml"])


@LOADERS
def test_values_are_those_of_yaml_1_2_and_keys_are_the_text_as_written(loader: type) -> None:
    text = "on: [yes, no, off, true, 22:30, 012, 0x1f, 1.50, 1.2.3, 2024-01-01, ~, '7', 1e3]\n12: {off: }\n"
    assert parse_yaml(text, "f", loader=loader).data == {
        "on": ["yes", "no", "off", True, "22:30", 12, "0x1f", 1.5, "1.2.3", "2024-01-01", None, "7", 1000.0],
        "12": {"off": None},
    }


@LOADERS
def test_every_place_knows_its_line(loader: type) -> None:
    document = parse_yaml("# first\nboards:\n  a:\n    tags:\n      - x\n      - y\n", "f", loader=loader)
    assert document.line(("boards", "a", "tags", 1)) == 6
    assert document.line(("boards", "a", "port")) == 3, "what is not written is shown where it would stand"
    assert document.line(("groups",)) is None


@LOADERS
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: is empty"),
        ("# nothing\n\n", "f: is empty"),
        ("--- \n", "f: is empty"),
        ("- a\n- b\n", "f: has no 'key: value' lines on its top level"),
        ("words\n", "f: has no 'key: value' lines on its top level"),
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "f: 'b.c' is written twice, first on line 3 (line 5)"),
        ("a: &x [1]\nb: *x\n", "f: the alias '*x' is not followed; write the value out (line 2)"),
        ("a: 1\n---\nb: 2\n", "f: a second document starts here; one file is one document (line 2)"),
        (
            "a: !!binary aGk=\n",
            "f: the tag 'tag:yaml.org,2002:binary' is not read; a value is text or a number (line 1)",
        ),
        ("[a, b]\n", "f: has no 'key: value' lines on its top level"),
        ("? [a, b]\n: 1\n", "f: a key is one word, not a list or mapping (line 1)"),
        ("a:\n  b: 1\n\tc: 2\n", "f: a tab stands where YAML wants spaces (line 3)"),
        ("a: " + "[" * 40 + "]" * 40 + "\n", "f: more than 16 levels inside each other (line 1)"),
    ],
)
def test_what_could_surprise_is_refused_with_its_line(text: str, message: str, loader: type) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f", loader=loader)
    assert str(caught.value) == message


@LOADERS
def test_text_that_is_no_yaml_says_where(loader: type) -> None:
    with pytest.raises(ConfigError, match=r"^f: is not YAML: .*mapping values.* goes in quotes \(line 2\)$"):
        parse_yaml("a: 1\nb: c: d\n", "f", loader=loader)
    with pytest.raises(ConfigError, match=r"^f: is not YAML: .*control characters|special characters"):
        parse_yaml("a: \x01\n", "f", loader=loader)


@LOADERS
def test_half_a_character_is_refused_because_no_file_name_could_hold_it(loader: type) -> None:
    with pytest.raises(ConfigError, match=r"(surrogate|escape code).*\(line 2\)$"):
        parse_yaml('a: 1\nb: "x\\uD800"\n', "f", loader=loader)


@LOADERS
def test_an_alias_bomb_is_refused_at_its_first_alias(loader: type) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    with pytest.raises(ConfigError, match=r"alias '\*a0'.*\(line 2\)"):
        parse_yaml("\n".join(rows), "f", loader=loader)


def test_a_file_that_can_not_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_bytes(b"boards:\n  a: {user: \xff}\n")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "large.yaml").open("wb") as large:
        large.truncate(MAX_FILE_BYTES + 1)
    for name, message in (
        ("inventori.yaml", "there is no such file; nearest is 'inventory.yaml'"),
        ("inventory.yaml", "byte 0xff is not UTF-8 text (line 2)"),
        ("folder", "this is not a file"),
        ("large.yaml", "is larger than the 4 MiB that are read"),
        ("a\0b", "there is no such file"),
    ):
        with pytest.raises(ConfigError) as caught:
            read_yaml(tmp_path / name)
        assert caught.value.what == message
        assert caught.value.file == str(tmp_path / name)


def test_a_file_below_the_current_folder_is_named_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        read_yaml(tmp_path / "lab" / "boards.yaml")
    assert str(caught.value) == "lab/boards.yaml: there is no such file"
    assert name_of(Path("/elsewhere/boards.yaml")) == "/elsewhere/boards.yaml"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: d\r\n")
    assert read_yaml(path).data == {"a": 1, "b": {"c": "d"}}


def test_the_nearest_name_is_the_one_that_was_meant() -> None:
    assert nearest("adress", ["port", "address", "user"]) == "address"
    assert nearest("QWEN3-0.6", ["qwen3-0.6b", "qwen3-4b"]) == "qwen3-0.6b"
    assert nearest("zzz", ["port", "user"]) is None
    assert meant("zzz", ["port", "user"]) == "there are: port, user"
    assert meant("zzz", [str(n) for n in range(14)]).endswith("10, 11 and 2 more")
    assert meant("zzz", []) == "there are none"


def test_a_value_in_a_message_can_not_move_the_cursor_nor_show_a_key() -> None:
    assert shown("\x1b[2J\u202e") == "'\\x1b[2J\\u202e'"
    assert len(shown("x" * 10_000)) < 70
    assert shown("-----BEGIN OPENSSH PRIVATE KEY-----\nabc") == "the text of a private key"


@LOADERS
@given(raw=st.binary(max_size=200) | st.text(alphabet="ab:-[]{},&*!|>'\"#\n\t \\uD8", max_size=60).map(str.encode))
def test_any_bytes_are_a_mapping_or_a_config_error(loader: type, raw: bytes) -> None:
    try:
        document = parse_yaml(raw.decode("utf-8", errors="replace"), "f", loader=loader)
    except ConfigError as error:
        assert str(error).startswith("f: ")
    else:
        assert isinstance(document.data, dict)
