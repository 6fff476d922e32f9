"""Polls of a world whose every row is known: all of it is stored, once, and as it last was."""

from dataclasses import replace
from datetime import timedelta

import pytest

from actionsight.repositories import remove_selection
from ingestion.github import stages
from tests.ingestion.factories import (
    MINUTE,
    START,
    Installation,
    attempts_of,
    failing,
    job,
    jobs_of,
    run,
    workflow,
)
from tests.ingestion.scenarios import HEAD, POLL, Own, Poll, Scenario, Steps

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_the_first_poll_stores_everything_exactly(own: Installation) -> None:
    hello, other = workflow(own.world), workflow(own.world, "octo/other")
    runs = [run(hello, own.world, START - number * DAY) for number in range(1, 6)]
    runs += [run(other, own.world, START - number * 7 * HOUR) for number in range(1, 4)]
    run(hello, own.world, START - 40 * DAY)  # before the history that is asked for
    own.monitor("Octo/Hello", "octo/other", "octo/nowhere")

    repositories, collected, jobs = own.collect()

    assert own.attempts() == attempts_of(*runs)
    assert own.jobs() == jobs_of(*runs)
    assert collected.rows_changed == {"workflow_runs": 8}
    assert jobs.rows_changed == {"workflow_jobs": 16}
    (rate_limit,) = jobs.rate_limits
    assert rate_limit.remaining == 5_000 - len(own.paths())  # none of it was asked for twice
    assert jobs.troubles == {}
    assert list(repositories.refused) == ["octo/nowhere"]
    (refused,) = own.query("select * from app.repository_selections where repository_id is null")
    assert "may not read it" in refused["last_error"]
    state = own.repository("octo/hello")
    assert state["visibility"] == "public"
    assert state["head_cursor"] == state["head_since"] == START - HOUR
    assert state["backfilled_from"] == START - 30 * DAY
    listings = own.query("select distinct total_count, row_count from raw.job_listings")
    assert listings == [{"total_count": 2, "row_count": 2}]
    (steps,) = own.query("select distinct jsonb_array_length(steps) as n from raw.workflow_jobs")
    assert steps["n"] == 1


def test_a_poll_that_finds_nothing_new_owes_nothing(own: Installation) -> None:
    hello = workflow(own.world)
    run(hello, own.world, START - HOUR)
    own.monitor("octo/hello")
    own.collect()
    before, rows, loads = own.loads(), own.everything(), own.query("select * from raw._dlt_loads")
    own.paths()
    own.clock.advance(10 * MINUTE)

    results = own.collect()

    assert [logged.status for logged in own.server.requests] == [304, 304]
    assert own.paths() == ["/repos/octo/hello", "/repos/octo/hello/actions/runs"]
    assert own.everything() == rows
    assert own.loads() == before
    assert [str(path) for path in own.settings.data_dir.glob("dlt/*/load/loaded/*")] == []
    assert own.query("select * from raw._dlt_loads") == loads
    assert [result.load_ids for result in results] == [(), (), ()]
    head = own.polls("head")[-1]
    assert (head["seen"], head["changed"], head["request_count"], head["load_ids"]) == (0, 0, 1, [])
    assert head["ended_at"] == own.clock.now


