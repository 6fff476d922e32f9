"""dbt's data tests look at what a build computed, and still find what is wrong with it."""

from typing import Any

import psycopg
import pytest

from tests.support.dbt_project import Project
from tests.transform.factories import job_row, run_row
from tests.transform.raw_rows import deliver, load

pytestmark = pytest.mark.integration


@pytest.fixture
def built(project: Project, database: psycopg.Connection[Any]) -> Project:
    """One run with one job is built."""
    job = job_row(11, 1, "2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z")
    run = run_row(1, 1, "2026-03-01T10:00:00Z")
    load(database, "load 1", {"workflow_runs": [run], "workflow_jobs": [job]})
    project.run()
    return project


def failures(project: Project, *arguments: str) -> list[str]:
    """Build models and data tests; give what failed."""
    outcome = project.invoke("build", "--exclude-resource-type", "unit_test", *arguments)
    return [each.node.name for each in outcome.result if each.status in ("fail", "error")]


def test_a_build_tests_the_rows_that_it_computed_and_no_others(
    built: Project, database: psycopg.Connection[Any]
) -> None:
    database.execute("update marts.jobs set billable_minutes = -1")
    deliver(database, "batch 1", runs=[run_row(2, 1, "2026-03-02T10:00:00Z")])
    untouched = failures(built)
    database.execute(
        "create function spoil() returns trigger language plpgsql as "
        "'begin new.queue_seconds = -1; return new; end'"
    )
    database.execute(
        "create trigger spoil before insert on marts.jobs for each row execute function spoil()"
    )
    deliver(
        database, "batch 2", jobs=[job_row(12, 2, "2026-03-02T10:00:00Z", "2026-03-02T10:10:00Z")]
    )

    assert untouched == []
    assert failures(built) == ["jobs_hold_possible_values"]


@pytest.mark.thorough
def test_a_full_refresh_tests_every_row(built: Project, database: psycopg.Connection[Any]) -> None:
    database.execute("alter table marts.jobs drop constraint jobs_repository_id_fkey")
    database.execute("alter table marts.jobs drop constraint jobs_repository_id_workflow_id_fkey")
    database.execute("update marts.jobs set repository_id = 999")

    assert built.invoke("test", "--select", "jobs_have_their_parents").success is False
    assert failures(built, "--full-refresh") == []


def test_a_seed_is_filled_again_when_its_file_is_another(
    built: Project, database: psycopg.Connection[Any]
) -> None:
    lowest = "select min(usd_per_minute) from staging.runner_prices"
    before = database.execute(lowest).fetchone()
    database.execute("update staging.runner_prices set usd_per_minute = -1")

    built.run_all("--select", "runner_prices")
    same_file = database.execute(lowest).fetchone()
    database.execute("update staging.seed_files set checksum = 'of another file'")
    built.run_all("--select", "runner_prices")

    assert same_file == (-1,)
    assert before == database.execute(lowest).fetchone() == (0,)


def test_descriptions_are_written_where_they_are_others(
    built: Project, database: psycopg.Connection[Any]
) -> None:
    described = (
        "select obj_description('marts.jobs'::regclass), col_description('marts.jobs'::regclass, 1)"
    )
    before = database.execute(described).fetchone()
    database.execute("comment on column marts.jobs.job_id is 'of an earlier version'")

    built.run("--select", "jobs")

    assert before is not None
    assert None not in before
    assert database.execute(described).fetchone() == before
