"""Each check's rule at its edges: the same facts, the same verdict, and never an ok for what is not known."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest

from fleet import defaults
from fleet.bench import BoardResult, CampaignResult, epilogue, exit_code
from fleet.checking import Checked, options, refusal, rows
from fleet.checks import CHECKS, Finding, Subject, Verdict, Wanted, judge
from fleet.checks.check import dotted
from fleet.checks.programs import demos_of
from fleet.config.catalogue import load_catalogue
from fleet.config.inventory import load_inventory
from fleet.config.model import Model
from fleet.errors import ExitCode

PROJECT = Path(__file__).parents[2]
GIB, MIB = 2**30, 2**20
MHZ = 1_000_000
HELD = {"governor": "performance", "cur_hz": 1000 * MHZ, "min_hz": 300 * MHZ, "max_hz": 1000 * MHZ}
HELD |= {"governors": ["ondemand", "performance"], "available_hz": [300 * MHZ, 1000 * MHZ]}
FREE = {**HELD, "governor": "ondemand", "cur_hz": 300 * MHZ}
FIT: dict[str, Any] = {
    "user": {"name": "rock", "uid": 1000, "groups": ["rock", "video"], "sudo": True},
    "kernel": {"release": "6.1.84-vendor-rk35xx"},
    "npu": {"driver": "0.9.8", "node": "fdab0000.npu", **HELD},
    "dmc": {"node": "dmc", **HELD},
    "cpu": [{"policy": "policy0", **HELD}, {"policy": "policy4", **HELD}],
    "runtime": {
        "rkllm": [{"path": "/opt/demo/lib/librkllmrt.so", "version": "1.2.3"}],
        "rknn": [{"path": "/opt/demo/lib/librknnrt.so", "version": "2.3.2"}],
    },
    "thermal": {
        "zones": [{"type": "soc-thermal", "temp_mc": 45300}, {"type": "npu-thermal", "temp_mc": None}],
        "cooling": [{"type": "thermal-cpufreq-0", "cur_state": 0}, {"type": "pwm-fan", "cur_state": 3}],
    },
    "memory": {
        "total_bytes": 8 * GIB,
        "available_bytes": 7 * GIB,
        "swap_total_bytes": 0,
        "swap_free_bytes": 0,
        "zram_bytes": 0,
    },
    "disk": [{"path": "/root/rkfleet", "free_bytes": 20 * GIB}],
    "tools": {"flock": True, "stdbuf": True, "systemd": True},
    "npu_users": [],
    "clock_offset_s": 0.4,
    "check": {
        "device": {"path": "/dev/dri/renderD129", "may": "rw"},
        "demos": [
            {"path": "/opt/demo/llm_demo", "is": "executable"},
            {"path": "/opt/demo/demo", "is": "executable"},
        ],
        "glibc": {"version": "2.31", "needed": "2.29", "needed_by": "/opt/demo/lib/librkllmrt.so"},
        "files": [],
        "background": {"seconds": 0.3, "cores": 0.02, "swapped_pages": 0},
    },
    "missing": {},
}


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("home") / "inventory.yaml"
    path.write_text("boards: {a: {address: 192.0.2.1, user: rock, paths: {llm_demo: /opt/demo/llm_demo}}}")
    return load_inventory(path).boards[0]


def facts(*changes: tuple[str, Any]) -> dict[str, Any]:
    """A fit board's facts with other values at dotted paths; a number in a path counts in a list."""
    changed = copy.deepcopy(FIT)
    for path, value in changes:
        *way, last = path.split(".")
        at: Any = changed
        for key in way:
            at = at[int(key)] if isinstance(at, list) else at[key]
        if isinstance(at, list):
            at[int(last)] = value
        else:
            at[last] = value
    return changed


def missing(path: str, why: str) -> tuple[str, Any]:
    return ("missing", {path: why})


def found(name: str, subject: Subject) -> Finding:
    return next(finding for finding in judge(subject) if finding.check == name)


def model(name: str) -> Model:
    return load_catalogue(PROJECT / "models.yaml").model(name)


