"""A made-up history in the raw tables, and changes to it, by SQL."""

from typing import LiteralString

from psycopg import sql

from actionsight.database import connect
from actionsight.settings import Settings

# Ids of copies are greater than all others by multiples of this.
_COPY = 10**12


def fill(settings: Settings, copies: int) -> None:
    """Copy what was collected so often, a year before, with all that polls and webhooks leave."""
    assert settings.database_url is not None
    with connect(settings.database_url, autocommit=True) as connection:
        for statement in _HISTORY:
            connection.execute(statement, {"copies": copies, "copied": _COPY})


def change(settings: Settings, reopened: int) -> None:
    """Forget what was collected as if it were new, but for so many runs: let those be open, as if
    they had run until now."""
    assert settings.database_url is not None
    with connect(settings.database_url, autocommit=True) as connection:
        for statement in _CHANGES:
            connection.execute(statement, {"copied": _COPY, "reopened": reopened})


def _copied(table: str, where: LiteralString = "true", **changes: LiteralString) -> sql.Composed:
    """Copy what was collected: the same columns, but for those named."""
    return sql.SQL(
        """
        insert into {table}
        select (jsonb_populate_record(
            null::{table}, to_jsonb(stored) || jsonb_build_object({changes})
        )).*
        from {table} as stored, generate_series(1, %(copies)s) as copy
        where {where}
        """
    ).format(
        table=sql.Identifier("raw", table),
        changes=sql.SQL(", ").join(
            sql.SQL("{}, {}").format(sql.Literal(name), sql.SQL(value))
            for name, value in changes.items()
        ),
        where=sql.SQL(where),
    )


_ID = "+ copy * %(copied)s"
_YEAR_BEFORE = "- interval '1 year'"
_HISTORY: tuple[LiteralString | sql.Composed, ...] = (
    _copied("job_listings", run_id=f"run_id {_ID}"),
    # Two matrices of 256 jobs among a hundred runs are plenty, of which no copy is needed.
    _copied(
        "workflow_jobs",
        "name not like 'matrix%%'",
        job_id=f"job_id {_ID}",
        run_id=f"run_id {_ID}",
        _dlt_load_id="copy",
    ),
    _copied(
        "workflow_runs",
        run_id=f"run_id {_ID}",
        created_at=f"created_at {_YEAR_BEFORE}",
        _dlt_load_id="copy",
    ),
    # A webhook for each state of a run, and for each job that ended.
    """
    insert into raw.webhook_events
        (delivery_id, event, repository_id, received_at, batch_id, outcome, headers)
    select run_id || '-' || run_attempt || '-' || told, 'workflow_run', repository_id, created_at,
        'batch-' || run_id / %(copied)s, 'observed', '{}'
    from raw.workflow_runs, unnest(array['requested', 'in_progress', 'completed']) as told
    where run_id > %(copied)s
    """,
    """
    insert into raw.webhook_runs (
        delivery_id, batch_id, received_at, status, run_id, run_attempt, repository_id,
        workflow_id, name, event, conclusion, created_at, content_hash
    )
    select run_id || '-' || run_attempt || '-' || told, 'batch-' || run_id / %(copied)s, created_at,
        told, run_id, run_attempt, repository_id, workflow_id, name, event, conclusion, created_at,
        content_hash
    from raw.workflow_runs, unnest(array['requested', 'in_progress', 'completed']) as told
    where run_id > %(copied)s
    """,
    """
    insert into raw.webhook_events
        (delivery_id, event, repository_id, received_at, batch_id, outcome, headers)
    select 'job-' || job_id, 'workflow_job', repository_id, created_at,
        'batch-' || run_id / %(copied)s, 'observed', '{}'
    from raw.workflow_jobs where run_id > %(copied)s
    """,
    """
    insert into raw.webhook_jobs (
        delivery_id, batch_id, received_at, job_id, run_id, run_attempt, repository_id, name,
        workflow_name, status, conclusion, steps, content_hash
    )
    select 'job-' || job_id, 'batch-' || run_id / %(copied)s, created_at, job_id, run_id,
        run_attempt, repository_id, name, workflow_name, status, conclusion, steps, content_hash
    from raw.workflow_jobs where run_id > %(copied)s
    """,
    """
    insert into raw.webhook_batches
    select 'batch-' || copy, now() - copy * interval '1 hour', 100, 100, 0, 0
    from generate_series(1, %(copies)s) as copy
    """,
    # dlt's loads, and a poll of three loops every five minutes.
    """
    insert into raw._dlt_loads (load_id, schema_name, status, inserted_at)
    select copy::text, 'github_runs', 0, now() - copy * interval '1 hour'
    from generate_series(1, %(copies)s) as copy
    """,
    """
    insert into raw.polls
        (poll_id, repository_id, loop, started_at, ended_at, seen, changed, request_count, load_ids)
    select gen_random_uuid(), repository_id, loop, at, at, 0, 0, 1, '{}'
    from (
        select repository_id, now() - number * interval '5 minutes' as at
        from app.repositories, generate_series(1, 100 * %(copies)s) as number
    ) as times, unnest(array['head', 'open', 'jobs']) as state (loop)
    """,
    # All of it was built.
    "create schema marts",
    "create table marts.built_loads as select load_id from raw.loads",
    "alter table marts.built_loads add primary key (load_id)",
    "truncate raw.unbuilt_loads, raw.unbuilt_polls",
    "update app.repositories set observed_until = now()",
    "vacuum analyze",
)

_CHANGES = (
    """
    create temporary table runs as
    select run_id, created_at, rank() over (order by created_at, run_id) <= %(reopened)s as is_open
    from raw.workflow_runs where run_id < %(copied)s and run_attempt = 1
    """,
    "delete from raw.workflow_jobs where run_id in (select run_id from runs)",
    "delete from raw.job_listings where run_id in (select run_id from runs)",
    "delete from raw.workflow_runs where run_id in (select run_id from runs where not is_open)",
    "delete from raw.workflow_runs where run_id < %(copied)s and run_attempt > 1",
    """
    update raw.workflow_runs
    set status = 'in_progress', conclusion = null, content_hash = '',
        updated_at = updated_at - interval '1 minute'
    where run_id in (select run_id from runs)
    """,
    "delete from raw.etags",
    """
    update app.repositories set
        head_since = (select min(created_at) from runs),
        head_cursor = (select min(created_at) + interval '1 hour' from runs where not is_open)
    """,
    "drop table runs",
)
