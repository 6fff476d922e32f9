"""What builds make of small histories, step by step.

A scenario brings rows of a repository of its own, yields, and looks after the build at what the
marts say of it. All of them go through the same builds of one database, since a build of ten
repositories costs what a build of one does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from actionsight.database import connect
from tests.support.dbt_project import Project, built_database
from tests.support.services import Databases
from tests.transform import marts
from tests.transform.comparison import Difference
from tests.transform.factories import job_row, repository, run_row, workflow
from tests.transform.raw_rows import Row, deliver, load
from tests.transform.test_recording import data_versions, owed

pytestmark = pytest.mark.integration


@dataclass
class Own:
    """A scenario's own repository, with another one, a workflow, and ids of runs and jobs."""

    number: int
    database: psycopg.Connection[Any]

    @property
    def repository_id(self) -> int:
        return 1_000 + 10 * self.number

    @property
    def other_repository_id(self) -> int:
        return self.repository_id + 1

    @property
    def workflow_id(self) -> int:
        """An odd one, which has no name of its own."""
        return 100_001 + 10 * self.number

    def id_of(self, number: int) -> int:
        """The id of a run or job that the scenario calls by this number."""
        return 1_000 * self.number + number

    def named(self, load_id: str) -> str:
        return f"{load_id} of scenario {self.number}"

    def run(self, number: int, attempt: int, created_at: str, **changes: Any) -> Row:
        place = {"repository_id": self.repository_id, "workflow_id": self.workflow_id}
        head = {"head_repository_id": self.repository_id}
        return run_row(self.id_of(number), attempt, created_at, **{**place, **head, **changes})

    def job(self, number: int, run: int, began: str, ended: str, **changes: Any) -> Row:
        place = {"repository_id": self.repository_id}
        return job_row(self.id_of(number), self.id_of(run), began, ended, **place, **changes)

    def load(self, load_id: str, **rows: list[Row]) -> None:
        load(self.database, self.named(load_id), rows)

    def deliver(self, batch_id: str, **rows: list[Row]) -> None:
        deliver(self.database, self.named(batch_id), **rows)

    def ask(self, query: LiteralString) -> list[tuple[Any, ...]]:
        """Rows of a query, whose `%(own)s` and `%(other)s` are the two repositories."""
        ids = {"own": self.repository_id, "other": self.other_repository_id}
        return self.database.execute(query, ids).fetchall()

    def counts(self) -> dict[str, int]:
        """How many rows each mart has of the repository."""
        return {
            mart: self.database.execute(
                sql.SQL("select from {} where repository_id = %s").format(
                    sql.Identifier("marts", mart)
                ),
                [self.repository_id],
            ).rowcount
            for mart in marts.KEYS
        }


# Each `yield` is a build.
Scenario = Callable[[Own], Iterator[None]]


def a_newer_run_changes_the_waste_of_a_cancelled_one_that_was_built_long_ago(
    own: Own,
) -> Iterator[None]:
    def waste() -> list[tuple[Any, ...]]:
        return own.ask(
            "select jobs.waste_cause, jobs.wasted_minutes, days.superseded_wasted_minutes "
            "from marts.jobs as jobs inner join marts.workflow_statistics_by_day as days "
            "using (repository_id, workflow_id, day) where repository_id = %(own)s"
        )

    cancelled = own.run(1, 1, "2026-03-01T10:00:00Z", conclusion="cancelled")
    job = own.job(11, 1, "2026-03-01T10:00:00Z", "2026-03-03T10:00:00Z")
    own.load("load 1", workflow_runs=[cancelled], workflow_jobs=[job])
    yield
    alone = waste()

    # Known by its third attempt alone, run 2 seems to be created after the cancelled one ended.
    own.load("load 2", workflow_runs=[own.run(2, 3, "2026-03-04T10:00:00Z")])
    yield
    seemingly_late = waste()
    own.load("load 3", workflow_runs=[own.run(2, 2, "2026-03-02T10:00:00Z")])
    yield
    superseded = waste()
    # By its first attempt it is the older of the two.
    own.load("load 4", workflow_runs=[own.run(2, 1, "2026-02-28T10:00:00Z")])
    yield

    assert alone == seemingly_late == waste() == [(None, 0, 0)]
    assert superseded == [("superseded", 2880, 2880)]