ROCKET = "the mainline driver rocket is in charge of the NPU; RKLLM needs the vendor's rknpu"
NOT_ROOT = ("user", {"name": "rock", "uid": 1000, "groups": ["rock"], "sudo": False})
OTHER_LIBRARY = {"path": "/opt/demo/librkllmrt.so", "version": "1.1.4"}
SYSTEM_LIBRARY = {"path": "/usr/lib/librkllmrt.so", "version": "1.1.4"}
LLM_DEMO = {"pid": 7, "comm": "llm_demo", "run": "[/root/rkfleet/runs/night/001-r]"}
SWAP = ("memory.swap_total_bytes", 4 * GIB)


def swap_free(used: int) -> tuple[str, Any]:
    return ("memory.swap_free_bytes", 4 * GIB - used)


CASES: list[tuple[str, Verdict, str, list[tuple[str, Any]]]] = [
    ("npu-driver", Verdict.OK, "0.9.8", []),
    ("npu-driver", Verdict.FAIL, "rocket", [("npu.driver", None), missing("npu.driver", ROCKET), NOT_ROOT]),
    ("npu-driver", Verdict.FAIL, "not in", [("npu.driver", None), missing("npu.driver", "not in debugfs")]),
    (
        "npu-driver",
        Verdict.UNKNOWN,
        "needs root",
        [("npu.driver", None), missing("npu.driver", "needs root"), NOT_ROOT],
    ),
    ("driver-version", Verdict.OK, "0.9.8", []),
    ("driver-version", Verdict.OK, "1.0.0", [("npu.driver", "1.0.0")]),
    ("driver-version", Verdict.WARN, "0.9.7", [("npu.driver", "0.9.7")]),
    ("driver-version", Verdict.FAIL, "needs 0.9.7", [("npu.driver", "0.9.6")]),
    ("driver-version", Verdict.WARN, "0.9.6", [("npu.driver", "0.9.6"), ("runtime.rkllm.0.version", "1.1.0")]),
    ("driver-version", Verdict.FAIL, "needs 0.9.7", [("npu.driver", "0.9.6"), ("runtime.rkllm.0.version", "1.1.1")]),
    ("driver-version", Verdict.FAIL, "needs 0.9.6", [("npu.driver", "0.9.3"), ("runtime.rkllm.0.version", "1.1.0")]),
    ("driver-version", Verdict.FAIL, "runtimes need", [("npu.driver", "0.9.2"), ("runtime.rkllm", [])]),
    ("driver-version", Verdict.UNKNOWN, "no driver version", [("npu.driver", None)]),
    ("driver-version", Verdict.UNKNOWN, "no version", [("npu.driver", "what")]),
    ("kernel", Verdict.OK, "6.1.84", []),
    ("kernel", Verdict.OK, "5.10.160", [("kernel.release", "5.10.160")]),
    ("kernel", Verdict.WARN, "6.12.9", [("kernel.release", "6.12.9")]),
    ("kernel", Verdict.WARN, "6.10.1", [("kernel.release", "6.10.1")]),
    ("kernel", Verdict.FAIL, "rocket", [("npu.driver", None), missing("npu.driver", ROCKET)]),
    ("kernel", Verdict.UNKNOWN, "kernel.release", [("kernel", {})]),
    ("npu-device", Verdict.OK, "renderD129", []),
    ("npu-device", Verdict.FAIL, "read and not write", [("check.device.may", "r")]),
    ("npu-device", Verdict.FAIL, "groups: rock, video", [("check.device.may", "")]),
    ("npu-device", Verdict.FAIL, "accel0", [("check.device.path", "/dev/accel/accel0")]),
    ("npu-device", Verdict.FAIL, "no /dev/dri", [("check.device", None), missing("check.device", "no /dev/dri/x")]),
    ("npu-device", Verdict.UNKNOWN, "check.device", [("check", {})]),
    ("rkllm-library", Verdict.OK, "1.2.3", []),
    ("rkllm-library", Verdict.FAIL, "no librkllmrt.so", [("runtime.rkllm", [])]),
    ("rkllm-library", Verdict.WARN, "does not tell", [("runtime.rkllm.0.version", None)]),
    ("library-versions", Verdict.OK, "2.3.2", []),
    ("library-versions", Verdict.FAIL, "1.1.4", [("runtime.rkllm", [FIT["runtime"]["rkllm"][0], OTHER_LIBRARY])]),
    ("library-versions", Verdict.WARN, "1.1.4", [("runtime.rkllm", [FIT["runtime"]["rkllm"][0], SYSTEM_LIBRARY])]),
    ("library-versions", Verdict.WARN, "1.6.0", [("runtime.rknn.0.version", "1.6.0")]),
    ("library-versions", Verdict.OK, "2.0.0", [("runtime.rknn.0.version", "2.0.0")]),
    ("library-versions", Verdict.OK, "1.2.3", [("runtime.rknn", [])]),
    ("library-versions", Verdict.UNKNOWN, "no library", [("runtime", {"rkllm": [], "rknn": []})]),
    ("glibc", Verdict.OK, "2.31", []),
    ("glibc", Verdict.OK, "2.29", [("check.glibc.version", "2.29")]),
    ("glibc", Verdict.FAIL, "librkllmrt.so needs 2.29", [("check.glibc.version", "2.28")]),
    ("glibc", Verdict.FAIL, "2.9", [("check.glibc.version", "2.9")]),
    ("glibc", Verdict.UNKNOWN, "getconf", [("check.glibc.version", None), missing("check.glibc.version", "getconf")]),
    ("glibc", Verdict.UNKNOWN, "2.31", [("check.glibc.needed", None)]),
    ("demo", Verdict.OK, "llm_demo", []),
    ("demo", Verdict.FAIL, "is not there", [("check.demos.0.is", "missing")]),
    ("demo", Verdict.FAIL, "may not execute", [("check.demos.0.is", "there")]),
    ("demo", Verdict.OK, "llm_demo", [("check.demos.1.is", "missing")]),  # that of models that nobody asked for
    ("demo", Verdict.UNKNOWN, "check.demos", [("check", {})]),
    ("demo", Verdict.UNKNOWN, "check.demos", [("check.demos.0.path", ["/opt"])]),
    ("tools", Verdict.OK, "all there", []),
    ("tools", Verdict.OK, "no systemd", [("tools.systemd", False)]),
    ("tools", Verdict.FAIL, "flock", [("tools.flock", False)]),
    ("tools", Verdict.UNKNOWN, "tools", [("tools", None)]),
    ("clocks", Verdict.OK, "are held", []),
    ("clocks", Verdict.WARN, "policy4 ondemand at 300 MHz", [("cpu.1", {"policy": "policy4", **FREE})]),
    ("clocks", Verdict.WARN, "capped at 300", [("npu.max_hz", 300 * MHZ)]),
    ("clocks", Verdict.OK, "are held", [("npu.governor", "userspace")]),
    ("clocks", Verdict.WARN, "npu userspace at 300", [("npu.governor", "userspace"), ("npu.cur_hz", 300 * MHZ)]),
    ("clocks", Verdict.OK, "are held", [("npu.governor", "ondemand"), ("npu.min_hz", 1000 * MHZ)]),
    ("clocks", Verdict.WARN, "npu ondemand", [("npu.governor", "ondemand"), ("npu.governors", None)]),
    ("clocks", Verdict.WARN, "npu ondemand", [("npu.governor", "ondemand"), ("npu.governors", [])]),
    ("clocks", Verdict.WARN, "may not pin", [("npu.governor", "ondemand"), NOT_ROOT]),
    ("clocks", Verdict.FAIL, "may not change", [("npu.governor", "powersave"), NOT_ROOT]),
    ("clocks", Verdict.FAIL, "may not change", [("npu.max_hz", 300 * MHZ), NOT_ROOT]),
    ("clocks", Verdict.FAIL, "neither", [("npu.governor", "ondemand"), ("npu.governors", ["ondemand", "powersave"])]),
    ("clocks", Verdict.UNKNOWN, "of the NPU", [("npu", {"governor": None})]),
    ("clocks", Verdict.UNKNOWN, "no policy", [("npu", {}), ("cpu", [])]),
    ("dram-clock", Verdict.OK, "held", []),
    ("dram-clock", Verdict.WARN, "a run pins it", [("dmc.governor", "dmc_ondemand")]),
    ("dram-clock", Verdict.WARN, "may not pin", [("dmc.governor", "dmc_ondemand"), NOT_ROOT]),
    ("dram-clock", Verdict.FAIL, "no /sys", [("dmc.node", None), missing("dmc.node", "no /sys/class/devfreq/dmc")]),
    ("dram-clock", Verdict.UNKNOWN, "dmc", [("dmc", None)]),
    (
        "dram-clock",
        Verdict.UNKNOWN,
        "can not be read",
        [("dmc.governor", None), missing("dmc.governor", "can not be read")],
    ),
    ("temperature", Verdict.OK, "soc-thermal at 45 °C", []),
    ("temperature", Verdict.OK, "65 °C", [("thermal.zones.1.temp_mc", 64_999)]),
    ("temperature", Verdict.WARN, "npu-thermal at 65 °C", [("thermal.zones.1.temp_mc", 65_000)]),
    ("temperature", Verdict.WARN, "80 °C", [("thermal.zones.1.temp_mc", 79_999)]),
    ("temperature", Verdict.FAIL, "80 °C", [("thermal.zones.1.temp_mc", 80_000)]),
    ("temperature", Verdict.FAIL, "thermal-cpufreq-0", [("thermal.cooling.0.cur_state", 1)]),
    ("temperature", Verdict.UNKNOWN, "no thermal zone", [("thermal", {"zones": [], "cooling": []})]),
    ("swap", Verdict.OK, "no swap", []),
    ("swap", Verdict.OK, "zram, unused", [SWAP, swap_free(0), ("memory.zram_bytes", 4 * GIB)]),
    ("swap", Verdict.WARN, "0.0 MiB", [SWAP, swap_free(4096)]),
    ("swap", Verdict.WARN, "256.0 MiB", [SWAP, swap_free(256 * MIB - 1)]),
    ("swap", Verdict.FAIL, "256 MiB", [SWAP, swap_free(256 * MIB)]),
    ("swap", Verdict.FAIL, "3 pages", [SWAP, swap_free(0), ("check.background.swapped_pages", 3)]),
    ("swap", Verdict.UNKNOWN, "memory.swap", [("memory", {})]),
    ("memory", Verdict.OK, "7.0 GiB of 8.0 GiB", []),
    ("memory", Verdict.OK, "4.0 GiB", [("memory.available_bytes", 4 * GIB)]),
    ("memory", Verdict.WARN, "of 8.0 GiB", [("memory.available_bytes", 4 * GIB - 1)]),
    ("memory", Verdict.WARN, "1.0 GiB", [("memory.available_bytes", GIB)]),
    ("memory", Verdict.FAIL, "any model needs 1.0 GiB", [("memory.available_bytes", GIB - 1)]),
    ("memory", Verdict.UNKNOWN, "memory", [("memory", {})]),
    ("disk", Verdict.OK, "20.0 GiB free", []),
    ("disk", Verdict.OK, "1.0 GiB", [("disk.0.free_bytes", GIB)]),
    ("disk", Verdict.WARN, "1024 MiB", [("disk.0.free_bytes", GIB - 1)]),
    ("disk", Verdict.WARN, "16 MiB", [("disk.0.free_bytes", 16 * MIB)]),
    ("disk", Verdict.FAIL, "16 MiB", [("disk.0.free_bytes", 16 * MIB - 1)]),
    ("disk", Verdict.UNKNOWN, "disk", [("disk", [])]),
    ("background-load", Verdict.OK, "0.02 cores", []),
    ("background-load", Verdict.WARN, "0.20 cores", [("check.background.cores", 0.2)]),
    ("background-load", Verdict.FAIL, "0.50 cores", [("check.background.cores", 0.5)]),
    (
        "background-load",
        Verdict.FAIL,
        "most of it apt (9)",
        [("check.background", {"cores": 1.0, "most_pid": 9, "most_comm": "apt"})],
    ),
    ("background-load", Verdict.UNKNOWN, "background", [("check.background", None)]),
    ("npu-users", Verdict.OK, "nobody", []),
    ("npu-users", Verdict.FAIL, "python (8)", [("npu_users", [{"pid": 8, "comm": "python"}])]),
    ("npu-users", Verdict.FAIL, "run 001-r", [("npu_users", [LLM_DEMO])]),
    ("npu-users", Verdict.UNKNOWN, "without root", [("npu_users", None), missing("npu_users", "without root")]),
    ("npu-users", Verdict.UNKNOWN, "without root", [missing("npu_users", "without root")]),
    ("wall-clock", Verdict.OK, "as this workstation's", []),
    ("wall-clock", Verdict.OK, "59 s behind", [("clock_offset_s", -59.0)]),
    ("wall-clock", Verdict.WARN, "60 s ahead", [("clock_offset_s", 60.0)]),
    ("wall-clock", Verdict.WARN, "3599 s behind", [("clock_offset_s", -3599.0)]),
    ("wall-clock", Verdict.FAIL, "3600 s behind", [("clock_offset_s", -3600.0)]),
    ("wall-clock", Verdict.UNKNOWN, "epoch", [("clock_offset_s", None), missing("epoch_s", "no epoch")]),
    ("model-files", Verdict.OK, "none", []),
    ("model-files", Verdict.UNKNOWN, "check.files", [("check", {})]),
]


