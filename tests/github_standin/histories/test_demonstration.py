"""The demonstration moves history to the present, once."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionsight.local.standin import INVENTED_OWNER
from github_standin import INVENTED, REPOSITORIES, SYNTHESISED
from github_standin.histories import demonstration, recording
from github_standin.histories.demonstration import StateError
from github_standin.server.server import Server
from github_standin.world.world import World
from tests.github_standin.client import Clock, body, get

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
    assert sorted(status["repositories"][:-1]) == sorted(REPOSITORIES)
    assert status["repositories"][-1:] == status["invented"] == [INVENTED]
    assert INVENTED.startswith(f"{INVENTED_OWNER}/")
    told = {sentence.partition(":")[0] for sentence in SYNTHESISED}
    assert told == {"All repositories", "bitcoin/bitcoin", "tenstorrent/*", INVENTED}


def test_people_see_different_repositories_and_the_collector_sees_all(tmp_path: Path) -> None:
    world = World(Clock(NOW))
    status = demonstration.status(world, demonstration.prepare(world, tmp_path))
    server = Server(world)
    names = status["repositories"]
    assert status["private"] == ["tenstorrent/tt-forge", INVENTED]
    for name in names:
        is_private = name in status["private"]
        assert body(server, f"/repos/{name}")["private"] == is_private
    seen = {}
    for person in status["people"]:
        user = world.people.users[person["id"]]
        token = world.people.issue_token(user).access_token
        answers = {
            name: get(server, f"/repos/{name}", Authorization=f"Bearer {token}") for name in names
        }
        reached = {name for name, answer in answers.items() if answer.status_code == 200}
        maintained = {
            name for name in reached if answers[name].get_json()["permissions"]["maintain"]
        }
        seen[person["login"]] = (len(reached), len(maintained))
        assert set(person["roles"]) <= reached
    assert seen == {
        "standin-maintainer": (5, 5),
        "standin-developer": (5, 1),
        "standin-outsider": (3, 0),
    }


def test_the_people_are_the_same_at_every_start(tmp_path: Path) -> None:
    first, later = World(Clock(NOW)), World(Clock(NOW + WEEK))
    shown = demonstration.prepare(first, tmp_path)
    people = demonstration.status(first, shown)["people"]
    assert demonstration.status(later, demonstration.prepare(later, tmp_path))["people"] == people


def test_tokens_live_by_the_real_time_while_history_catches_up(tmp_path: Path) -> None:
    clock = Clock(NOW)
    world = World(clock)
    demonstration.prepare(world, tmp_path, speed=100)
    [user, *_] = world.people.users.values()
    issued = world.people.issue_token(user)
    assert issued.user_id == user.account.id
    clock.now += timedelta(hours=7)
    assert world.people.tokens.find(issued.access_token) == issued
    clock.now += timedelta(hours=1)
    assert world.people.tokens.find(issued.access_token) is None
