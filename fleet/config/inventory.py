"""The boards of ``inventory.yaml``: a board's own words win over its groups, a later group over an earlier.

    defaults:  {user: root}                  what every board has unless it or a group says otherwise
    groups:    {lab1: {jump: gw.example}}    what the boards of a group share; it has at least one board
    boards:    {rk3588-a: {address: …, groups: [lab1], paths: {llm_demo: …}}}

Mappings are merged key by key, tags add up, everything else is replaced. First the shape of the whole file is
checked, then what only makes sense between entries (groups, addresses, jumps).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from fleet.config.fields import (
    Address,
    BoardPath,
    Frozen,
    GiB,
    Jump,
    KeyFile,
    Name,
    Port,
    Switch,
    User,
    Version,
    Word,
    at_least_one,
    once,
)
from fleet.config.patterns import choose
from fleet.config.validate import Problem, config_error, validated
from fleet.config.yaml_file import Where, meant, name_of, read_yaml
from fleet.errors import ConfigError

INVENTORY_FILE = Path("inventory.yaml")

# what a virtual board has where a real one needs to be told
VIRTUAL_USER = "root"
VIRTUAL_LLM_DEMO = "/opt/rkllm/llm_demo"
VIRTUAL_VLM_DEMOS = {"official": "/opt/rkllm/demo", "vlm_npu": "/opt/rkllm/VLM_NPU"}
VIRTUAL_LIBRARIES = ("/opt/rkllm/lib",)

# these say how to reach a real board; a virtual one is reached where it was started
_REACHING = ("address", "port", "user", "key", "agent", "jump")


class Fault(enum.StrEnum):
    """What a virtual board can be told to suffer from."""

    UNREACHABLE = "unreachable"  # nothing listens at its port
    DRIVER_TOO_OLD = "driver_too_old"  # an NPU driver that the runtime refuses
    OOM = "oom"  # the model does not fit into memory
    HANG = "hang"  # the demo never ends
    DROP_CONNECTION = "drop_connection"  # the connection is cut in mid-run
    DISK_FULL = "disk_full"  # no space left on the board
    ENCODER_FAILED = "encoder_failed"  # the vision encoder fails, and the demo goes on
    SUBMIT_FAILED = "submit_failed"  # the NPU loses a job, and the demo goes on
    MATMUL_FAILED = "matmul_failed"  # products on the NPU fail, and the demo goes on
    DAMAGED_TABLE = "damaged_table"  # a bit of each printed rate is not what it was
    # these strike in the middle of an answer, and only as many demos as `fault_times` says
    REBOOT = "reboot"  # an orderly one
    POWER_LOSS = "power_loss"  # all at once, and nobody says good-bye
    FREEZE = "freeze"  # it stops answering for a while and closes nothing
    CUT = "cut"  # every connection is reset some bytes later
    SLOW = "slow"  # the network crawls from then on
    CORRUPT = "corrupt"  # one byte of what it sends is not what it was


class Trait(enum.StrEnum):
    """What a virtual board has otherwise than the one that most people have."""

    NO_USERSPACE = "no_userspace"  # no clock can be set to a frequency
    NO_DMC = "no_dmc"  # nobody steers the DRAM
    LPDDR5 = "lpddr5"  # another kind of DRAM, with other frequencies
    DMC_STUCK = "dmc_stuck"  # the DRAM does not leave its lowest clock
    CAPPED = "capped"  # the big cores do not stay where they are pinned
    LITTLE_CORES = "little_cores"  # the runtime uses the little ones
    CACHED_PROMPT = "cached_prompt"  # the second time, most of the prompt comes from a cache
    RETUNED = "retuned"  # a daemon takes back in mid-run what was pinned
    OWN_QUESTION = "own_question"  # the demo asks itself something before it reads
    NO_LOG_LEVEL = "no_log_level"  # the demo is not told to print its table
    TWO_CORE_MASK = "two_core_mask"  # no vision encoder gets three cores


# the runtimes whose layout a virtual board can print
Runtime = Literal["1.1.0", "1.1.1", "1.1.2", "1.1.3", "1.1.4", "1.2.0", "1.2.1", "1.2.2", "1.2.3", "1.3.0"]


def _switch_or_mapping(value: object) -> object:
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


def _nothing_is_empty(value: object) -> object:
    """``groups:`` with nothing below it, or with comments only, is a mapping without entries."""
    return {} if value is None else value


Names = Annotated[tuple[Name, ...], Field(description="a list of names"), AfterValidator(once)]
Faults = Annotated[
    tuple[Annotated[Fault, Field(description="one of " + ", ".join(Fault))], ...],
    Field(description="a list of faults"),
    AfterValidator(once),
]
Traits = Annotated[
    tuple[Annotated[Trait, Field(description="one of " + ", ".join(Trait))], ...],
    Field(description="a list of traits"),
    AfterValidator(once),
]
Argv = Annotated[
    tuple[Word, ...],
    Field(description="a list with a command and its words"),
    AfterValidator(at_least_one),  # min_length would also blame a list whose words are refused
]


class Virtual(Frozen):
    """A board that is software on this machine."""

    time_scale: float = Field(
        default=20.0,
        strict=True,
        ge=1,
        le=1000,
        description="a number from 1 to 1000",
    )
    faults: Faults = ()
    traits: Traits = ()
    ram_gib: GiB = 8.0
    runtime: Runtime = Field(default="1.2.3", description=f"one of {', '.join(get_args(Runtime))}, in quotes")
    driver: Version = "0.9.8"
    seed: int = Field(default=0, strict=True, ge=0, lt=2**31, description="a whole number from 0")
    fault_times: int = Field(default=1, strict=True, ge=0, lt=2**31, description="a whole number from 0")
    away_s: float | None = Field(
        default=1.5, strict=True, ge=0, le=86_400, description="a number of seconds up to a day, or null"
    )
    disk_mib: int | None = Field(default=None, strict=True, ge=1, le=4096, description="a whole number from 1 to 4096")
    bare: Switch = False
    ambient_c: float | None = Field(
        default=None, strict=True, ge=-40, le=125, description="a number from -40 to 125, or null"
    )
    swap_used_mib: int = Field(default=0, strict=True, ge=0, le=65536, description="a whole number from 0 to 65536")
    swap_pages_s: int = Field(default=0, strict=True, ge=0, lt=10**9, description="a whole number from 0")
    memory_taken_mib: int = Field(default=0, strict=True, ge=0, lt=10**9, description="a whole number from 0")
    background_load: float = Field(default=0, strict=True, ge=0, le=8, description="a number from 0 to 8")


class VlmDemo(enum.StrEnum):
    """Whose multimodal demo it is: each has an argument list of its own."""

    OFFICIAL = "official"  # `demo` of the vendor's multimodal example; its arguments differ by version
    VLM_NPU = "vlm_npu"  # Qengineering's VLM_NPU


class Paths(Frozen):
    """Where things are on a board."""

    store: BoardPath = Field(default="rkfleet", description="a path on the board")
    models: BoardPath | None = Field(default=None, description="a path on the board")
    llm_demo: BoardPath | None = Field(default=None, description="a path on the board")
    vlm_demo: BoardPath | None = Field(default=None, description="a path on the board")
    vlm_kind: VlmDemo = Field(default=VlmDemo.OFFICIAL, description="official or vlm_npu")
    vlm_version: Version | None = None  # of the official demo, where it can not be told from its files
    libraries: tuple[BoardPath, ...] = Field(default=(), description="a list of paths on the board")


class Power(Frozen):
    """How this workstation cuts a board's power and gives it back."""

    off: Argv
    on: Argv