@pytest.mark.parametrize(("name", "verdict", "says", "changes"), CASES)
def test_the_rule_at_its_edges(
    entry: Any, name: str, verdict: Verdict, says: str, changes: list[tuple[str, Any]]
) -> None:
    finding = found(name, Subject(entry, facts(*changes)))
    assert finding.verdict is verdict
    assert says in finding.seen
    if verdict in (Verdict.FAIL, Verdict.WARN):
        assert finding.action


def test_every_check_can_say_ok_fail_and_unknown() -> None:
    can = {check.name: {verdict for name, verdict, *_ in CASES if name == check.name} for check in CHECKS}
    needed = {Verdict.OK, Verdict.FAIL, Verdict.UNKNOWN}
    lacking = {name: needed - verdicts for name, verdicts in can.items() if needed - verdicts}
    # those two need a model, and an inventory that knows which library there is: the tests below
    assert lacking == {"rkllm-library": {Verdict.UNKNOWN}, "model-files": {Verdict.FAIL}}


def test_a_fit_board_passes_every_check(entry: Any) -> None:
    assert {finding.verdict for finding in judge(Subject(entry, FIT))} == {Verdict.OK}


def test_a_board_that_says_nothing_is_unknown_and_never_ok(entry: Any) -> None:
    verdicts = {finding.check: finding.verdict for finding in judge(Subject(entry, {}))}
    assert set(verdicts.values()) == {Verdict.UNKNOWN}