def a_repository_that_becomes_public_cost_what_it_did_before(own: Own) -> Iterator[None]:
    def cost() -> list[tuple[Any, ...]]:
        return own.ask(
            "select sum(estimated_cost_usd)::text from marts.workflow_statistics_by_day "
            "where repository_id = %(own)s"
        )

    own.load("load 1", repositories=[repository(own.repository_id, "private")])
    job = own.job(11, 1, "2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z")
    run = own.run(1, 1, "2026-03-01T10:00:00Z")
    own.load("load 2", workflow_runs=[run], workflow_jobs=[job])
    yield
    private = cost()

    own.load("load 3", repositories=[repository(own.repository_id, "public")])
    yield

    assert private == cost() == [("0.060000",)]


def a_run_and_its_job_that_only_webhooks_tell_of_stand_on_stubs_until_polling_lists_them(
    own: Own,
) -> Iterator[None]:
    def names() -> list[tuple[Any, ...]]:
        return own.ask(
            """
            select workflows.name, workflows.is_stub, repositories.full_name, jobs.billable_minutes
            from marts.jobs
            inner join marts.workflows using (repository_id, workflow_id)
            inner join marts.repositories using (repository_id)
            where repository_id = %(own)s
            """
        )

    run = own.run(1, 1, "2026-03-01T10:00:00Z", path=".github/workflows/ci.yml@main")
    job = own.job(11, 1, "2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z", run_attempt=None)
    own.deliver("batch 1", runs=[run], jobs=[job])
    yield
    stubs = names()

    another = workflow(own.workflow_id + 1, own.repository_id)
    own.load("load 1", repositories=[repository(own.repository_id, "public")], workflows=[another])
    listed = workflow(own.workflow_id, own.repository_id)
    own.load("load 2", workflows=[{**listed, "name": "CI"}])
    yield

    assert stubs == [(".github/workflows/ci.yml", True, None, 10)]
    assert names() == [("CI", False, f"owner/repository-{own.repository_id}", 10)]


def a_webhooks_job_appears_as_soon_as_a_poll_lists_its_run(own: Own) -> Iterator[None]:
    job = own.job(11, 1, "2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z")
    own.deliver("batch 1", jobs=[job])
    yield
    without_run = own.counts()
    own.load("load 1", workflow_runs=[own.run(1, 1, "2026-03-01T10:00:00Z")])
    yield
    assert without_run == dict.fromkeys(marts.KEYS, 0)
    assert own.counts() == OF_ONE_JOB


def a_polls_job_appears_as_soon_as_a_webhook_tells_of_its_run(own: Own) -> Iterator[None]:
    job = own.job(11, 1, "2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z")
    own.load("load 1", workflow_jobs=[job])
    yield
    without_run = own.counts()
    own.deliver("batch 1", runs=[own.run(1, 1, "2026-03-01T10:00:00Z")])
    yield
    assert without_run == dict.fromkeys(marts.KEYS, 0)
    assert own.counts() == OF_ONE_JOB


# Nothing flaked, was red or became slower, no poll told of steps or of the repository.
_NOTHING = {
    *("flaky_job_occurrences", "branch_health_intervals", "level_changes"),
    *("steps", "repository_history"),
}
OF_ONE_JOB = {mart: 0 if mart in _NOTHING else 1 for mart in marts.KEYS}


