"""inventory.yaml: what a person writes, merged, or every mistake in it named."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fleet.config.inventory import (
    BoardEntry,
    Fault,
    Inventory,
    Paths,
    Runtime,
    Shared,
    Trait,
    Virtual,
    Written,
    load_inventory,
    select,
)
from fleet.errors import ConfigError, ExitCode
from virtual.config import FAULTS, TRAITS, parse_config
from virtual.layouts import LAYOUTS

PROJECT = Path(__file__).parents[2]
SHIPPED = PROJECT / "inventory.yaml"
HOSTILE = "1; touch pwned #"


def load(tmp_path: Path, text: str | bytes) -> Inventory:
    path = tmp_path / "inventory.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_inventory(path)


def messages(tmp_path: Path, text: str) -> list[str]:
    """Each problem as 'key: what', without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert caught.value.exit_code == ExitCode.USAGE
    rows = str(caught.value).splitlines()
    prefix = f"{tmp_path / 'inventory.yaml'}: "
    assert all(row.startswith(prefix) for row in rows)
    return [row.removeprefix(prefix) for row in rows]


def board(text: str) -> str:
    """An inventory of one board with this flow mapping."""
    return f"boards:\n  a: {text}\n"


def test_the_shipped_boards_are_virtual_and_ready_to_run() -> None:
    inventory = load_inventory(SHIPPED)
    assert [entry.name for entry in inventory.boards] == ["rk3588-a", "rk3588-b"]
    assert [entry.name for entry in select(inventory, ["@demo"])] == ["rk3588-a", "rk3588-b"]
    for entry in inventory.boards:
        assert entry.virtual == Virtual(time_scale=20)
        assert (entry.address, entry.user) == ("", "root")
        demos = {"llm_demo": "/opt/rkllm/llm_demo", "vlm_demo": "/opt/rkllm/demo"}
        assert entry.paths == Paths(**demos, libraries=("/opt/rkllm/lib",))


def test_a_real_board_needs_an_address_and_the_path_of_the_demo_and_nothing_else(tmp_path: Path) -> None:
    entry = load(tmp_path, board("{address: 192.168.1.50, paths: {llm_demo: /opt/rkllm/llm_demo}}")).board("a")
    assert entry == BoardEntry(name="a", address="192.168.1.50", paths=Paths(llm_demo="/opt/rkllm/llm_demo"))
    assert (entry.port, entry.user, entry.key, entry.agent, entry.jump, entry.sudo) == (
        22,
        "root",
        None,
        True,
        None,
        False,
    )
    assert (entry.paths.store, entry.paths.models, entry.paths.libraries) == ("rkfleet", None, ())


def test_the_example_in_the_shipped_comments_makes_a_real_board(tmp_path: Path) -> None:
    rows = SHIPPED.read_text().splitlines()
    at = rows.index("#   rk3588-a:")
    example = "\n".join(row.removeprefix("# ") for row in rows[at : at + 3])
    shipped = SHIPPED.read_text()
    written = "  rk3588-a:\n    groups: [demo]\n    virtual: true\n"
    assert written in shipped
    entry = load(tmp_path, shipped.replace(written, example + "\n")).board("rk3588-a")
    assert (entry.virtual, entry.address, entry.paths.llm_demo) == (None, "192.168.1.50", "/opt/rkllm/llm_demo")


def test_every_key_is_described_in_the_shipped_comments() -> None:
    text = SHIPPED.read_text()
    for model in (Written, Virtual, Paths):
        for key in model.model_fields:
            assert f"{key}:" in text, key
    for trouble in (*Fault, *Trait):
        assert trouble in text


def test_a_board_wins_over_its_groups_and_a_later_group_over_an_earlier(tmp_path: Path) -> None:
    inventory = load(
        tmp_path,
        """
defaults: {user: radxa, port: 2200, paths: {store: /data/store, llm_demo: /opt/demo}, tags: [all]}
groups:
  first: {port: 2201, jump: gw.first, paths: {models: /first}, tags: [one, all]}
  second: {port: 2202, jump: admin@gw.second:2022}
boards:
  a: {address: 10.0.0.1, groups: [first, second], paths: {llm_demo: /own/demo}, tags: [own]}
  b: {address: 10.0.0.2, groups: [second, first], jump: null, port: 22}
  c: {address: 10.0.0.3}
""",
    )
    a, b, c = inventory.boards
    assert (a.user, a.port, a.jump, a.tags) == ("radxa", 2202, "admin@gw.second:2022", ("all", "one", "own"))
    assert a.paths == Paths(store="/data/store", models="/first", llm_demo="/own/demo")
    assert (b.port, b.jump, b.groups) == (22, None, ("second", "first"))
    assert (c.port, c.paths.models, c.tags) == (2200, None, ("all",))