@pytest.mark.parametrize("seed", range(40))
def test_no_facts_make_a_check_raise_or_its_words_dirty(entry: Any, seed: int) -> None:
    rng = random.Random(seed)
    odd = [
        None,
        True,
        -1,
        1e300,
        10**400,
        float("nan"),
        "",
        "\x1b[2J\nx",
        "v9.9.9.9.9",
        [],
        [None],
        [{}],
        {},
        {"type": {}},
        "performance",
    ]

    def spoilt(value: Any) -> Any:
        if rng.random() < 0.2:
            return rng.choice(odd)
        if isinstance(value, dict):
            return {key: spoilt(each) for key, each in value.items()}
        return [spoilt(each) for each in value] if isinstance(value, list) else value

    wanted = tuple(Wanted(file, False) for file in model("qwen3-0.6b").files_for(standin=False))
    for finding in judge(
        Subject(
            entry, {key: spoilt(value) for key, value in FIT.items()}, (model("qwen3-0.6b"),), wanted, True, "night"
        )
    ):
        assert finding.seen and finding.seen.isprintable()


def test_an_inventory_without_a_demo_fails_before_the_board_is_looked_at(entry: Any) -> None:
    bare = entry.model_copy(update={"paths": entry.paths.model_copy(update={"llm_demo": None})})
    finding = found("demo", Subject(bare, FIT))
    assert finding.verdict is Verdict.FAIL and "boards.a.paths.llm_demo" in finding.action