def test_a_second_with_more_runs_than_a_listing_shows_is_said_loudly(
    own: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    hello = workflow(own.world)
    for _ in range(1_005):
        own.world.add_run(hello, START - HOUR, ended_at=START)
    own.monitor("octo/hello")
    own.settings = replace(own.settings, backfill_days=1)
    with own.sync() as sync:
        stages.collect_repositories(sync)
        stages.collect_runs(sync)
    assert len(own.attempts()) == 1_000
    assert "1005 runs were created in the second 2026-03-02T11:00:00Z" in caplog.text


def test_a_used_up_rate_limit_keeps_what_was_collected(own: Installation) -> None:
    hello = workflow(own.world)
    runs = [run(hello, own.world, START - number * HOUR) for number in range(1, 9)]
    own.monitor("octo/hello")
    own.server.rate_limit = 10
    results = own.collect(is_watched=True)
    assert "used up" in results[-1].troubles["octo/hello"]
    assert own.repository("octo/hello")["trouble"] is None  # it is no trouble of a repository
    assert own.attempts() == attempts_of(*runs)
    assert 0 < len(own.jobs()) < 16
    stored = own.query("select run_id from raw.job_listings")
    own.clock.advance(2 * HOUR)
    own.server.rate_limit = 1000
    own.paths()
    own.collect()
    assert own.jobs() == jobs_of(*runs)
    listed_again = {row["run_id"] for row in stored} & {
        int(path.split("/")[6]) for path in own.paths() if path.endswith("/jobs")
    }
    assert listed_again == set()


def every_poll_confirms_that_a_public_repository_still_is(own: Own) -> Steps:
    hello, secret = (
        own.world.repositories[ci.repository_id]
        for ci in (own.monitored(), own.monitored("secret"))
    )
    own.world.privatize_repository(secret)

    def seen_at(name: str) -> object:
        return own.repository(name)["visibility_seen_at"]

    yield POLL
    assert (seen_at(own.name), seen_at(own.named("secret"))) == (START, START)
    for poll in (1, 2):
        yield 10 * MINUTE
        own.paths()
        yield HEAD  # answered 304
        assert seen_at(own.name) == START + poll * 10 * MINUTE
        assert seen_at(own.named("secret")) == START
        assert "/repos/octo/secret" not in own.paths()

    own.fault = failing(own.name, status=500)
    yield 10 * MINUTE
    yield HEAD
    assert seen_at(own.name) == START + 20 * MINUTE

    own.fault = None
    own.world.privatize_repository(hello)
    yield 10 * MINUTE
    yield HEAD
    assert own.repository(own.name)["visibility"] == "private"
    assert seen_at(own.name) == START + 40 * MINUTE


def a_newest_observation_is_of_the_poll_that_last_saw_something_new(own: Own) -> Steps:
    hello, other = own.monitored(), own.monitored("other")
    for each in (hello, other):
        run(each, own.world, START - HOUR)
    yield POLL

    def newest(name: str) -> object:
        return own.repository(name)["newest_observation_at"]

    assert (newest(own.name), newest(own.named("other"))) == (START, START)
    yield 10 * MINUTE
    yield HEAD
    assert (newest(own.name), newest(own.named("other"))) == (START, START)

    run(other, own.world, own.clock.now - 5 * MINUTE)
    yield 10 * MINUTE
    yield HEAD
    assert (newest(own.name), newest(own.named("other"))) == (START, START + 20 * MINUTE)

    told = START + 2 * HOUR  # by a webhook, while the poll was asking
    own.query(
        """
        update app.repositories set newest_observation_at = %s where full_name = %s returning 1
        """,
        told,
        own.name,
    )
    run(hello, own.world, own.clock.now - 5 * MINUTE)
    yield 10 * MINUTE
    yield HEAD
    assert newest(own.name) == told


def every_loop_writes_what_it_saw_and_changed(own: Own) -> Steps:
    ci = own.monitored()
    run(ci, own.world, START - HOUR)
    yield POLL
    polls = own.query("select * from raw.polls where repository_id = %s", ci.repository_id)
    assert {poll["loop"] for poll in polls} == {"repository", "backfill", "head", "open", "jobs"}
    assert len({poll["poll_id"] for poll in polls}) == 1
    by_loop = {poll["loop"]: poll for poll in polls}
    assert by_loop["repository"]["changed"] == 2
    assert by_loop["head"]["changed"] == 1
    assert by_loop["jobs"]["changed"] == 2
    assert {load for poll in polls for load in poll["load_ids"]} == own.loads_of_rows()
    assert sum(poll["request_count"] for poll in polls) + 1 == len(own.paths())


def an_open_run_is_seen_to_its_end_however_late(own: Own) -> Steps:
    hello = own.monitored()
    late = own.world.add_run(
        hello, START - MINUTE, [job("long", START - MINUTE, lasts=timedelta(hours=40))]
    )
    yield POLL
    assert own.attempts() == {(late.id, 1, "in_progress", None)}
    assert [(row[1], row[3]) for row in own.jobs()] == [(late.id, "in_progress")]
    yield DAY + HOUR
    quick = run(hello, own.world, own.clock.now - 5 * MINUTE)
    yield POLL
    yield DAY
    yield POLL
    assert own.attempts() == attempts_of(late, quick)
    assert own.jobs() == jobs_of(late, quick)


def earlier_attempts_are_stored_once_as_final_and_carried_over_jobs_as_listed(own: Own) -> Steps:
    hello = own.monitored()
    at = START - 3 * HOUR
    again = own.world.add_run(hello, at, [job("build", at), job("test", at, conclusion="failure")])
    own.world.add_attempt(again, at + HOUR, [job("test", at + HOUR, conclusion="failure")])
    own.world.add_attempt(again, at + 2 * HOUR, [job("test", at + 2 * HOUR)])
    yield POLL
    assert own.attempts() == attempts_of(again)
    assert own.jobs() == jobs_of(again)
    assert len(own.jobs()) == 6
    carried = own.query(
        """
        select * from raw.workflow_jobs
        where runner_id = 0 and run_attempt > 1 and name = 'build' and repository_id = %s
        """,
        hello.repository_id,
    )
    assert [row["runner_name"] for row in carried] == [None, None]
    # All three attempts in one listing.
    assert [path for path in own.paths() if path.endswith("/jobs")] == [
        f"/repos/{own.name}/actions/runs/{again.id}/jobs"
    ]
    yield POLL
    assert not [path for path in own.paths() if "attempts" in path or path.endswith("/jobs")]


def a_new_attempt_of_a_stored_run_brings_the_missed_ones_between(own: Own) -> Steps:
    hello = own.monitored()
    at = START - 30 * MINUTE
    again = run(hello, own.world, at)
    yield POLL
    own.paths()
    for number in (1, 2):
        moment = START + number * 10 * MINUTE
        own.world.add_attempt(again, moment, [job("test", moment)])
    yield 2 * HOUR
    yield POLL
    assert own.attempts() == attempts_of(again)
    assert own.jobs() == jobs_of(again)
    asked = [path for path in own.paths() if "/attempts/" in path and "jobs" not in path]
    assert asked == [f"/repos/{own.name}/actions/runs/{again.id}/attempts/2"]


def attempts_that_github_has_lost_are_asked_for_once(own: Own) -> Steps:
    hello = own.monitored()
    at = START - 3 * HOUR
    again = run(hello, own.world, at)
    own.world.add_attempt(again, at + HOUR, [job("test", at + HOUR)])
    own.world.lose_attempt(again, 1)
    troubles = yield POLL
    assert troubles == {}
    assert own.attempts() == attempts_of(again)
    assert own.jobs() == jobs_of(again)
    (missing,) = own.query("select * from raw.missing_attempts where run_id = %s", again.id)
    assert (missing["run_id"], missing["run_attempt"], missing["status_code"]) == (again.id, 1, 404)
    own.paths()
    yield POLL
    assert not [path for path in own.paths() if "attempts" in path]


def an_open_run_that_was_deleted_breaks_nothing(own: Own) -> Steps:
    hello = own.monitored()
    gone = own.world.add_run(
        hello, START - 2 * DAY, [job("long", START - 2 * DAY, lasts=timedelta(days=9))]
    )
    other = run(hello, own.world, START - HOUR)
    yield POLL
    own.world.delete_run(gone)
    troubles = yield POLL
    assert troubles == {}
    assert own.attempts() == {(gone.id, 1, "in_progress", None)} | attempts_of(other)
    own.paths()
    yield POLL
    assert f"/repos/{own.name}/actions/runs/{gone.id}" not in own.paths()


def jobs_of_a_large_matrix_come_on_three_pages(own: Own) -> Steps:
    hello = own.monitored()
    at = START - HOUR
    wide = own.world.add_run(hello, at, [job(f"test ({n})", at) for n in range(256)])
    yield POLL
    assert own.jobs() == jobs_of(wide)
    assert len([path for path in own.paths() if path.endswith("/jobs")]) == 3


def jobs_that_are_not_complete_yet_are_listed_again(own: Own) -> Steps:
    hello = own.monitored()
    at = START - 10 * MINUTE
    early = own.world.add_run(
        hello,
        at,
        [job("build", at), job("slow", at, lasts=HOUR)],
        ended_at=START - MINUTE,
        conclusion="success",
        updated_at=START - MINUTE,
    )
    yield POLL
    assert {row[3] for row in own.jobs()} == {"completed", "in_progress"}
    yield 2 * HOUR
    yield POLL
    assert own.jobs() == jobs_of(early)
    own.paths()
    yield POLL
    assert not [path for path in own.paths() if path.endswith("/jobs")]


def a_job_that_never_completes_is_given_up_a_day_after_it_was_first_seen(own: Own) -> Steps:
    """However old its run is: history that is read late deserves the same patience."""
    hello = own.monitored()
    at = START - 30 * DAY
    own.world.add_run(
        hello, at, [job("stuck", at, lasts=365 * DAY)], ended_at=at + HOUR, conclusion="cancelled"
    )

    listings = []
    for wait in (timedelta(), timedelta(), DAY + HOUR, timedelta()):
        yield wait
        yield POLL
        listings.append([path.endswith("/jobs") for path in own.paths()].count(True))
    assert listings == [1, 1, 1, 0]


def a_renamed_repository_keeps_its_rows_and_takes_its_new_name(own: Own) -> Steps:
    hello = own.monitored()
    first = run(hello, own.world, START - HOUR)
    yield POLL
    own.world.rename_repository(own.world.repositories[hello.repository_id], own.named("goodbye"))
    own.names.add(own.named("goodbye"))
    impostor = workflow(own.world, own.name)
    run(impostor, own.world, START)
    yield 2 * HOUR
    second = run(hello, own.world, own.clock.now - 10 * MINUTE)
    troubles = yield POLL
    assert troubles == {}
    assert own.attempts() == attempts_of(first, second)
    assert own.repository(own.named("goodbye"))["repository_id"] == hello.repository_id
    assert [row["full_name"] for row in own.everything()["repositories"]] == [own.named("goodbye")]


def one_repositorys_trouble_does_not_stop_the_others_and_heals(own: Own) -> Steps:
    bad, good = own.monitored("bad"), own.monitored("good")
    of_bad, of_good = run(bad, own.world, START - HOUR), run(good, own.world, START - HOUR)
    own.fault = failing(f"{own.named('bad')}/actions/runs")
    troubles = yield POLL
    assert own.attempts() == attempts_of(of_good)
    assert own.jobs() == jobs_of(of_good)
    assert list(troubles) == [own.named("bad")]
    trouble = own.repository(own.named("bad"))
    assert "status 500" in trouble["trouble"]
    assert trouble["trouble_since"] is not None
    (poll,) = [p for p in own.polls("head") if p["repository_id"] == bad.repository_id]
    assert (poll["ended_at"], poll["error"]) == (None, trouble["trouble"])
    own.fault = None
    troubles = yield POLL
    assert troubles == {}
    assert own.attempts() == attempts_of(of_bad, of_good)
    healed = own.repository(own.named("bad"))
    assert (healed["trouble"], healed["trouble_since"]) == (None, None)


def a_repository_that_cannot_be_read_any_more_is_hidden_and_keeps_its_rows(own: Own) -> Steps:
    hello = own.monitored()
    first = run(hello, own.world, START - HOUR)
    yield POLL
    own.fault = failing(own.name, status=404)
    troubles = yield POLL
    assert "404" in troubles[own.name]
    assert own.repository(own.name)["visibility"] == "private"
    assert own.attempts() == attempts_of(first)
    own.fault = None
    yield 10 * MINUTE
    yield POLL
    assert own.repository(own.name)["visibility"] == "public"


def one_attempt_whose_jobs_fail_does_not_hold_up_the_jobs_of_others(own: Own) -> Steps:
    hello = own.monitored()
    stuck, fine = run(hello, own.world, START - HOUR), run(hello, own.world, START - 2 * DAY)
    own.fault = failing(f"{stuck.id}/attempts/1/jobs")
    troubles = yield POLL
    assert own.jobs() == jobs_of(fine)
    assert own.name in troubles
    own.fault = None
    yield POLL
    assert own.jobs() == jobs_of(stuck, fine)


def the_head_does_not_move_past_what_failed(own: Own) -> Steps:
    hello = own.monitored()
    run(hello, own.world, START - 10 * HOUR)
    yield POLL
    yield DAY + HOUR
    at = START + HOUR
    again = run(hello, own.world, at)
    own.world.add_attempt(again, at + HOUR, [job("test", at + HOUR)])
    run(hello, own.world, START + 8 * HOUR)
    own.fault = failing(f"{again.id}/attempts/1")
    yield POLL
    assert own.repository(own.name)["head_cursor"] == START - HOUR
    assert again.id not in {row[0] for row in own.attempts()}
    own.fault = None
    yield POLL
    assert {row[:2] for row in own.attempts()} >= {(again.id, 1), (again.id, 2)}
    assert own.repository(own.name)["head_cursor"] == START + 8 * HOUR


def history_further_back_is_collected_on_demand_and_only_that(own: Own) -> Steps:
    hello = own.monitored()
    recent, old = run(hello, own.world, START - DAY), run(hello, own.world, START - 60 * DAY)
    yield POLL
    assert own.attempts() == attempts_of(recent)
    yield Poll(since=START - 90 * DAY)
    assert own.attempts() == attempts_of(recent, old)
    assert own.repository(own.name)["backfilled_from"] == START - 90 * DAY
    assert own.repository(own.name)["head_cursor"] == START - HOUR
    backfill = own.polls("backfill")[-1]
    # The window, and the total against which it is held.
    assert (backfill["seen"], backfill["request_count"]) == (1, 2)


def nothing_is_asked_of_a_repository_that_was_removed(own: Own) -> Steps:
    hello = own.monitored()
    run(hello, own.world, START - HOUR)
    yield POLL
    with own.connect() as connection:
        remove_selection(connection, own.name)
    own.paths()
    yield POLL
    assert own.paths() == []


SCENARIOS: tuple[Scenario, ...] = (
    every_poll_confirms_that_a_public_repository_still_is,
    a_newest_observation_is_of_the_poll_that_last_saw_something_new,
    every_loop_writes_what_it_saw_and_changed,
    an_open_run_is_seen_to_its_end_however_late,
    earlier_attempts_are_stored_once_as_final_and_carried_over_jobs_as_listed,
    a_new_attempt_of_a_stored_run_brings_the_missed_ones_between,
    attempts_that_github_has_lost_are_asked_for_once,
    an_open_run_that_was_deleted_breaks_nothing,
    jobs_of_a_large_matrix_come_on_three_pages,
    jobs_that_are_not_complete_yet_are_listed_again,
    a_job_that_never_completes_is_given_up_a_day_after_it_was_first_seen,
    a_renamed_repository_keeps_its_rows_and_takes_its_new_name,
    one_repositorys_trouble_does_not_stop_the_others_and_heals,
    a_repository_that_cannot_be_read_any_more_is_hidden_and_keeps_its_rows,
    one_attempt_whose_jobs_fail_does_not_hold_up_the_jobs_of_others,
    the_head_does_not_move_past_what_failed,
    history_further_back_is_collected_on_demand_and_only_that,
    nothing_is_asked_of_a_repository_that_was_removed,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test(failures: dict[Scenario, Exception], scenario: Scenario) -> None:
    if failure := failures.get(scenario):
        raise failure
