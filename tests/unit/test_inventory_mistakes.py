"""The mistakes in an inventory: each is one line that names the key, what was got and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.config.inventory import Inventory, Shared, Virtual, Written
from fleet.errors import ConfigError, ExitCode
from tests.unit.inventories import HOSTILE, board, load
from virtual.layouts import LAYOUTS


def messages(tmp_path: Path, text: str) -> list[str]:
    """Each problem as 'key: what', without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert caught.value.exit_code == ExitCode.USAGE
    rows = str(caught.value).splitlines()
    prefix = f"{tmp_path / 'inventory.yaml'}: "
    assert all(row.startswith(prefix) for row in rows)
    return [row.removeprefix(prefix) for row in rows]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{adress: h}", "boards.a.adress: there is no such key; nearest is 'address' (line 2)"),
        (
            "{address: h, paths: {lllm_demo: /x}}",
            "boards.a.paths.lllm_demo: there is no such key; nearest is 'llm_demo' (line 2)",
        ),
        ("{address: h, zzz: 1}", "boards.a.zzz: there is no such key; there are: port, user, key, "),
        ("{address: h, password: geheim}", "boards.a.password: a secret has no place in this file; "),
        ("{address: h, ssh_token: geheim}", "boards.a.ssh_token: a secret has no place in this file; "),
        ("{address: h, port: abc}", "boards.a.port: 'abc' is not a whole number from 1 to 65535 (line 2)"),
        ("{address: h, port: '22'}", "boards.a.port: '22' is not a whole number from 1 to 65535 (line 2)"),
        ("{address: h, port: 0}", "boards.a.port: 0 is not a whole number from 1 to 65535 (line 2)"),
        ("{address: h, port: true}", "boards.a.port: true is not a whole number from 1 to 65535 (line 2)"),
        ("{address: h, port: }", "boards.a.port: has no value; expected a whole number from 1 to 65535 (line 2)"),
        ("{address: h, port: [22]}", "boards.a.port: a list is not a whole number from 1 to 65535 (line 2)"),
        ("{address: h, sudo: yes}", "boards.a.sudo: 'yes' is not true or false (line 2)"),
        ("{address: h, ram_gib: .inf}", "boards.a.ram_gib: '.inf' is not GiB, a number above 0 (line 2)"),
        ("{address: 10.5}", "boards.a.address: 10.5 is not a host name or an IP address (line 2)"),
        (
            "{address: -oProxyCommand=x}",
            "boards.a.address: '-oProxyCommand=x' is not a host name or an IP address; a '-' in",
        ),
        (
            "{address: root@h}",
            "boards.a.address: 'root@h' is not a host name or an IP address; the user goes into 'user'",
        ),
        (
            "{address: 'h:22'}",
            "boards.a.address: 'h:22' is not a host name or an IP address; the port goes into 'port'",
        ),
        ("{address: '[::1]'}", "boards.a.address: '[::1]' is not a host name or an IP address; an IPv6 address stands"),
        ("{address: 'a b'}", "boards.a.address: 'a b' is not a host name or an IP address (line 2)"),
        ('{address: "h\\n"}', "boards.a.address: 'h\\n' is not a host name or an IP address (line 2)"),
        (
            f"{{address: '{HOSTILE}'}}",
            "boards.a.address: '1; touch pwned #' is not a host name or an IP address (line 2)",
        ),
        ("{address: h, user: -l}", "boards.a.user: '-l' is not a user: "),
        (f"{{address: h, user: '{HOSTILE}'}}", "boards.a.user: '1; touch pwned #' is not a user: "),
        (f"{{address: h, tags: ['{HOSTILE}']}}", "boards.a.tags[0]: '1; touch pwned #' is not a name: "),
        ("{address: h, tags: [x, y, x]}", "boards.a.tags: 'x' is in the list twice (line 2)"),
        ("{address: h, tags: x}", "boards.a.tags: 'x' is not a list of names (line 2)"),
        ("{address: h, jump: -J}", "boards.a.jump: '-J' is not a host name or an IP address; a '-' in front"),
        ("{address: h, jump: 'u@h:x'}", "boards.a.jump: port 'x' of 'u@h:x' is not a whole number from 1 to 65535"),
        ("{address: h, jump: '-u@h'}", "boards.a.jump: '-u' is not a user: "),
        ("{address: h, key: 7}", "boards.a.key: 7 is not the path of a private key file (line 2)"),
        ("{address: h, key: -i}", "boards.a.key: '-i' is not a path here: a '-' in front would be read as an option"),
        (
            "{address: h, key: ~nobodyhere/k}",
            "boards.a.key: there is no home of '~nobodyhere' on this machine (line 2)",
        ),
        ("{address: h, paths: {llm_demo: -x}}", "boards.a.paths.llm_demo: '-x' is not a path here: a '-' in front"),
        (
            "{address: h, paths: {llm_demo: ~u/x}}",
            "boards.a.paths.llm_demo: '~u/x': '~user' is not expanded on the board",
        ),
        ('{address: h, paths: {store: "a\\nb"}}', "boards.a.paths.store: 'a\\nb' is not a path: it has a line break"),
        (
            '{address: h, paths: {libraries: ["a\\0b"]}}',
            "boards.a.paths.libraries[0]: 'a\\x00b' is not a path: it has a",
        ),
        ("{address: h, paths: {store: ''}}", "boards.a.paths.store: an empty text is not a path (line 2)"),
        (
            "{address: h, power: {off: [x]}}",
            "boards.a.power.on: is missing; expected a list with a command and its words",
        ),
        (
            "{address: h, power: {off: [], on: [x]}}",
            "boards.a.power.off: an empty list says nothing; leave the key out",
        ),
        (
            "{address: h, power: {off: [x, 1], on: [x]}}",
            "boards.a.power.off[1]: 1 is not a text (numbers go in quotes)",
        ),
        ("{address: h, power: {off: ['http://u:geheim@h'], on: [x]}}", "boards.a.power.off[0]: a secret has no place"),
        ("{address: h, power: {off: ['--password=geheim'], on: [x]}}", "boards.a.power.off[0]: a secret has no place"),
        ("{virtual: maybe}", "boards.a.virtual: 'maybe' is not true, false or a mapping with time_scale, faults"),
        (
            "{virtual: {faults: [oomm]}}",
            "boards.a.virtual.faults[0]: 'oomm' is not one of unreachable, driver_too_old, oom,",
        ),
        (
            "{virtual: {runtime: 1.2}}",
            f"boards.a.virtual.runtime: 1.2 is not one of {', '.join(LAYOUTS)}, in quotes (line 2)",
        ),
        ("{virtual: {runtime: 1.2.4}}", "boards.a.virtual.runtime: '1.2.4' is not one of 1.1.0, 1.1.1, 1.1.2, 1.1.3,"),
        ("{virtual: {runtime: [1.2.3]}}", "boards.a.virtual.runtime: a list is not one of 1.1.0, 1.1.1, 1.1.2, 1.1.3,"),
        (
            "{virtual: {driver: 0.9}}",
            "boards.a.virtual.driver: 0.9 is not a version such as '1.2.3', in quotes (line 2)",
        ),
        ("{virtual: {time_scale: 0}}", "boards.a.virtual.time_scale: 0 is not a number from 1 to 1000 (line 2)"),
        (
            "{virtual: true, address: h}",
            "boards.a.address: a virtual board is reached where it was started; remove 'addre",
        ),
        (
            "{virtual: true, port: 22}",
            "boards.a.port: a virtual board is reached where it was started; remove 'port', or",
        ),
        ("{}", "boards.a.address: is missing; expected a host name or an IP address (or 'virtual: true' for a"),
        ("", "boards.a: has no value; expected a mapping with address, paths and so on (line 2)"),
        ("text", "boards.a: 'text' is not a mapping with address, paths and so on (line 2)"),
    ],
)
def test_one_mistake_is_one_line_with_key_what_was_got_and_what_was_expected(
    tmp_path: Path, text: str, message: str
) -> None:
    (row,) = messages(tmp_path, board(text))
    assert row.startswith(message)
    assert "geheim" not in row


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("defaults: {}\n", "boards: is missing; expected a mapping from board names to what is known of each"),
        ("boards: []\n", "boards: an empty list is not a mapping from board names to what is known of each (line 1)"),
        ("bords: {}\nboards: {}\n", "bords: there is no such key; nearest is 'boards' (line 1)"),
        ("boards: {'a b': {address: h}}\n", "boards.'a b': 'a b' is not a name: up to 60 letters, digits, '.', '_'"),
        ("boards: {..: {address: h}}\n", "boards.'..': '..' is not a name: "),
        ("boards: {-a: {address: h}}\n", "boards.-a: '-a' is not a name: "),
        ("boards: {a: {address: h}, a: {address: i}}\n", "'boards.a' is written twice, first on line 1 (line 1)"),
        ("defaults: {address: h}\nboards: {}\n", "defaults.address: there is no such key; "),
        ("groups: {lab: }\nboards: {a: {address: h}}\n", "groups.lab: no board is in this group; name it"),
        ("groups: {lab: {}}\nboards: {a: {address: h, groups: [lab]}, b: {address: i, groups: [lap]}}\n",
         "boards.b.groups[0]: 'lap' is not in 'groups'; nearest is 'lab' (line 2)"),
        ("boards:\n  a: {address: h}\n  A: {address: i}\n", "boards.A: differs from 'a' in capital letters only; "),
        ("boards:\n  a: {address: H}\n  b: {address: h}\n", "boards.b.address: 'h' port 22 is board 'a' already"),
        ("boards:\n  a: {address: h, jump: a}\n", "boards.a.jump: the jumps go in a circle: a -> a (line 2)"),
        ("boards:\n  a: {address: h, jump: b}\n  b: {virtual: true}\n", "boards.a.jump: 'b' is a virtual board, and "),
    ],
)  # fmt: skip
def test_a_mistake_of_the_whole_file_is_one_line_too(tmp_path: Path, text: str, message: str) -> None:
    (row,) = messages(tmp_path, text)
    assert row.startswith(message)