def test_models_of_both_kinds_need_both_demos(entry: Any) -> None:
    both = (model("qwen3-0.6b"), model("qwen3-vl-2b"))
    sees = entry.model_copy(update={"paths": entry.paths.model_copy(update={"vlm_demo": "/opt/demo/demo"})})
    assert demos_of(sees, both) == {"llm_demo": "/opt/demo/llm_demo", "vlm_demo": "/opt/demo/demo"}
    assert options(sees, "/store", (), both).count("--demo") == 2
    assert found("demo", Subject(sees, FIT, both)).verdict is Verdict.OK
    for at, name in enumerate(("llm_demo /opt/demo/llm_demo", "vlm_demo /opt/demo/demo")):
        finding = found("demo", Subject(sees, facts((f"check.demos.{at}.is", "missing")), both))
        assert (finding.verdict, finding.seen) == (Verdict.FAIL, f"{name} is not there")
    finding = found("demo", Subject(entry, facts(("check.demos.0.is", "missing")), both))
    assert finding.seen == "llm_demo /opt/demo/llm_demo is not there; the inventory does not say where vlm_demo is"
    assert "boards.a.paths.vlm_demo" in finding.action


def test_a_model_asks_for_its_own_runtime(entry: Any) -> None:
    old = facts(("runtime.rkllm.0.version", "1.1.0"))
    assert found("rkllm-library", Subject(entry, old)).verdict is Verdict.OK
    finding = found("rkllm-library", Subject(entry, old, (model("qwen3-0.6b"), model("qwen3-4b"))))
    assert finding.verdict is Verdict.WARN and "is supported since" in finding.seen
    asked = model("qwen3-4b")
    assert asked.runtime is not None and asked.runtime.since is not None
    first = facts(("runtime.rkllm.0.version", asked.runtime.since))
    assert found("rkllm-library", Subject(entry, first, (asked,))).verdict is Verdict.OK


