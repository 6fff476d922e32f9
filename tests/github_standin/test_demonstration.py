"""The demonstration moves history to the present, once."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from github_standin import REPOSITORIES, SYNTHESISED, demonstration, recording
from github_standin.demonstration import StateError
from github_standin.server import Server
from github_standin.world import World
from tests.github_standin.asking import Clock, body

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
WEEK = timedelta(weeks=1)


def test_now_falls_into_the_last_week_of_every_recording(tmp_path: Path) -> None:
    world = World(Clock(NOW))
    shown = {of.recording.name: of for of in demonstration.prepare(world, tmp_path)}
    assert list(shown) == list(recording.names())
    bitcoin = shown["bitcoin-core-ci"]
    assert bitcoin.recording.last - WEEK < NOW <= bitcoin.recording.last
    assert not bitcoin.is_used_up(NOW)
    for of in shown.values():
        assert of.recording.first <= NOW < of.recording.first + timedelta(weeks=3)
    short = shown["tenstorrent-12083382635"]
    assert short.is_used_up(NOW)
    assert short.recording.first.strftime("%A %H:%M:%S") == "Friday 10:47:43"


@settings(max_examples=15, deadline=None)
@given(hours=st.integers(0, 24 * 400))
def test_whenever_it_begins_there_is_history_and_all_of_the_last_week_is_near(hours: int) -> None:
    now = NOW + timedelta(hours=hours)
    weeks = demonstration._weeks_to_now("bitcoin-core-ci", now)
    moved = recording.load(World(), "bitcoin-core-ci", weeks * WEEK)
    assert moved.first < now - WEEK
    assert now <= moved.last < now + WEEK


def test_later_starts_go_on_with_the_shift_of_the_first(tmp_path: Path) -> None:
    first = demonstration.prepare(World(Clock(NOW)), tmp_path)
    kept = (tmp_path / demonstration.STATE_FILE).read_text()
    later = World(Clock(NOW + 5 * WEEK))
    again = demonstration.prepare(later, tmp_path)
    assert [of.recording for of in again] == [of.recording for of in first]
    assert (tmp_path / demonstration.STATE_FILE).read_text() == kept
    assert [path.name for path in tmp_path.iterdir()] == [demonstration.STATE_FILE]
    assert all(of["used_up"] for of in demonstration.status(later, again)["recordings"])


def test_what_is_due_appears_with_time(tmp_path: Path) -> None:
    clock = Clock(NOW)
    world = World(clock)
    demonstration.prepare(world, tmp_path)
    server = Server(world)
    counts = []
    for day in range(0, 9, 2):
        clock.now = NOW + timedelta(days=day)
        counts.append(body(server, "/repos/bitcoin/bitcoin/actions/runs")["total_count"])
    assert counts == sorted(counts)
    assert 0 < counts[0] < counts[-1] == 340


def test_a_state_that_cannot_be_read_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / demonstration.STATE_FILE).write_text(json.dumps([1]))
    with pytest.raises(StateError, match="Remove it"):
        demonstration.prepare(World(Clock(NOW)), tmp_path)


def test_the_constants_name_what_is_shown(tmp_path: Path) -> None:
    world = World(Clock(NOW))
    shown = demonstration.prepare(world, tmp_path)
    status = demonstration.status(world, shown)
    assert sorted(status["repositories"]) == sorted(REPOSITORIES)
    told = {sentence.partition(":")[0] for sentence in SYNTHESISED}
    assert told == {"All repositories", "bitcoin/bitcoin", "tenstorrent/*"}
