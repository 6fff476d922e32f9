"""What the contracts of the marts say is there in PostgreSQL."""

from typing import Any

import psycopg
import pytest

from tests.support.dbt_project import Project
from tests.transform.factories import job_row, run_row
from tests.transform.raw_rows import load

pytestmark = pytest.mark.integration


@pytest.fixture
def built(project: Project, database: psycopg.Connection[Any]) -> Project:
    """One run with one job is built."""
    job = job_row(11, 1, "2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z")
    run = run_row(1, 1, "2026-03-01T10:00:00Z")
    load(database, "load 1", {"workflow_runs": [run], "workflow_jobs": [job]})
    project.run()
    return project


def test_postgresql_refuses_what_cannot_be(
    built: Project, database: psycopg.Connection[Any]
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        database.execute("update marts.jobs set billable_minutes = -1")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        database.execute("update marts.jobs set repository_id = 999")


def test_descriptions_are_written_where_they_are_others(
    built: Project, database: psycopg.Connection[Any]
) -> None:
    described = (
        "select obj_description('marts.jobs'::regclass), col_description('marts.jobs'::regclass, 1)"
    )
    before = database.execute(described).fetchone()
    # As a version leaves them that described the column otherwise.
    database.execute("comment on column marts.jobs.job_id is 'of an earlier version'")
    database.execute("update marts.models set definition = 'earlier' where model = 'jobs'")

    built.run("--select", "jobs")

    assert before is not None
    assert None not in before
    assert database.execute(described).fetchone() == before