def test_virtual_can_be_short_shared_refined_and_taken_back(tmp_path: Path) -> None:
    inventory = load(
        tmp_path,
        """
defaults: {user: radxa, jump: gw.lab}
groups: {sim: {virtual: {time_scale: 50, seed: 7}}}
boards:
  a: {virtual: true}
  b: {groups: [sim], virtual: {faults: [oom, hang]}}
  c: {groups: [sim], virtual: false, address: 10.0.0.1}
  d: {virtual: true, paths: {store: other}}
""",
    )
    a, b, c, d = inventory.boards
    assert a.virtual == Virtual(time_scale=20, faults=(), ram_gib=8, runtime="1.2.3", driver="0.9.8", seed=0)
    assert b.virtual == Virtual(time_scale=50, seed=7, faults=(Fault.OOM, Fault.HANG))
    assert (c.virtual, c.user, c.jump, c.paths.llm_demo) == (None, "radxa", "gw.lab", None)
    assert (a.user, a.jump) == ("root", None), "what reaches real boards is nothing to a virtual one"
    assert (d.paths.store, d.paths.llm_demo) == ("other", "/opt/rkllm/llm_demo")


@pytest.mark.parametrize("runtime", LAYOUTS)
def test_every_runtime_that_a_virtual_board_can_be_is_accepted(tmp_path: Path, runtime: str) -> None:
    virtual = load(tmp_path, board(f"{{virtual: {{runtime: {runtime}}}}}")).board("a").virtual
    assert virtual is not None and virtual.runtime == runtime


def test_no_runtime_is_accepted_that_a_virtual_board_can_not_be() -> None:
    assert get_args(Runtime) == tuple(LAYOUTS)


def test_a_key_file_is_seen_from_the_inventory_or_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/tester")
    text = "boards: {a: {address: h1, key: keys/lab}, b: {address: h2, key: ~/.ssh/lab}, c: {address: h3, key: /k}}"
    keys = [entry.key for entry in load(tmp_path, text).boards]
    assert keys == [tmp_path / "keys/lab", Path("/home/tester/.ssh/lab"), Path("/k")]


def test_the_inventory_knows_just_the_troubles_that_a_virtual_board_can_have_and_a_page_tells_of_each() -> None:
    assert {fault.value for fault in Fault} == FAULTS
    assert {trait.value for trait in Trait} == TRAITS
    page = (
        (PROJECT / "docs" / "architecture.md")
        .read_text(encoding="utf-8")
        .partition("\n## What can befall a virtual board\n")[2]
    )
    assert not [trouble for trouble in FAULTS | TRAITS if f"| `{trouble}`" not in page.partition("\n## ")[0]]


def test_a_virtual_board_may_have_switched_power_and_say_how_it_comes_back(tmp_path: Path) -> None:
    power = "power: {off: [virtual, 'off'], on: [virtual, 'on']}"
    wish = "{faults: [power_loss], fault_times: 2, away_s: null, disk_mib: 64}"
    entry = load(tmp_path, board(f"{{virtual: {wish}, {power}}}")).board("a")
    assert entry.power is not None and entry.power.off == ("virtual", "off")
    assert entry.virtual is not None
    assert (entry.virtual.fault_times, entry.virtual.away_s, entry.virtual.disk_mib) == (2, None, 64)
    assert parse_config(entry.virtual.model_dump_json()).faults == ("power_loss",)


def test_power_has_keys_that_older_yaml_would_take_for_true_and_false(tmp_path: Path) -> None:
    entry = load(tmp_path, board("{address: h, power: {off: [switch, '1', off], on: [switch, '1', on]}}")).board("a")
    assert entry.power is not None
    assert (entry.power.off, entry.power.on) == (("switch", "1", "off"), ("switch", "1", "on"))