def test_a_circle_of_jumps_is_named_once_and_boards_before_it_are_not_blamed(tmp_path: Path) -> None:
    jumps = {"x": "a", "a": "b", "b": "c", "c": "a"}
    text = "boards:\n" + "".join(f"  {name}: {{address: {name}.lab, jump: {to}}}\n" for name, to in jumps.items())
    assert messages(tmp_path, text) == ["boards.a.jump: the jumps go in a circle: a -> b -> c -> a (line 3)"]


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "defaults: {prot: 22}\nboards:\n  b: {address: h, port: x}\n  a: {adress: i}\n"
    assert messages(tmp_path, text) == [
        "defaults.prot: there is no such key; nearest is 'port' (line 1)",
        "boards.b.port: 'x' is not a whole number from 1 to 65535 (line 3)",
        "boards.a.adress: there is no such key; nearest is 'address' (line 4)",
    ]


def test_a_mistake_in_the_defaults_is_not_repeated_for_every_board(tmp_path: Path) -> None:
    text = "defaults: {port: x}\nboards: {a: {address: h}, b: {address: i}}\n"
    assert messages(tmp_path, text) == ["defaults.port: 'x' is not a whole number from 1 to 65535 (line 1)"]


def test_hundreds_of_mistakes_are_shown_as_twenty(tmp_path: Path) -> None:
    rows = messages(tmp_path, "boards:\n" + "".join(f"  b{n}: {{x{n}: 1, address: h{n}}}\n" for n in range(300)))
    assert len(rows) == 21
    assert rows[-1] == "and 280 more"


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["a", "lab", "h"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*Written.model_fields, *Virtual.model_fields, "off", "on", "x"]), inner)
    ),
    max_leaves=6,
)
layers = st.dictionaries(st.sampled_from(list(Shared.model_fields)), values, max_size=3) | values
written_boards = layers | st.fixed_dictionaries({"address": st.sampled_from(["h", "i", "j"])}, optional={
    "groups": st.just(["lab"]), "jump": st.sampled_from("ab"), "port": st.integers(20, 24), "key": values,
})  # fmt: skip
files = st.fixed_dictionaries(
    {"boards": st.dictionaries(st.sampled_from(["a", "b", "A", "c c"]), written_boards, max_size=3)},
    optional={"defaults": layers, "groups": st.dictionaries(st.just("lab"), layers)},
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=300)
@given(content=st.binary(max_size=120) | values.map(yaml.safe_dump) | files.map(yaml.safe_dump))
def test_any_bytes_are_an_inventory_or_a_config_error(tmp_path: Path, content: bytes | str) -> None:
    try:
        inventory = load(tmp_path, content)
    except ConfigError as error:
        assert str(error).startswith(str(tmp_path / "inventory.yaml") + ": ")
        assert str(error).isprintable() or "\n" in str(error)
    else:
        assert isinstance(inventory, Inventory)
        assert len({entry.name.casefold() for entry in inventory.boards}) == len(inventory.boards)
