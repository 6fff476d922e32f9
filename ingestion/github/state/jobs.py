"""The stored jobs of attempts, by polls and by webhooks alone."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import dict_row

from ingestion.github.schema import GONE_AT, WORKFLOW_JOBS, Row
from ingestion.github.state.raw_rows import as_payloads
from ingestion.github.state.runs import Attempt


def job_rows(connection: Connection[Any], job_ids: Collection[int]) -> list[Row]:
    """The rows of stored jobs, as payloads would give them."""
    if not job_ids:
        return []
    query = sql.SQL("select {} from raw.workflow_jobs where job_id = any(%s)").format(
        as_payloads(WORKFLOW_JOBS.columns)
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, [list(job_ids)]).fetchall()


def job_rows_from_webhooks(connection: Connection[Any], job_ids: Collection[int]) -> list[Row]:
    """The rows of jobs as webhooks told them last, as listings would have given them."""
    if not job_ids:
        return []
    query = sql.SQL(
        "select distinct on (job_id) {} from raw.webhook_jobs where job_id = any(%s) "
        "order by job_id, received_at desc, delivery_id"
    ).format(as_payloads(WORKFLOW_JOBS.payload_columns))
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, [list(job_ids)]).fetchall()
    return [{**row, "run_attempt": row["run_attempt"] or 1, GONE_AT: None} for row in rows]


def jobs_of_attempts(
    connection: Connection[Any], attempts: Collection[Attempt]
) -> list[tuple[Attempt, int]]:
    """Attempt and id of the stored jobs of attempts that are not gone."""
    rows = connection.execute(
        """
        select run_id, run_attempt, job_id
        from unnest(%s::bigint[], %s::bigint[]) as wanted (run_id, run_attempt)
        inner join raw.workflow_jobs using (run_id, run_attempt)
        where gone_at is null
        """,
        [[run_id for run_id, _ in attempts], [number for _, number in attempts]],
    ).fetchall()
    return [((run_id, number), job_id) for run_id, number, job_id in rows]


def jobs_from_webhooks(
    connection: Connection[Any], attempts: Collection[Attempt]
) -> list[tuple[Attempt, int, datetime]]:
    """Attempt, id and last observation of the jobs that webhooks alone told of attempts."""
    rows = connection.execute(
        """
        select wanted.run_id, wanted.run_attempt, observed.job_id, max(observed.received_at)
        from unnest(%s::bigint[], %s::bigint[]) as wanted (run_id, run_attempt)
        inner join raw.webhook_jobs as observed
            on observed.run_id = wanted.run_id
            and coalesce(observed.run_attempt, 1) = wanted.run_attempt
        where not exists (
            select from raw.workflow_jobs as polled where polled.job_id = observed.job_id
        )
        group by wanted.run_id, wanted.run_attempt, observed.job_id
        """,
        [[run_id for run_id, _ in attempts], [number for _, number in attempts]],
    ).fetchall()
    return [((run_id, number), job_id, at) for run_id, number, job_id, at in rows]