def test_a_path_may_hold_whatever_a_path_can_hold(tmp_path: Path) -> None:
    entry = load(tmp_path, board(f"{{address: h, paths: {{store: '{HOSTILE}', llm_demo: '/opt/$(x)/\"|é'}}}}")).board(
        "a"
    )
    assert entry.paths.store == HOSTILE
    assert entry.paths.llm_demo == '/opt/$(x)/"|é'


def test_the_tilde_of_a_board_path_means_its_home_which_is_where_relative_paths_start(tmp_path: Path) -> None:
    paths = "{llm_demo: ~/rkllm/llm_demo, models: '~', libraries: [~/-x, ~/~x, ~//y]}"
    entry = load(tmp_path, board(f"{{address: h, paths: {paths}}}")).board("a")
    assert (entry.paths.llm_demo, entry.paths.models) == ("rkllm/llm_demo", ".")
    assert entry.paths.libraries == ("./-x", "./~x", "y")


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


def test_one_address_behind_two_gateways_or_at_two_ports_is_two_boards(tmp_path: Path) -> None:
    text = "boards: {a: {address: h, jump: g1}, b: {address: h, jump: g2}, c: {address: h}, d: {address: h, port: 23}}"
    assert len(load(tmp_path, text).boards) == 4


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


@pytest.mark.parametrize("address", ["10.0.0.1", "fe80::1%eth0", "::1", "board-7.lab.example.", "rk_3588"])
def test_these_are_addresses(tmp_path: Path, address: str) -> None:
    assert load(tmp_path, board(f"{{address: '{address}'}}")).board("a").address == address


@pytest.mark.parametrize("jump", ["gw", "root@gw", "gw:2222", "root@10.0.0.1:22", "fe80::1", "u@[fe80::1]:22", "[::1]"])
def test_these_are_jump_hosts(tmp_path: Path, jump: str) -> None:
    assert load(tmp_path, board(f"{{address: h, jump: '{jump}'}}")).board("a").jump == jump


def test_selecting_names_the_file_and_the_nearest_board(tmp_path: Path) -> None:
    inventory = load(tmp_path, "boards: {rk3588-a: {address: h, tags: [fan]}, rk3588-b: {address: i}}")
    assert [entry.name for entry in select(inventory, [])] == ["rk3588-a", "rk3588-b"]
    assert [entry.name for entry in select(inventory, ["@fan"])] == ["rk3588-a"]
    for patterns, what in (
        (["rk3588-z"], "--board: 'rk3588-z' matches no board; nearest is 'rk3588-b'"),
        (["rk3588-a,!@fan"], "--board: rk3588-a,!@fan leaves no board"),
    ):
        with pytest.raises(ConfigError) as caught:
            select(inventory, patterns)
        assert str(caught.value) == f"{inventory.file}: {what}"
    with pytest.raises(ConfigError, match="'rk3588-z' is no board; nearest is 'rk3588-b'"):
        inventory.board("rk3588-z")


def test_an_inventory_without_boards_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no board yet") as caught:
        select(load(tmp_path, "groups:\n  # lab1:\nboards:\n  # a:\n"), [])
    assert caught.value.hint == "invoke add ADDRESS"


def test_an_inventory_can_not_be_changed_after_it_was_read() -> None:
    entry = load_inventory(SHIPPED).boards[0]
    with pytest.raises(ValidationError, match="frozen"):
        entry.port = 23  # type: ignore[misc]


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


@given(
    order=st.permutations(["a", "b", "c", "d"]),
    patterns=st.lists(st.sampled_from(["a", "[b-c]", "@lab", "!d", "@fan"])),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_the_order_of_boards_in_the_file_never_changes_which_are_selected(
    tmp_path: Path, order: list[str], patterns: list[str]
) -> None:
    lines = {
        "a": "{address: h1, groups: [lab]}",
        "b": "{address: h2, tags: [fan]}",
        "c": "{virtual: true, groups: [lab]}",
        "d": "{address: h4, tags: [fan]}",
    }

    def names(order: list[str]) -> list[str]:
        text = "groups: {lab: }\nboards:\n" + "".join(f"  {name}: {lines[name]}\n" for name in order)
        return [entry.name for entry in select(load(tmp_path, text), patterns)]

    chosen = names(order)
    assert sorted(chosen) == sorted(names(sorted(order)))
    assert chosen == [name for name in order if name in chosen]
