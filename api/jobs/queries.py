"""Jobs and their steps, and what is usual for them.

What is usual is told by the 28 days before a run's creation, itself excluded: of the same workflow
in the same repository, whatever the branch and the event.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, LiteralString

from psycopg import sql

from api.database import Connection, array_of
from api.filters import JOBS_WITH_RUNS, RunFilter
from api.jobs.records import FailedStep, Job, Step
from api.pagination import Order, Page, nulls_last
from api.rows import columns_of

# A filter's words that a job itself fulfils; the others are its run's.
_OF_JOBS: Mapping[str, LiteralString] = {
    "status": "jobs.status = any(%(status)s)",
    "conclusion": "jobs.conclusion = any(%(conclusion)s)",
}
_NAMES = ("repository_full_name", "workflow_name")
_COSTS = ("estimated_cost_usd", "list_price_usd")
# A job that nobody knows the creation of is as old as its run.
_CREATED_AT = sql.SQL("coalesce(jobs.created_at, jobs.run_created_at)")

_CHOSEN = """
    select
        {columns},
        jobs.estimated_cost_usd::double precision as estimated_cost_usd,
        jobs.list_price_usd::double precision as list_price_usd,
        repositories.full_name as repository_full_name,
        workflows.name as workflow_name,
        (
            select count(*) from marts.steps
            where steps.repository_id = jobs.repository_id and steps.job_id = jobs.job_id
        ) as step_count
        {further}
    from {jobs} as jobs
    inner join app.repositories on jobs.repository_id = repositories.repository_id
    inner join marts.workflows
        on jobs.repository_id = workflows.repository_id
        and jobs.workflow_id = workflows.workflow_id
"""


def list_jobs(
    connection: Connection, chosen: RunFilter, sort: str, page: Page
) -> list[dict[str, Any]]:
    """The jobs that a filter chooses, in this order; one more than the page, with their keys."""
    order = _order(sort)
    after, key = order.after(page.after)
    source, where = _chosen(chosen)
    one_page = sql.SQL(
        "(select jobs.*, {keys} from {source} where {where} and {after} order by {order} "
        "limit %(limit)s)"
    ).format(keys=order.keys, source=source, where=where, after=after, order=order.clause)
    keys = [sql.Identifier(f"key_{number}") for number in range(len(order.expressions))]
    query = sql.SQL("{} order by {}").format(
        _select(one_page, keys), Order(keys, order.is_descending).clause
    )
    parameters = {**chosen.parameters, **key, "limit": page.limit + 1}
    rows = connection.execute(query, parameters).fetchall()
    for row in rows:
        del row["step_count"]
    return rows


def find_job(
    connection: Connection, repository_ids: Sequence[int], job_id: int
) -> dict[str, Any] | None:
    """One job, None where none of these repositories has it."""
    query = sql.SQL("{} where jobs.job_id = %s and jobs.repository_id = any(%s)").format(
        _select(sql.SQL("marts.jobs"))
    )
    row = connection.execute(query, [job_id, array_of(repository_ids)]).fetchone()
    return None if row is None else _with_failed_step(row)


def jobs_of_run(connection: Connection, run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All jobs of a run, in the order in which they started."""
    query = sql.SQL(
        """
        {} where jobs.run_id = %s and jobs.repository_id = %s
        order by coalesce(jobs.started_at, jobs.created_at, jobs.run_created_at), jobs.job_id
        """
    ).format(_select(sql.SQL("marts.jobs")))
    rows = connection.execute(query, [run["run_id"], run["repository_id"]]).fetchall()
    return [_with_failed_step(row) for row in rows]