def a_load_that_commits_late_is_built_however_small_its_id(own: Own) -> Iterator[None]:
    def runs() -> list[tuple[Any, ...]]:
        return own.ask("select run_id from marts.workflow_runs where repository_id = %(own)s")

    both = (own.repository_id, own.other_repository_id)
    own.load("load 0", repositories=[repository(each, "public") for each in both])
    with psycopg.connect(own.database.info.dsn, password=own.database.info.password) as slow:
        early = {"workflow_runs": [own.run(1, 1, "2026-03-01T10:00:00Z")]}
        load(slow, own.named("load 1"), early, commit=False)
        own.load("load 2", workflow_runs=[own.run(2, 1, "2026-03-02T10:00:00Z")])
        yield
        assert runs() == [(own.id_of(2),)]
        slow.commit()

    assert own.named("load 1") in owed(own.database)
    assert own.named("load 2") not in owed(own.database)
    before = data_versions(own.database)
    yield

    assert own.named("load 1") not in owed(own.database)
    assert sorted(runs()) == [(own.id_of(1),), (own.id_of(2),)]
    now = data_versions(own.database)
    assert now[own.repository_id] > before[own.repository_id]
    assert now[own.other_repository_id] == before[own.other_repository_id]


def a_run_moves_to_an_earlier_day_when_its_first_attempt_becomes_known(
    own: Own,
) -> Iterator[None]:
    def days() -> list[tuple[Any, ...]]:
        return own.ask(
            "select day::text from marts.workflow_statistics_by_day where repository_id = %(own)s"
        )

    own.load("load 1", workflows=[workflow(own.workflow_id, own.repository_id)])
    own.load("load 2", workflow_runs=[own.run(1, 2, "2026-03-02T01:00:00Z")])
    yield
    before = days()

    own.load("load 3", workflow_runs=[own.run(1, 1, "2026-03-01T23:00:00Z")])
    yield

    assert before == [("2026-03-02",)]
    assert days() == [("2026-03-01",)]


def polls_and_webhooks(own: Own) -> list[tuple[Any, ...]]:
    """What is told of how the two agree, and of what polls cost."""
    return own.ask(
        """
        select
            day::text, webhook_only_attempt_count, poll_only_attempt_count, both_attempt_count,
            corrected_attempt_count, corrected_job_count, poll_count, failed_poll_count,
            request_count
        from marts.collection_health_by_day
        where repository_id in (%(own)s, %(other)s)
        order by repository_id, day
        """
    )


def a_correction_lasts_until_the_webhook_comes_after_all(own: Own) -> Iterator[None]:
    is_open = {"status": "in_progress", "conclusion": None}
    run = own.run(1, 1, "2026-03-01T10:00:00Z")
    job = own.job(11, 1, "2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z")
    own.deliver("batch 1", runs=[{**run, **is_open}], jobs=[{**job, **is_open}])
    yield
    open_by_webhook = polls_and_webhooks(own)
    own.load("load 1", workflow_runs=[run], workflow_jobs=[job])
    yield
    closed_by_poll = polls_and_webhooks(own)
    own.deliver("batch 2", runs=[run], jobs=[job])
    yield

    assert open_by_webhook == [("2026-03-01", 1, 0, 0, 0, 0, 0, 0, 0)]
    assert closed_by_poll == [("2026-03-01", 0, 0, 1, 1, 1, 0, 0, 0)]
    assert polls_and_webhooks(own) == [("2026-03-01", 0, 0, 1, 0, 0, 0, 0, 0)]


def polls_ask_for_no_build_and_are_counted_by_the_next(own: Own) -> Iterator[None]:
    # Before anything is known of the repository, and on a day of which nothing else is known.
    poll(own, "2026-02-28T23:59:59Z", error="502")
    elsewhere = {"repository_id": own.other_repository_id, "workflow_id": own.workflow_id + 1}
    own.deliver("batch 1", runs=[own.run(9, 1, "2026-03-01T10:00:00Z", **elsewhere)])
    yield
    of_another = polls_and_webhooks(own)
    own.load("load 1", repositories=[repository(own.repository_id, "public")])
    yield
    of_both = polls_and_webhooks(own)

    before = owed(own.database)
    first = poll(own, "2026-03-02T10:00:00Z", requests=2)
    poll(own, "2026-03-02T10:05:00Z")
    assert owed(own.database) == before
    own.load("load 2", workflow_runs=[own.run(1, 1, "2026-03-01T10:00:00Z")])
    yield
    later = polls_and_webhooks(own)
    poll(own, "2026-03-02T10:00:00Z", poll_id=first, requests=7, error="the disk is full")
    own.load("load 3", workflow_runs=[own.run(2, 1, "2026-03-01T11:00:00Z")])
    yield

    other = ("2026-03-01", 1, 0, 0, 0, 0, 0, 0, 0)
    failed = ("2026-02-28", 0, 0, 0, 0, 0, 1, 1, 1)
    assert of_another == [other]
    assert of_both == [failed, other]
    assert later == [
        failed,
        ("2026-03-01", 0, 1, 0, 0, 0, 0, 0, 0),
        ("2026-03-02", 0, 0, 0, 0, 0, 2, 0, 3),
        other,
    ]
    assert polls_and_webhooks(own) == [
        failed,
        ("2026-03-01", 0, 2, 0, 0, 0, 0, 0, 0),
        ("2026-03-02", 0, 0, 0, 0, 0, 2, 1, 8),
        other,
    ]
    assert own.ask("select count(*) from raw.unbuilt_polls") == [(0,)]