class Shared(Frozen):
    """What ``defaults`` and groups may say as well as a board."""

    port: Port = 22
    user: User = "root"
    key: KeyFile | None = None
    agent: Switch = True
    jump: Jump | None = None
    sudo: Switch = False
    tags: Names = ()
    ram_gib: GiB | None = None
    paths: Paths = Field(default=Paths(), description="a mapping with store, models, llm_demo, vlm_demo, libraries")
    virtual: Annotated[Virtual | None, BeforeValidator(_switch_or_mapping)] = Field(
        default=None, description="true, false or a mapping with time_scale, faults and so on"
    )
    power: Power | None = Field(default=None, description="a mapping with the commands off and on")


class Written(Shared):
    """A board as it is written."""

    address: Address | None = None
    groups: Names = ()


class BoardEntry(Shared):
    """A board with everything that applies to it."""

    name: Name
    address: str  # "" for a virtual board: it has one once it runs
    groups: tuple[str, ...] = ()


Empty = BeforeValidator(_nothing_is_empty)


class _File(Frozen):
    defaults: Annotated[Shared, Empty] = Shared()
    groups: Annotated[dict[Name, Annotated[Shared, Empty]], Empty] = Field(
        default_factory=dict, description="a mapping from group names to what their boards share"
    )
    boards: Annotated[
        dict[Name, Annotated[Written, Field(description="a mapping with address, paths and so on")]], Empty
    ] = Field(description="a mapping from board names to what is known of each")


class Inventory(Frozen):
    """All boards, in the order of the file."""

    file: Path
    boards: tuple[BoardEntry, ...]

    def board(self, name: str) -> BoardEntry:
        """The board of exactly this name."""
        found = next((entry for entry in self.boards if entry.name == name), None)
        if found is None:
            raise _unknown(self, f"'{name}' is no board; {meant(name, [entry.name for entry in self.boards])}")
        return found


def load_inventory(path: Path = INVENTORY_FILE) -> Inventory:
    """The inventory in the file at ``path``, or one ConfigError with all that is wrong with it."""
    document = read_yaml(path)
    written = validated(_File, document)
    boards = []
    found = list(_groups(written))
    for name, entry in written.boards.items():
        merged = _merged(written, entry)
        found += _reaching(name, entry, merged)
        try:
            boards.append(_entry(name, merged, path))
        except RuntimeError:  # of expanduser()
            user = Path(merged["key"]).parts[0]
            found.append(Problem(("boards", name, "key"), f"there is no home of '{user}' on this machine"))
    found += _twice(boards)
    found += _jumps(boards)
    if found:
        raise config_error(document, found)
    return Inventory(file=path, boards=tuple(boards))


