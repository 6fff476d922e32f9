"""Faults of GitHub and of the way to it, each in the midst of a first collection.

Every fault strikes a repository of its own; the one beside them must never notice. What is stored
is true at any moment, and complete when the fault is over, or at once where trying again suffices.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from actionsight.github import installation, pagination
from github_standin.server import faults
from tests.github_standin.keys import keys
from tests.ingestion.assertions import assert_exact, assert_nothing_wrong
from tests.ingestion.factories import MINUTE, Installation, job, run
from tests.ingestion.faulty_repositories import DAY, HOUR, Struck, assert_not_held_up, beside
from tests.ingestion.scenarios import POLL, Own, Scenario, Steps

pytestmark = pytest.mark.integration

TEN_MINUTES = 10 * MINUTE
# By a name of ours: the fault, its options, after how many requests it begins, the trouble's words.
PASSING: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "octo/error": ("server_error", {}, 3, "status 50"),
    "octo/html": ("html_with_200", {}, 1, "not JSON"),
    "octo/truncated": ("truncated_json", {}, 12, "not JSON"),
    "octo/reset": ("connection_reset", {}, 4, "a broken connection"),
    "octo/broken": ("connection_reset", {"body_bytes": 10}, 20, "a broken connection"),
    "octo/empty": ("empty_body", {}, 2, "not JSON"),
}
REFUSED: dict[str, tuple[str, int, int]] = {
    "forbidden": ("forbidden", 403, 3),
    "forbidden-late": ("forbidden", 403, 20),
    "blocked": ("legal_reasons", 451, 3),
    "blocked-late": ("legal_reasons", 451, 20),
    "gone": ("gone", 410, 3),
    "gone-late": ("gone", 410, 20),
}
WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "double": ("duplicate_rows", {}),
    "higher": ("wrong_total_count", {"by": 3}),
    "far-higher": ("wrong_total_count", {"by": 2_000}),
    "lower": ("wrong_total_count", {"by": -10}),
    "none": ("wrong_total_count", {"by": -5_000}),
    "slow": ("slow", {"most_rows": 10, "paths": "/(workflows|runs|jobs)$"}),
}


@pytest.fixture(scope="module", autouse=True)
def _short_pages() -> Iterator[None]:
    """A page of a fifth of its rows is as good as a whole one, and asks for a fifth of them."""
    with mock.patch.object(pagination, "PAGE_SIZES", (20, 5)):
        yield


def test_a_fault_that_passes_costs_tries_and_one_that_lasts_is_a_trouble_that_heals(
    own: Installation,
) -> None:
    own.tries = 4
    other = beside(own)
    struck = {name: Struck(own, name) for name in PASSING}
    own.server.fault = faults.together(
        *(
            struck[name].fault(fault, begins=begins, **options)
            for name, (fault, options, begins, _) in PASSING.items()
        )
    )

    results = own.collect()

    assert set(results[-1].troubles) == set(PASSING)
    assert_not_held_up(own, other)
    assert_nothing_wrong(own, *(each.repository for each in struck.values()))
    troubles = {name: each.state() for name, each in struck.items()}
    for name, state in troubles.items():
        assert PASSING[name][3] in state["trouble"], name
        assert state["trouble_loop"] in ("repository", "head", "open", "backfill", "jobs")
        assert state["trouble_since"] is not None
        assert state["failure_count"] >= 1
        assert state["next_try_at"] == own.clock.now + own.settings.poll_minutes * MINUTE
        assert state["visibility"] == "public"

    own.clock.advance(TEN_MINUTES)
    lasting, passing = struck.pop("octo/error"), struck
    own.tries = 8
    own.server.fault = faults.together(
        lasting.fault("server_error", paths="/runs"),
        *(
            each.fault(PASSING[name][0], share=0.2, seed=3, **PASSING[name][1])
            for name, each in passing.items()
        ),
    )

    results = own.collect()

    assert set(results[-1].troubles) == {"octo/error"}
    assert_not_held_up(own, other)
    for each in passing.values():
        each.assert_whole()
    before, now = troubles["octo/error"], lasting.state()
    assert now["trouble_since"] == before["trouble_since"]
    assert now["failure_count"] > before["failure_count"]
    assert now["next_try_at"] == before["next_try_at"] + TEN_MINUTES
    failed = own.query(
        "select * from raw.polls where error is not null and started_at = %s", own.clock.now
    )
    assert {(poll["repository_id"], poll["ended_at"]) for poll in failed} == {
        (lasting.repository.id, None)
    }

    own.server.fault = None
    own.clock.advance(TEN_MINUTES)
    own.collect()
    lasting.assert_whole()


def test_a_token_that_expires_in_mid_run_stops_everything_until_there_is_another(
    own: Installation,
) -> None:
    struck, other = Struck(own), beside(own)
    own.settings = replace(own.settings, github_token="ghp_first")
    own.server.fault = struck.fault("expired_token", begins=20, times=1)
    results = own.collect()
    assert set(results[-1].troubles) >= {"octo/struck"}
    trouble = struck.state()["trouble"]
    assert "401" in trouble
    assert "ACTIONSIGHT_GITHUB_TOKEN" in trouble
    refused = [logged for logged in own.server.requests if logged.status == 401]
    assert 1 <= len(refused) <= 32, "those under way, and no more: they may lock good ones out"
    assert_nothing_wrong(own, struck.repository, other)
    own.settings = replace(own.settings, github_token="ghp_second")
    own.clock.advance(TEN_MINUTES)
    results = own.collect()
    assert results[-1].troubles == {}
    struck.assert_whole()
    assert_not_held_up(own, other)


def test_an_installations_token_that_expires_in_mid_run_is_renewed(
    own: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What expires is an hour old; one that was just made would be tried again instead.
    monkeypatch.setattr(installation, "YOUNG_SECONDS", 0)
    struck = Struck(own)
    private_key, public_key = keys()
    people = own.world.people
    app = people.register_app("client", "secret", [], public_key=public_key)
    people.install("octo")
    own.settings = replace(
        own.settings,
        github_app_id=str(app.id),
        github_app_private_key=private_key,
        secret_key="of the tests " * 4,
    )
    own.server.fault = struck.fault("expired_token", begins=20, times=1)
    results = own.collect()
    assert results[-1].troubles == {}
    struck.assert_whole()
    assert 1 <= len([each for each in own.server.requests if each.status == 401]) <= 32
    made = [path for path in own.paths() if path.endswith("/access_tokens")]
    assert len(made) == 2


def test_a_clock_that_is_an_hour_off_loses_nothing(own: Installation) -> None:
    """Ours against GitHub's: behind or ahead from the beginning, put right between two polls."""
    repositories = []
    for number, skew in enumerate((-HOUR, HOUR, timedelta())):
        own.skew = skew
        # Each poll is the first one of a repository.
        repositories.append(beside(own, f"octo/since-{number}"))
        for each in repositories:
            ci = own.world.workflows_of(each.id)[0]
            run(ci, own.world, own.clock.now - TEN_MINUTES)
            own.world.add_run(ci, own.clock.now, [job("build", own.clock.now)])
        results = own.collect()
        assert results[-1].troubles == {}
        for each in repositories:
            assert_not_held_up(own, each)
        own.clock.advance(TEN_MINUTES)
    own.collect()
    assert_exact(own)