def poll(own: Own, started_at: str, **changes: Any) -> Any:
    """The row of a head loop that asked once and found nothing, unless `changes` say otherwise."""
    row = {"poll_id": None, "requests": 1, "error": None, **changes}
    [(poll_id,)] = own.database.execute(
        """
        insert into raw.polls (
            poll_id, repository_id, loop, started_at, seen, changed, request_count, load_ids, error
        ) values (
            coalesce(%(poll_id)s, gen_random_uuid()), %(repository_id)s, 'head', %(started_at)s,
            0, 0, %(requests)s, '{}', %(error)s
        )
        on conflict (poll_id, repository_id, loop) do update set
            request_count = excluded.request_count, error = excluded.error
        returning poll_id
        """,
        {**row, "started_at": started_at, "repository_id": own.repository_id},
    ).fetchall()
    return poll_id


SCENARIOS: tuple[Scenario, ...] = (
    a_newer_run_changes_the_waste_of_a_cancelled_one_that_was_built_long_ago,
    a_repository_that_becomes_public_cost_what_it_did_before,
    a_run_and_its_job_that_only_webhooks_tell_of_stand_on_stubs_until_polling_lists_them,
    a_webhooks_job_appears_as_soon_as_a_poll_lists_its_run,
    a_polls_job_appears_as_soon_as_a_webhook_tells_of_its_run,
    a_load_that_commits_late_is_built_however_small_its_id,
    a_run_moves_to_an_earlier_day_when_its_first_attempt_becomes_known,
    a_correction_lasts_until_the_webhook_comes_after_all,
    polls_ask_for_no_build_and_are_counted_by_the_next,
)


@dataclass
class Outcome:
    """How the scenarios ended, and what then stood in the marts."""

    failures: dict[Scenario, Exception] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    incremental: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    refreshed: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def outcome(postgres_server: Databases, services_folder: Path) -> Outcome:
    """All scenarios, from build to build; then one of everything."""
    outcome, project = Outcome(), Project()
    with (
        built_database(postgres_server, services_folder) as url,
        connect(url, autocommit=True) as database,
    ):
        ongoing = {
            scenario: scenario(Own(number, database))
            for number, scenario in enumerate(SCENARIOS, start=1)
        }
        while ongoing:
            for scenario, steps in list(ongoing.items()):
                try:
                    next(steps)
                except StopIteration:
                    del ongoing[scenario]
                except Exception as failure:  # its test raises it again
                    outcome.failures[scenario] = failure
                    del ongoing[scenario]
            if ongoing:
                project.run()
        outcome.differences = marts.differences(database)
        outcome.incremental = marts.read(database)
        project.run("--full-refresh")
        outcome.refreshed = marts.read(database)
    return outcome


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test(outcome: Outcome, scenario: Scenario) -> None:
    if failure := outcome.failures.get(scenario):
        raise failure


def test_all_marts_are_as_defined_and_as_a_full_refresh_makes_them(outcome: Outcome) -> None:
    assert outcome.differences == []
    assert outcome.refreshed == outcome.incremental