def test_a_vision_model_needs_a_librknnrt_that_loads_its_encoder(entry: Any) -> None:
    asked = model("qwen3-vl-2b")
    assert found("library-versions", Subject(entry, FIT, (asked,))).verdict is Verdict.OK
    for rknn in ([], [{"path": "/usr/lib/librknnrt.so", "version": "1.6.0"}]):
        finding = found("library-versions", Subject(entry, facts(("runtime.rknn", rknn)), (asked,)))
        assert finding.verdict is Verdict.FAIL and finding.action


SHA = "ab" * 32


@pytest.mark.parametrize(
    ("copies", "here", "asked", "verdict", "says"),
    [
        ([(7, SHA)], False, True, Verdict.OK, "right sha256"),
        ([(7, "cd" * 32), (7, SHA)], False, True, Verdict.OK, "right sha256"),
        ([(7, None)], False, True, Verdict.UNKNOWN, "not computed"),
        ([(6, None), (7, None)], False, True, Verdict.UNKNOWN, "not computed"),
        ([(7, "cd" * 32)], False, True, Verdict.FAIL, "another file"),
        ([(7, "cd" * 32)], True, True, Verdict.WARN, "is sent"),
        ([(6, None)], False, False, Verdict.FAIL, "another file"),
        ([(0, SHA)], False, False, Verdict.FAIL, "another file"),
        ([], True, True, Verdict.WARN, "is sent"),
        ([], False, True, Verdict.FAIL, "neither"),
        ([], False, False, Verdict.OK, "none of models.yaml"),
    ],
)
def test_a_model_file_is_judged_by_its_size_and_by_what_is_remembered_of_it(
    entry: Any, copies: list[tuple[int, str | None]], here: bool, asked: bool, verdict: Verdict, says: str
) -> None:
    one = model("qwen3-0.6b")
    file = one.files_for(standin=False)[0].model_copy(update={"size_bytes": 7, "sha256": SHA})
    listed = [{"name": file.file, "path": f"/{size}", "size_bytes": size, "sha256": sha256} for size, sha256 in copies]
    subject = Subject(entry, facts(("check.files", listed)), wanted=(Wanted(file, here),), files_asked=asked)
    finding = found("model-files", subject)
    assert finding.verdict is verdict and says in finding.seen