def steps_of(connection: Connection, job_ids: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    """The steps of jobs, in their order."""
    query = sql.SQL(
        "select steps.job_id, {} from marts.steps where steps.job_id = any(%s) order by 1, 2"
    ).format(columns_of(Step, "steps"))
    found: dict[int, list[dict[str, Any]]] = {job_id: [] for job_id in job_ids}
    for row in connection.execute(query, [list(job_ids)]):
        found[row.pop("job_id")].append(row)
    return found


def usual_of_jobs(
    connection: Connection,
    repository_id: int,
    workflow_id: int,
    names: Collection[str | None],
    created_at: datetime,
) -> dict[str | None, dict[str, Any]]:
    """What is usual for jobs of these names when a run is created."""
    rows = connection.execute(
        """
        select
            name,
            count(distinct run_id) as run_count,
            percentile_cont(0.5) within group (order by duration_seconds) as p50_seconds,
            percentile_cont(0.95) within group (order by duration_seconds) as p95_seconds
        from marts.jobs
        where repository_id = %(repository)s
            and workflow_id = %(workflow)s
            and run_created_at >= %(created_at)s - interval '28 days'
            and run_created_at < %(created_at)s
            and is_executed
            and status = 'completed'
            and conclusion = 'success'
            and duration_seconds is not null
            and name = any(%(names)s)
        group by name
        """,
        {
            "repository": repository_id,
            "workflow": workflow_id,
            "names": [name for name in names if name is not None],
            "created_at": created_at,
        },
    ).fetchall()
    found: dict[str | None, dict[str, Any]] = {
        name: {"run_count": 0, "p50_seconds": None, "p95_seconds": None} for name in names
    }
    for row in rows:
        found[row.pop("name")] = row
    return found


def usual_of_steps(connection: Connection, job: Mapping[str, Any]) -> dict[str, float]:
    """The median of each step of a job, by the step's name."""
    rows = connection.execute(
        """
        select
            steps.name,
            percentile_cont(0.5) within group (order by steps.duration_seconds) as p50_seconds
        from marts.jobs
        inner join marts.steps
            on jobs.repository_id = steps.repository_id and jobs.job_id = steps.job_id
        where jobs.repository_id = %(repository)s
            and jobs.workflow_id = %(workflow)s
            and jobs.run_created_at >= %(created_at)s - interval '28 days'
            and jobs.run_created_at < %(created_at)s
            and jobs.name = %(name)s
            and steps.conclusion = 'success'
            and steps.duration_seconds is not null
            and steps.name is not null
        group by steps.name
        """,
        {
            "repository": job["repository_id"],
            "workflow": job["workflow_id"],
            "name": job["name"],
            "created_at": job["run_created_at"],
        },
    ).fetchall()
    return {row["name"]: row["p50_seconds"] for row in rows}


def _select(jobs: sql.Composable, further: Sequence[sql.Composable] = ()) -> sql.Composed:
    """The columns of a job out of what is called `jobs`, with its names."""
    return sql.SQL(_CHOSEN).format(
        columns=columns_of(Job, "jobs", without=(*_NAMES, *_COSTS)),
        jobs=jobs,
        further=sql.SQL("").join(sql.SQL(", {}").format(column) for column in further),
    )


def _chosen(chosen: RunFilter) -> tuple[sql.Composable, sql.Composable]:
    """The rows that a filter of jobs chooses, and their conditions.

    A job's name, its labels, its status and conclusion are its own; whether it was executed does
    not matter. The other words are its run's.
    """
    own = {name: value for name, value in chosen.values.items() if name in _OF_JOBS}
    of_runs = replace(
        chosen,
        values={
            name: value
            for name, value in chosen.values.items()
            if name not in (*own, "runner", "job_name")
        },
    )
    is_alone = of_runs.is_of_jobs_alone
    source = sql.SQL("marts.jobs as jobs")
    if not is_alone:
        source = sql.SQL(JOBS_WITH_RUNS)
    conditions = [
        of_runs.jobs_where("jobs", None if is_alone else "runs"),
        chosen.names("jobs"),
        *(sql.SQL(_OF_JOBS[name]) for name in own),
    ]
    return source, sql.SQL(" and ").join(conditions)


def _order(sort: str) -> Order:
    is_descending = sort.startswith("-")
    name = sort.removeprefix("-")
    value: sql.Composable = _CREATED_AT
    if name != "created_at":
        column = sql.SQL("jobs.{}").format(sql.Identifier(name))
        value = nulls_last(column, is_descending=is_descending)
    return Order([value, sql.SQL("jobs.job_id")], is_descending)


def _with_failed_step(row: dict[str, Any]) -> dict[str, Any]:
    number = row["failed_step_number"]
    row["failed_step"] = (
        None
        if number is None
        else FailedStep(number=number, name=row["failed_step_name"]).model_dump()
    )
    return row