def answers_that_are_wrong_or_must_be_smaller_lose_nothing(own: Own) -> Steps:
    struck = {name: Struck(own, own.named(name)) for name in WRONG}
    own.fault = faults.together(
        *(struck[name].fault(fault, **options) for name, (fault, options) in WRONG.items())
    )
    troubles = yield POLL
    assert troubles == {}
    for each in struck.values():
        each.assert_whole()


def a_refusal_concerns_one_repository_and_one_that_is_taken_down_is_hidden_till_it_is_back(
    own: Own,
) -> Steps:
    other = beside(own, own.named("other"))
    struck = {name: Struck(own, own.named(name)) for name in REFUSED}
    own.fault = faults.together(
        *(struck[name].fault(fault, begins=begins) for name, (fault, _, begins) in REFUSED.items())
    )

    troubles = yield POLL

    assert set(troubles) == {own.named(name) for name in REFUSED}
    assert_not_held_up(own, other)
    assert_nothing_wrong(own, *(each.repository for each in struck.values()))
    assert own.of_own("raw.missing_attempts") == []
    requests = own.requests()
    for name, (_, status, _) in REFUSED.items():
        state = struck[name].state()
        assert str(status) in state["trouble"]
        hidden = ("private", own.clock.now) if status != 403 else ("public", None)
        assert (state["visibility"], state["unreachable_since"]) == hidden, name
        asked = [each.status for each in requests if f"/{name}/" in f"{each.path}/"]
        assert asked.count(status) < 70, "a refusal is not tried again"

    own.fault = None
    yield TEN_MINUTES
    troubles = yield POLL
    assert troubles == {}
    for each in struck.values():
        each.assert_whole()