def select(inventory: Inventory, patterns: Sequence[str]) -> tuple[BoardEntry, ...]:
    """The boards that ``patterns`` mean (see ``fleet.config.patterns``), in inventory order; all if it is empty."""
    if not inventory.boards:
        raise _unknown(inventory, "there is no board yet", hint="invoke add ADDRESS")
    labels = {entry.name: {*entry.groups, *entry.tags} for entry in inventory.boards}
    try:
        names = set(choose(labels, patterns))
    except ConfigError as error:
        raise _unknown(inventory, f"--board: {error.what}") from error
    if not names:
        raise _unknown(inventory, f"--board: {','.join(patterns)} leaves no board")
    return tuple(entry for entry in inventory.boards if entry.name in names)


def _unknown(inventory: Inventory, what: str, hint: str = "invoke boards") -> ConfigError:
    return ConfigError(what, file=name_of(inventory.file), hint=hint)


def _merged(written: _File, entry: Written) -> dict[str, Any]:
    """Everything that applies to a board, as plain values."""
    groups = (written.groups[group] for group in entry.groups if group in written.groups)
    merged: dict[str, Any] = {}
    for layer in (written.defaults, *groups, entry):
        merged = _over(merged, layer.model_dump(exclude_unset=True))
    if merged.get("virtual") is not None:
        merged = {key: value for key, value in merged.items() if key not in _REACHING}
        own = merged.get("paths", {})
        vlm_demo = VIRTUAL_VLM_DEMOS[own.get("vlm_kind", VlmDemo.OFFICIAL)]
        paths = {"llm_demo": VIRTUAL_LLM_DEMO, "vlm_demo": vlm_demo, "libraries": VIRTUAL_LIBRARIES}
        merged |= {"user": VIRTUAL_USER, "paths": paths | own}
    return merged


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        under = below.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            result[key] = _over(under, value)
        elif key == "tags":
            result[key] = tuple(dict.fromkeys((*(under or ()), *value)))
        else:
            result[key] = value
    return result


def _entry(name: str, merged: dict[str, Any], path: Path) -> BoardEntry:
    entry = BoardEntry.model_validate(merged | {"name": name, "address": merged.get("address") or ""})
    if entry.key is None:
        return entry
    return entry.model_copy(update={"key": path.parent.absolute() / entry.key.expanduser()})


def _groups(written: _File) -> Iterator[Problem]:
    used = set()
    for name, entry in written.boards.items():
        for at, group in enumerate(entry.groups):
            used.add(group)
            if group not in written.groups:
                where: Where = ("boards", name, "groups", at)
                yield Problem(where, f"'{group}' is not in 'groups'; {meant(group, written.groups)}")
    for group in written.groups:
        if group not in used:
            yield Problem(("groups", group), "no board is in this group; name it at a board, or remove it")


def _reaching(name: str, entry: Written, merged: dict[str, Any]) -> Iterator[Problem]:
    if merged.get("virtual") is None:
        if merged.get("address") is None:
            expected = "a host name or an IP address (or 'virtual: true' for a board that is software)"
            yield Problem(("boards", name, "address"), f"is missing; expected {expected}")
        return
    for key in _REACHING:
        if key in entry.model_fields_set:
            what = "a virtual board is reached where it was started"
            yield Problem(("boards", name, key), f"{what}; remove '{key}', or 'virtual' if the board is real")


def _twice(boards: Sequence[BoardEntry]) -> Iterator[Problem]:
    names: dict[str, str] = {}
    places: dict[tuple[str, int, str | None], str] = {}
    for entry in boards:
        same = names.setdefault(entry.name.casefold(), entry.name)
        if same != entry.name:
            what = f"differs from '{same}' in capital letters only; they would share a folder on some disks"
            yield Problem(("boards", entry.name), what)
        if not entry.address:
            continue
        same = places.setdefault((entry.address.casefold(), entry.port, entry.jump), entry.name)
        if same != entry.name:
            what = f"'{entry.address}' port {entry.port} is board '{same}' already"
            yield Problem(("boards", entry.name, "address"), what)


def _jumps(boards: Sequence[BoardEntry]) -> Iterator[Problem]:
    by_name = {entry.name: entry for entry in boards}
    reported: set[str] = set()
    for entry in boards:
        where: Where = ("boards", entry.name, "jump")
        if entry.jump in by_name and by_name[entry.jump].virtual is not None:
            yield Problem(where, f"'{entry.jump}' is a virtual board, and nothing real is behind it")
        circle = [entry.name]
        while (onward := by_name[circle[-1]].jump) in by_name and onward not in circle:
            circle.append(onward)
        if onward == entry.name and not reported & set(circle):
            reported |= set(circle)
            yield Problem(where, "the jumps go in a circle: " + " -> ".join((*circle, entry.name)))