def test_a_stand_in_is_made_when_it_is_needed(entry: Any) -> None:
    one = model("qwen3-0.6b")
    wanted = tuple(Wanted(file, False) for file in one.files_for(standin=True))
    assert found("model-files", Subject(entry, FIT, (one,), wanted, files_asked=True)).verdict is Verdict.WARN


def test_what_a_run_of_the_same_campaign_does_to_a_board_keeps_nobody_from_going_on(entry: Any) -> None:
    seen = facts(("npu_users", [LLM_DEMO]), ("check.background.cores", 4.0), ("thermal.zones.0.temp_mc", 90_000))
    assert found("npu-users", Subject(entry, seen, campaign="night")).verdict is Verdict.OK
    assert found("npu-users", Subject(entry, seen, campaign="nigh")).verdict is Verdict.FAIL
    for name in ("background-load", "temperature"):
        assert found(name, Subject(entry, seen, campaign="night")).verdict is Verdict.FAIL
        assert found(name, Subject(entry, seen, campaign="night", resumed=True)).verdict is Verdict.WARN
    stranger = facts(("npu_users", [LLM_DEMO, {"pid": 8, "comm": "python"}]))
    finding = found("npu-users", Subject(entry, stranger, campaign="night", resumed=True))
    assert finding.verdict is Verdict.FAIL and "llm_demo" not in finding.seen


def test_a_refusal_names_the_board_what_was_seen_and_what_to_do(entry: Any) -> None:
    findings = judge(Subject(entry, facts(("tools.flock", False), ("check.demos.0.is", "missing"))))
    error = refusal(entry, findings)
    assert error is not None and error.checks == ("demo", "tools")
    assert "a: check: demo: llm_demo /opt/demo/llm_demo is not there; tools: not there: flock" in error.message()
    assert "--force" in error.message() and "invoke check --board a" in error.message()
    assert refusal(entry, judge(Subject(entry, FIT))) is None
    result = CampaignResult("night", (BoardResult("a", error, ()),), False, 0)
    assert exit_code(result, ["skipped"]) is ExitCode.VERDICT
    assert any("--failed-from night" in line for line in epilogue(result))


def test_what_fails_stands_first_and_a_virtual_board_says_so(entry: Any) -> None:
    findings = judge(Subject(entry, facts(("tools.flock", False), ("clock_offset_s", 61.0), ("disk", []))))
    told = rows([Checked(entry, findings, simulated=True)])
    assert [row["verdict"] for row in told[:4]] == ["fail", "warn", "unknown", "ok"]
    assert {row["origin"] for row in told} == {"simulated"} and len(told) == len(CHECKS)


def test_no_two_checks_share_a_name_and_each_is_explained() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert check.reads and check.rule and check.action and check.__doc__


def test_the_guide_has_the_same_checks_in_the_same_order_and_words() -> None:
    guide = (PROJECT / "docs" / "01_hardware.md").read_text(encoding="utf-8")
    table = guide.partition("| check | reads | rule | next action |\n")[2].split("\n\n")[0].splitlines()[1:]
    assert table == [f"| `{one.name}` | {one.reads} | {one.rule} | {one.action} |" for one in CHECKS]


def test_the_rules_in_words_have_the_numbers_that_are_used() -> None:
    words = {check.name: check.rule for check in CHECKS}
    for name, said in {
        "driver-version": [dotted(defaults.OLDEST_DRIVER), dotted(defaults.FIRST_DRIVER), dotted(defaults.GOOD_DRIVER)],
        "temperature": [f"{defaults.HOT_MC // 1000} °C", f"{defaults.WARM_MC // 1000} °C"],
        "swap": [f"{defaults.SWAP_USED_BYTES // MIB} MiB"],
        "memory": [f"{defaults.LEAST_AVAILABLE_BYTES // GIB} GiB"],
        "disk": [f"{defaults.PUSH_FREE_BYTES // MIB} MiB", f"{defaults.LOW_DISK_BYTES // GIB} GiB"],
        "background-load": [f"{defaults.BUSY_WARN_CORES} cores"],
    }.items():
        assert all(number in words[name] for number in said), name
