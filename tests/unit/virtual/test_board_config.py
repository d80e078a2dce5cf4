from __future__ import annotations

import pytest

from virtual.config import BadConfig, BoardConfig, parse_config
from virtual.layouts import LAYOUTS


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[]", "object"),
        ("{", "not JSON"),
        ('{"fautls": []}', "'fautls' is unknown"),
        ('{"faults": ["hangs"]}', "'hangs' is unknown"),
        ('{"faults": "hang"}', "faults"),
        ('{"time_scale": 0}', "time_scale"),
        ('{"time_scale": true}', "time_scale"),
        ('{"ram_gib": "8"}', "ram_gib"),
        ('{"ram_gib": NaN}', "ram_gib"),
        ('{"seed": 1.5}', "seed"),
        ('{"runtime": "1.2.4"}', "'1.2.4' is not modelled; there are 1.1.0, .*, 1.2.3, 1.3.0$"),
        ('{"runtime": 1.2}', "runtime"),
        ('{"runtime": ["1.2.3"]}', "runtime"),
        ('{"driver": "v0.9.8"}', "driver"),
        ('{"idle_exit_s": -1}', "idle_exit_s"),
        ('{"fault_times": -1}', "fault_times"),
        ('{"fault_times": true}', "fault_times"),
        ('{"away_s": -0.1}', "away_s"),
        ('{"away_s": "soon"}', "away_s"),
        ('{"disk_mib": 0}', "disk_mib"),
        ('{"disk_mib": 1.5}', "disk_mib"),
        ('{"ambient_c": 126}', "ambient_c"),
        ('{"ambient_c": NaN}', "ambient_c"),
        ('{"ambient_c": "hot"}', "ambient_c"),
        ('{"swap_used_mib": -1}', "swap_used_mib"),
        ('{"swap_used_mib": 0.5}', "swap_used_mib"),
    ],
)
def test_a_wish_that_no_board_can_have_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(BadConfig, match=named):
        parse_config(text)


def test_no_wishes_are_a_healthy_board() -> None:
    assert parse_config("{}") == BoardConfig()
    assert BoardConfig().faults == ()


def test_a_config_survives_being_written_and_read() -> None:
    config = parse_config('{"faults": ["oom", "hang", "oom"], "time_scale": 2.5, "seed": 7}')
    assert config.faults == ("hang", "oom")
    assert parse_config(config.to_json()) == config


def test_the_old_driver_of_the_fault_is_shown_everywhere() -> None:
    assert BoardConfig(driver="0.9.7").driver_shown == "0.9.7"
    assert BoardConfig(driver="0.9.8", faults=("driver_too_old",)).driver_shown == "0.9.6"


def test_what_is_too_old_a_driver_depends_on_the_runtime() -> None:
    shown = {name: BoardConfig(runtime=name, faults=("driver_too_old",)).driver_shown for name in LAYOUTS}
    assert shown.pop("1.1.0") == "0.9.3"
    assert set(shown.values()) == {"0.9.6"}
