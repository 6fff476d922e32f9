"""Runs, their attempts, and a workflow's runs as columns."""

from collections.abc import Sequence
from typing import Any, LiteralString

from psycopg import sql

from api.database import Connection, array_of
from api.filters import RunFilter
from api.jobs.queries import jobs_of_run, steps_of, usual_of_jobs
from api.pagination import Order, Page, nulls_last
from api.rows import columns_of
from api.runs.records import Attempt, Run

MOST_POINTS = 10_000
COLUMNS = (
    "run_id",
    "run_attempt",
    "created_at",
    "duration_seconds",
    "queue_seconds",
    "conclusion",
    "head_sha",
    "display_title",
)
_NAMES = ("repository_full_name", "workflow_name")
_CHOSEN = """
    select
        {columns},
        repositories.full_name as repository_full_name,
        workflows.name as workflow_name
        {further}
    from {runs} as runs
    inner join app.repositories on runs.repository_id = repositories.repository_id
    inner join marts.workflows
        on runs.repository_id = workflows.repository_id
        and runs.workflow_id = workflows.workflow_id
"""


def list_runs(
    connection: Connection, chosen: RunFilter, sort: str, page: Page
) -> list[dict[str, Any]]:
    """The runs that a filter chooses, in this order; one more than the page, with their keys."""
    order = _order(sort)
    after, key = order.after(page.after)
    one_page = sql.SQL(
        "(select runs.*, {keys} from marts.workflow_runs as runs where {where} and {after} "
        "order by {order} limit %(limit)s)"
    ).format(keys=order.keys, where=chosen.where(), after=after, order=order.clause)
    keys = [sql.Identifier(f"key_{number}") for number in range(len(order.expressions))]
    query = sql.SQL("{} order by {}").format(
        _select(one_page, keys), Order(keys, order.is_descending).clause
    )
    parameters = {**chosen.parameters, **key, "limit": page.limit + 1}
    return connection.execute(query, parameters).fetchall()


def find_run(
    connection: Connection, repository_ids: Sequence[int], run_id: int
) -> dict[str, Any] | None:
    """One run, None where none of these repositories has it."""
    query = sql.SQL("{} where runs.run_id = %s and runs.repository_id = any(%s)").format(
        _select(sql.SQL("marts.workflow_runs"))
    )
    return connection.execute(query, [run_id, array_of(repository_ids)]).fetchone()


def read_run(connection: Connection, run: dict[str, Any], *, with_steps: bool) -> dict[str, Any]:
    """A run that was found, with all of its attempts and what is usual for it."""
    details = connection.execute(_DETAILS, run).fetchone() or {}
    usual = {name: details.pop(name) for name in ("run_count", "p50_seconds", "p95_seconds")}
    return {**run, **details, "usual": usual, "attempts": _attempts(connection, run, with_steps)}


# A run without a branch is beside no other.
_DETAILS: LiteralString = """
    select
        count(duration_seconds) as run_count,
        percentile_cont(0.5) within group (order by duration_seconds) as p50_seconds,
        percentile_cont(0.95) within group (order by duration_seconds) as p95_seconds,
        (
            select run_id from marts.workflow_runs
            where repository_id = %(repository_id)s
                and workflow_id = %(workflow_id)s
                and head_branch = %(head_branch)s
                and (created_at, run_id) < (%(created_at)s, %(run_id)s)
            order by created_at desc, run_id desc
            limit 1
        ) as previous_run_id,
        (
            select run_id from marts.workflow_runs
            where repository_id = %(repository_id)s
                and workflow_id = %(workflow_id)s
                and head_branch = %(head_branch)s
                and (created_at, run_id) > (%(created_at)s, %(run_id)s)
            order by created_at, run_id
            limit 1
        ) as next_run_id
    from marts.workflow_runs
    where repository_id = %(repository_id)s
        and workflow_id = %(workflow_id)s
        and created_at >= %(created_at)s - interval '28 days'
        and created_at < %(created_at)s
        and status = 'completed'
        and conclusion = 'success'
"""