def an_attempt_that_is_gone_or_blocked_is_noted_once(own: Own) -> Steps:
    by_status = {410: Struck(own, own.named("gone")), 451: Struck(own, own.named("blocked"))}
    own.fault = faults.together(
        by_status[410].fault("gone", paths="/attempts/1"),
        by_status[451].fault("legal_reasons", paths="/attempts/1$"),
        by_status[451].fault("legal_reasons", paths="/attempts/1/jobs"),
    )
    by_run = {each.rerun.id: status for status, each in by_status.items()}
    # The jobs of a single attempt cannot be had either: it stays without.
    troubles = yield POLL
    assert troubles == {}
    missing = {
        row["run_id"]: (row["run_attempt"], row["status_code"])
        for row in own.of_own("raw.missing_attempts")
    }
    assert missing.items() >= {(run_id, (1, status)) for run_id, status in by_run.items()}
    stored = {row[:2] for row in own.attempts() if row[0] in by_run}
    assert stored == {(run_id, number) for run_id in by_run for number in (2, 3)}
    own.paths()
    yield DAY
    yield POLL
    assert not [path for path in own.paths() if "/attempts/1" in path]


def pages_that_drift_while_runs_are_created_lose_nothing(own: Own) -> Steps:
    struck = Struck(own, own.name)
    own.fault = struck.fault("drifting_pages", runs=3)
    before = {each.id for each in own.world.runs_newest_first(struck.repository.id)}
    troubles = yield POLL
    assert troubles == {}
    assert before <= {row[0] for row in own.attempts()}
    assert len(own.world.runs_newest_first(struck.repository.id)) > len(before)
    own.fault = None
    yield TEN_MINUTES
    yield POLL
    struck.assert_whole()


def an_empty_conclusion_is_none_until_there_is_one(own: Own) -> Steps:
    struck = Struck(own, own.name)
    begun = own.clock.now - MINUTE
    late = own.world.add_run(
        struck.ci, begun, [job("build", begun), job("slow", begun, lasts=HOUR)]
    )
    own.fault = struck.fault("empty_conclusions")
    yield POLL
    assert (late.id, 1, "in_progress", None) in own.attempts()
    struck.assert_whole()
    yield 2 * HOUR
    yield POLL
    struck.assert_whole()


SCENARIOS: tuple[Scenario, ...] = (
    answers_that_are_wrong_or_must_be_smaller_lose_nothing,
    a_refusal_concerns_one_repository_and_one_that_is_taken_down_is_hidden_till_it_is_back,
    an_attempt_that_is_gone_or_blocked_is_noted_once,
    pages_that_drift_while_runs_are_created_lose_nothing,
    an_empty_conclusion_is_none_until_there_is_one,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test(failures: dict[Scenario, Exception], scenario: Scenario) -> None:
    if failure := failures.get(scenario):
        raise failure
