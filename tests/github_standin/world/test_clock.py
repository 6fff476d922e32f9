"""A clock that catches up: faster than the real one, never ahead of it, never back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from github_standin.histories import demonstration
from github_standin.server.server import Server
from github_standin.world.clock import Pace, starting_pace
from github_standin.world.world import World
from tests.github_standin.client import Clock, body

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def test_it_runs_faster_until_it_has_caught_up_and_then_with_the_real_clock() -> None:
    pace = Pace(NOW, NOW - DAY, 25)
    assert pace.at(NOW) == NOW - DAY
    assert pace.at(NOW + timedelta(minutes=30)) == NOW - DAY + 12.5 * HOUR
    assert not pace.has_caught_up(NOW + 0.99 * HOUR)
    assert pace.has_caught_up(NOW + HOUR)
    assert pace.at(NOW + 5 * HOUR) == NOW + 5 * HOUR


@given(
    starts=st.lists(
        st.tuples(st.integers(0, 5_000), st.sampled_from([1.0, 2.0, 60.0, 1_000.0])), min_size=1
    )
)
def test_over_any_starts_the_worlds_time_never_goes_back_nor_into_the_future(
    starts: list[tuple[int, float]],
) -> None:
    real, kept, shown = NOW, None, NOW - DAY
    for number, (seconds, speed) in enumerate(starts):
        real += timedelta(seconds=seconds)
        kept = starting_pace(real, speed, DAY, is_first=number == 0, kept=kept)
        for moment in (real, real + timedelta(seconds=seconds / 2)):
            world_time = moment if kept is None else kept.at(moment)
            if number == 0 and moment == real:
                shown = world_time
            assert shown <= world_time <= moment
            shown = world_time
        real += timedelta(seconds=seconds / 2)


def test_a_first_start_replays_the_lead_and_a_later_one_goes_on_where_that_has_come(
    tmp_path: Path,
) -> None:
    clock = Clock(NOW)
    world = World(clock)
    demonstration.prepare(world, tmp_path, speed=24, lead=DAY)
    assert world.now() == NOW - DAY
    count = body(Server(world), "/repos/bitcoin/bitcoin/actions/runs")["total_count"]

    clock.now = NOW + timedelta(minutes=10)
    again = World(clock)
    demonstration.prepare(again, tmp_path, speed=24, lead=DAY)
    assert again.now() == world.now() == NOW - DAY + 4 * HOUR

    faster = World(clock)
    demonstration.prepare(faster, tmp_path, speed=240, lead=DAY)
    assert faster.now() == again.now()
    clock.now += timedelta(minutes=1)
    assert faster.now() == NOW - DAY + 8 * HOUR

    present = World(clock)
    shown = demonstration.prepare(present, tmp_path)
    assert present.now() == clock.now
    later = body(Server(present), "/repos/bitcoin/bitcoin/actions/runs")["total_count"]
    assert later > count
    assert all(of.recording.first < NOW for of in shown)

    at_the_present = World(clock)
    demonstration.prepare(at_the_present, tmp_path, speed=24, lead=DAY)
    assert at_the_present.now() == clock.now


def test_a_folder_of_a_start_at_pace_1_is_not_taken_back(tmp_path: Path) -> None:
    demonstration.prepare(World(Clock(NOW)), tmp_path)
    world = World(Clock(NOW + HOUR))
    demonstration.prepare(world, tmp_path, speed=60)
    assert world.now() == NOW + HOUR


def test_a_kept_pace_that_cannot_be_read_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / demonstration.STATE_FILE).write_text('{"shift_weeks": {}, "pace": {"speed": 2}}')
    with pytest.raises(demonstration.StateError, match="Remove it"):
        demonstration.prepare(World(Clock(NOW)), tmp_path)
