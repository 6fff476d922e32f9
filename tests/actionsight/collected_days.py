"""What days of collection leave in the raw tables: runs and jobs, told by webhooks and polled."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from actionsight.webhook_payloads import add_weeks


@dataclass(frozen=True)
class PerDay:
    """How much a day brings: `runs` and `polls` of each repository, `jobs` of each run."""

    repositories: int
    runs: int
    jobs: int
    polls: int


_STATEMENTS = (
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
    insert into raw.webhook_deliveries
    select format('run %s %s', run_id, status), 'workflow_run', status, repository_id, null, at,
        'batch', 'observed', '{}'
    from step_runs, unnest(array['requested', 'in_progress', 'completed']) as status
    """,
    """
    insert into raw.webhook_payloads
    select format('run %s %s', run_id, status), repository_id, at,
        convert_to(repeat(md5(run_id::text), 100), 'utf8')
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
    insert into raw.webhook_deliveries
    select format('job %s %s', job_id, status), 'workflow_job', status, repository_id, null, at,
        'batch', 'observed', '{}'
    from step_jobs, unnest(array['queued', 'in_progress', 'completed']) as status
    """,
    """
    insert into raw.webhook_payloads
    select format('job %s %s', job_id, status), repository_id, at,
        convert_to(repeat(md5(job_id::text), 70), 'utf8')
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
    select md5(format('%%s %%s', repository_id, at))::uuid, repository_id, 'head', at, at, 1, 0, 1,
        '{}', null
    from generate_series(
            %(begins)s, %(ends)s - interval '1 minute', interval '1 day' / %(polls)s
        ) as at,
        generate_series(1, %(repositories)s) as repository_id
    """,
    """
    insert into raw.webhook_batches
    select 'webhook-' || at, at, 1, 1, 1, 0, 0
    from generate_series(%(begins)s, %(ends)s - interval '1 minute', interval '1 hour') as at
    """,
    """
    insert into raw._dlt_loads (load_id, schema_name, status, inserted_at)
    select extract(epoch from at), 'polls', 0, at
    from generate_series(%(begins)s, %(ends)s - interval '1 minute', interval '1 hour') as at
    """,
    """
    insert into raw.direct_loads
    select 'levels-' || at, at
    from generate_series(%(begins)s, %(ends)s - interval '1 minute', interval '1 hour') as at
    """,
    "delete from raw.unbuilt_loads",
    "delete from raw.unbuilt_polls",
)


def monitor(database: Connection[Any], per_day: PerDay) -> None:
    """Let the repositories be known."""
    database.execute(
        "insert into app.repositories (repository_id, full_name)"
        " select id, 'o/' || id from generate_series(1, %s) as id",
        [per_day.repositories],
    )


def collect(database: Connection[Any], per_day: PerDay, begins: datetime, ends: datetime) -> None:
    """Add the days between two midnights, all of which is built."""
    values = {"begins": begins, "ends": ends, **asdict(per_day)}
    with database.transaction():
        add_weeks(database, (begins + timedelta(days=day) for day in range((ends - begins).days)))
        for statement in _STATEMENTS:
            names = [name for name in values if f"%({name})s" in statement]
            database.execute(statement, {name: values[name] for name in names} if names else None)
