"""Schedules follow from their seeds, and together strike everything."""

import inspect

from tests.chaos import faults, schedule
from tests.chaos.schedule import PROCESSES, SECONDS

SEEDS = range(1, 101)


def test_a_seed_always_draws_the_same() -> None:
    assert [schedule.schedule(seed) for seed in SEEDS] == [
        schedule.schedule(seed) for seed in SEEDS
    ]
    assert len({str(schedule.schedule(seed).faults) for seed in SEEDS}) == len(SEEDS)


def test_faults_begin_in_their_order_while_there_is_traffic() -> None:
    for seed in SEEDS:
        moments = [fault.at_seconds for fault in schedule.schedule(seed).faults]
        assert moments == sorted(moments)
        assert 0 <= moments[0] <= moments[-1] <= SECONDS


def test_a_hundred_seeds_draw_every_fault_and_kill_every_kind_of_process() -> None:
    drawn = [fault for seed in SEEDS for fault in schedule.schedule(seed).faults]
    assert {fault.name for fault in drawn} == set(schedule.NAMES) == set(faults.FAULTS)
    killed = {fault.options["victim"] for fault in drawn if fault.name == "kill"}
    assert killed == set(PROCESSES)
    skews = {schedule.schedule(seed).clock_skew_seconds for seed in SEEDS}
    assert min(skews) < 0 < max(skews)
    assert 0 in skews


def test_every_fault_takes_what_it_is_told() -> None:
    for seed in SEEDS:
        for fault in schedule.schedule(seed).faults:
            inspect.signature(faults.FAULTS[fault.name]).bind(None, **fault.options)
