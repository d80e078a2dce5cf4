"""inventory.yaml: what a person may write in it, how that is merged, and which of its boards are meant."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fleet.config.inventory import BoardEntry, Fault, Paths, Runtime, Trait, Virtual, Written, load_inventory, select
from fleet.errors import ConfigError
from tests.unit.inventories import HOSTILE, board, load
from virtual.config import FAULTS, TRAITS, parse_config
from virtual.layouts import LAYOUTS

PROJECT = Path(__file__).parents[2]
SHIPPED = PROJECT / "inventory.yaml"


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


def test_one_address_behind_two_gateways_or_at_two_ports_is_two_boards(tmp_path: Path) -> None:
    text = "boards: {a: {address: h, jump: g1}, b: {address: h, jump: g2}, c: {address: h}, d: {address: h, port: 23}}"
    assert len(load(tmp_path, text).boards) == 4


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


@given(
    order=st.permutations(["a", "b", "c", "d"]),
    patterns=st.lists(st.sampled_from(["a", "[b-c]", "@lab", "!d", "@fan"])),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
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
