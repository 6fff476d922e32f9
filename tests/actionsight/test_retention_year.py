"""A year of collection ends with as many raw rows as a quarter of it has, but for what is kept.

Three repositories, each with 10 runs of 5 jobs and 288 polls a day, told by webhooks and polled;
each five days what is old goes, by the settings' defaults and a clock that moves.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from actionsight.database import connect
from actionsight.retention import RULES, due, remove
from actionsight.settings import load

pytestmark = [pytest.mark.integration, pytest.mark.thorough]

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(days=5)
REPOSITORIES, RUNS, JOBS, POLLS = 3, 10, 5, 288
# What bounds the life of a row; what is kept of it grows with the history.
BOUNDED = ("webhook_events", "webhook_runs", "webhook_jobs", "polls")
KEPT = ("condensed_runs", "condensed_jobs", "polls_by_day")

STATEMENTS = (
    """
    create temporary table step_runs on commit drop as
    select
        (extract(epoch from at)::bigint / 86400) * 100000 + repository_id * 100 + number as run_id,
        repository_id,
        at
    from generate_series(%(begins)s, %(ends)s - interval '1 day', interval '1 day') as at,
        generate_series(1, %(repositories)s) as repository_id,
        generate_series(1, %(runs)s) as number
    """,
    """
    create temporary table step_jobs on commit drop as
    select run_id * 10 + number as job_id, run_id, repository_id, at
    from step_runs, generate_series(1, %(jobs)s) as number
    """,
    """
    insert into raw.webhook_events
    select format('run %s %s', run_id, status), 'workflow_run', status, repository_id, null, at,
        'batch', 'observed', '{}', convert_to(repeat(md5(run_id::text), 100), 'utf8')
    from step_runs, unnest(array['requested', 'in_progress', 'completed']) as status
    """,
    """
    insert into raw.webhook_runs (
        delivery_id, batch_id, received_at, run_id, run_attempt, repository_id, workflow_id, status,
        name, updated_at, content_hash
    )
    select format('run %s %s', run_id, status), 'batch', at, run_id, 1, repository_id, 1, status,
        'tests', at, md5(status)
    from step_runs, unnest(array['requested', 'in_progress', 'completed']) as status
    """,
    """
    insert into raw.webhook_events
    select format('job %s %s', job_id, status), 'workflow_job', status, repository_id, null, at,
        'batch', 'observed', '{}', convert_to(repeat(md5(job_id::text), 70), 'utf8')
    from step_jobs, unnest(array['queued', 'in_progress', 'completed']) as status
    """,
    """
    insert into raw.webhook_jobs (
        delivery_id, batch_id, received_at, job_id, run_id, run_attempt, repository_id, status,
        name, completed_at, content_hash
    )
    select format('job %s %s', job_id, status), 'batch', at, job_id, run_id, 1, repository_id,
        status, 'test', at, md5(status)
    from step_jobs, unnest(array['queued', 'in_progress', 'completed']) as status
    """,
    """
    insert into raw.workflow_runs (
        run_id, run_attempt, repository_id, workflow_id, status, name, updated_at, content_hash,
        _dlt_load_id
    )
    select run_id, 1, repository_id, 1, 'completed', 'tests', at, md5('completed'), 'load'
    from step_runs
    """,
    """
    insert into raw.workflow_jobs (
        job_id, run_id, run_attempt, repository_id, status, name, completed_at, content_hash,
        _dlt_load_id
    )
    select job_id, run_id, 1, repository_id, 'completed', 'test', at, md5('completed'), 'load'
    from step_jobs
    """,
    "delete from raw.owed_job_listings",
    """
    insert into raw.polls
    select gen_random_uuid(), repository_id, 'head', at, at, 1, 0, 1, '{}', null
    from generate_series(
            %(begins)s, %(ends)s - interval '1 minute', interval '1 day' / %(polls)s
        ) as at,
        generate_series(1, %(repositories)s) as repository_id
    """,
    "delete from raw.unbuilt_polls",
)


def counts(database: psycopg.Connection[Any]) -> dict[str, int]:
    found = {}
    for table in (*BOUNDED, *KEPT):
        query = sql.SQL("select count(*) from {}").format(sql.Identifier("raw", table))
        [(found[table],)] = database.execute(query).fetchall()
    return found


def size(database: psycopg.Connection[Any]) -> int:
    """Bytes of the tables whose rows go."""
    [(found,)] = database.execute(
        """
        select sum(pg_total_relation_size(('raw.' || name)::regclass))
        from unnest(%s::text[]) as name
        """,
        [list(BOUNDED)],
    ).fetchall()
    return int(found)


def test_a_year_ends_with_what_a_quarter_has(database_url: str) -> None:
    settings = load(environ={})
    quarter: dict[str, int] = {}
    quarter_size = 0
    with connect(database_url, autocommit=True) as database:
        database.execute(
            "insert into app.repositories (repository_id, full_name)"
            " select id, 'o/' || id from generate_series(1, %s) as id",
            [REPOSITORIES],
        )
        for number in range(73):
            begins = BEGINNING + number * STEP
            values = {
                "begins": begins,
                "ends": begins + STEP,
                "repositories": REPOSITORIES,
                "runs": RUNS,
                "jobs": JOBS,
                "polls": POLLS,
            }
            with database.transaction():
                for statement in STATEMENTS:
                    names = [name for name in values if f"%({name})s" in statement]
                    database.execute(
                        statement, {name: values[name] for name in names} if names else None
                    )
            for rule, before in due(RULES, settings, begins + STEP):
                remove(rule, database, before)
            database.execute("vacuum (analyze) raw.webhook_events, raw.webhook_runs")
            database.execute("vacuum (analyze) raw.webhook_jobs, raw.polls")
            if number == 24:  # four months, longer than anything that goes is kept
                quarter, quarter_size = counts(database), size(database)
        year, year_size = counts(database), size(database)
    assert {table: year[table] for table in BOUNDED} == {table: quarter[table] for table in BOUNDED}
    assert year_size < 1.2 * quarter_size
    # Five years' worth of them would be as much as one year of what webhooks told.
    assert year["condensed_jobs"] <= REPOSITORIES * RUNS * JOBS * 365