def _attempts(
    connection: Connection, run: dict[str, Any], with_steps: bool
) -> list[dict[str, Any]]:
    """Every number from 1 to the newest one, known or not, with what is known of its jobs."""
    query = sql.SQL(
        "select {}, true as is_known from marts.workflow_run_attempts as attempts "
        "where attempts.run_id = %s and attempts.repository_id = %s"
    ).format(columns_of(Attempt, "attempts", without=("is_known", "jobs")))
    rows = connection.execute(query, [run["run_id"], run["repository_id"]]).fetchall()
    known = {row["run_attempt"]: row for row in rows}
    jobs = jobs_of_run(connection, run)
    usual = usual_of_jobs(
        connection,
        run["repository_id"],
        run["workflow_id"],
        {job["name"] for job in jobs},
        run["created_at"],
    )
    steps = steps_of(connection, [job["job_id"] for job in jobs]) if with_steps else {}
    for job in jobs:
        job["usual"], job["steps"] = usual[job["name"]], steps.get(job["job_id"])
    newest = max([run["run_attempt"], *(job["run_attempt"] for job in jobs)])
    unknown = {**dict.fromkeys(Attempt.model_fields), "is_known": False}
    return [
        {
            **unknown,
            **known.get(number, {}),
            "run_attempt": number,
            "jobs": [job for job in jobs if job["run_attempt"] == number],
        }
        for number in range(1, newest + 1)
    ]


_RUNS = """
    select
        runs.run_id, runs.run_attempt, runs.created_at, runs.duration_seconds, runs.queue_seconds,
        runs.conclusion, runs.head_sha, runs.display_title
    from marts.workflow_runs as runs
    where {where}
"""
# Of a job its newest execution in a run.
_JOBS = """
    select distinct on (runs.run_id)
        runs.run_id, jobs.run_attempt, runs.created_at, jobs.duration_seconds, jobs.queue_seconds,
        jobs.conclusion, runs.head_sha, runs.display_title
    from marts.workflow_runs as runs
    inner join marts.jobs
        on runs.repository_id = jobs.repository_id and runs.run_id = jobs.run_id
    where {where} and jobs.is_executed
    order by runs.run_id, jobs.run_attempt desc, jobs.job_id desc
"""
_TIMELINE = """
    with points as ({points}),

    numbered as (
        select
            *,
            count(*) over () as run_count,
            ntile(%(buckets)s::integer) over (order by created_at, run_id) as bucket
        from points
    ),

    ranked as (
        select
            *,
            row_number() over (
                partition by bucket order by duration_seconds, created_at, run_id
            ) as from_shortest,
            row_number() over (
                partition by bucket order by duration_seconds desc nulls last, created_at, run_id
            ) as from_longest
        from numbered
    )

    select * from ranked
    where run_count <= %(most)s or from_shortest = 1 or from_longest = 1
    order by created_at, run_id
"""


def read_timeline(connection: Connection, chosen: RunFilter, *, of_job: bool) -> dict[str, Any]:
    """The runs that a filter chooses as columns.

    Args:
        of_job: whether the filter names a job, whose executions are told in place of the runs.
    """
    if of_job:
        points = sql.SQL(_JOBS).format(where=chosen.jobs_where())
    else:
        points = sql.SQL(_RUNS).format(where=chosen.where())
    rows = connection.execute(
        sql.SQL(_TIMELINE).format(points=points),
        {**chosen.parameters, "most": MOST_POINTS, "buckets": MOST_POINTS // 2},
    ).fetchall()
    run_count = rows[0]["run_count"] if rows else 0
    return {
        "run_count": run_count,
        "is_thinned": run_count > len(rows),
        **{name: [row[name] for row in rows] for name in COLUMNS},
    }


def _select(runs: sql.Composable, further: Sequence[sql.Composable] = ()) -> sql.Composed:
    """The columns of a run out of what is called `runs`, with its names."""
    return sql.SQL(_CHOSEN).format(
        columns=columns_of(Run, "runs", without=_NAMES),
        runs=runs,
        further=sql.SQL("").join(sql.SQL(", {}").format(column) for column in further),
    )


def _order(sort: str) -> Order:
    is_descending = sort.startswith("-")
    name = sort.removeprefix("-")
    value: sql.Composable = sql.SQL("runs.{}").format(sql.Identifier(name))
    if name != "created_at":
        value = nulls_last(value, is_descending=is_descending)
    return Order([value, sql.SQL("runs.run_id")], is_descending)
