"""Flaky jobs: their occurrences, and the runs in which they executed.

What executed comes from the table by day and job name where that can answer, else from the jobs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, LiteralString

from psycopg import sql

from api.database import Connection
from api.filters import JOBS_WITH_RUNS, RunFilter
from api.pagination import Order, Page, nulls_last
from api.rows import named_formulas
from api.stats.intervals import wilson_sql

_KEYS: LiteralString = "repository_id, workflow_id, job_name_key"
# Of the occurrences in the runs that are chosen.
FORMULAS: Mapping[str, LiteralString] = {
    "occurrence_count": "count(*)",
    "lost_seconds": "sum(occurrences.lost_seconds)::bigint",
    "flaky_wasted_minutes": "sum(occurrences.flaky_wasted_minutes)::bigint",
    "flaky_cost_usd": "sum(occurrences.flaky_cost_usd)::double precision",
}
EXECUTED: LiteralString = "sum(days.executed_run_count)::bigint"
# A run's day bounds the occurrences, which know no time.
_OCCURRENCES: LiteralString = """
    marts.flaky_job_occurrences as occurrences
    inner join marts.workflow_runs as runs using (repository_id, run_id)
    {named}
    where occurrences.repository_id = any(%(repositories)s) and {where}
        and occurrences.day
        >= (coalesce(%(from)s::timestamptz, '-infinity') at time zone 'UTC')::date
        and occurrences.day <= (coalesce(%(to)s::timestamptz, 'infinity') at time zone 'UTC')::date
"""
# A run is of one day, so that those of days and of a part of the last one add up.
_EXECUTED: LiteralString = """
    select
        repository_id, workflow_id, job_name_key, {week} {executed_run_count} as executed_run_count
    from ({days}) as days
    group by repository_id, workflow_id, job_name_key {by_week}
"""
_OF_DAYS: LiteralString = """
    select
        days.repository_id, days.workflow_id, days.job_name_key, days.day, days.executed_run_count
    from marts.job_statistics_by_day as days
    inner join keys using (repository_id, workflow_id, job_name_key)
    where {where} and (%(job_names)s::text[] is null or days.job_name = any(%(job_names)s))
"""
_OF_JOBS: LiteralString = """
    select
        jobs.repository_id, jobs.workflow_id, jobs.job_name_key, jobs.day,
        count(distinct jobs.run_id) as executed_run_count
    from {jobs}
    inner join keys
        on (keys.repository_id, keys.workflow_id, keys.job_name_key)
        = (jobs.repository_id, jobs.workflow_id, jobs.job_name_key)
    where jobs.is_executed and {where}
    group by jobs.repository_id, jobs.workflow_id, jobs.job_name_key, jobs.day
"""
_LOWER, _UPPER = wilson_sql("occurrence_count", "executed_run_count")
RATES: Mapping[str, LiteralString] = {
    "flaky_rate": "occurrence_count::double precision / nullif(executed_run_count, 0)",
    "flaky_rate_lower_bound": _LOWER,
    "flaky_rate_upper_bound": _UPPER,
}
_JOBS: LiteralString = """
    with failing as (
        select
            occurrences.repository_id, occurrences.workflow_id, occurrences.job_name_key,
            min(occurrences.job_name) as job_name,
            {formulas},
            bool_or(occurrences.is_lower_bound) as is_lower_bound,
            (array_agg(
                array[runs.run_id, failed_attempt] order by runs.created_at, runs.run_id
            ))[1:1] as first_occurrence,
            (array_agg(
                array[runs.run_id, failed_attempt] order by runs.created_at desc, runs.run_id desc
            ))[1:1] as last_occurrence
        from {occurrences}
        group by occurrences.repository_id, occurrences.workflow_id, occurrences.job_name_key
    ),
    keys as ({keys}),
    executed as ({executed}),
    -- No join: how many jobs these are is not known beforehand. Marts are built one after the
    -- other: a run with an occurrence has executed the job, be its day counted yet or not.
    counted as (
        select
            repository_id, workflow_id, job_name_key,
            max(job_name) as job_name,
            coalesce(max(occurrence_count), 0) as occurrence_count,
            greatest(max(executed_run_count), max(occurrence_count), 0) as executed_run_count,
            max(lost_seconds) as lost_seconds,
            max(flaky_wasted_minutes) as flaky_wasted_minutes,
            max(flaky_cost_usd) as flaky_cost_usd,
            bool_or(is_lower_bound) as is_lower_bound,
            max(first_occurrence) as first_occurrence,
            max(last_occurrence) as last_occurrence
        from (
            select failing.*, null::bigint as executed_run_count, false as is_asked from failing
            union all
            select
                repository_id, workflow_id, job_name_key, null, null, null, null, null, null, null,
                null, executed_run_count, false
            from executed
            union all
            select
                repository_id, workflow_id, job_name_key, null, null, null, null, null, null, null,
                null, null, true
            from keys
        ) as parts
        group by repository_id, workflow_id, job_name_key
        having bool_or(is_asked)
    ),
    answered as (
        select *, {rates} from counted
    )
    select
        answered.*,
        workflows.name as workflow_name, repositories.full_name as repository_full_name,
        {order_keys}
    from answered
    inner join marts.workflows using (repository_id, workflow_id)
    inner join app.repositories using (repository_id)
    {page}
"""
_ASKED: LiteralString = """
    select * from unnest(%(repository_ids)s::bigint[], %(workflow_ids)s::bigint[],
        %(job_name_keys)s::uuid[]) as keys (repository_id, workflow_id, job_name_key)
"""
_WEEKS: LiteralString = """
    with keys as ({keys}),
    failing as (
        select
            occurrences.repository_id, occurrences.workflow_id, occurrences.job_name_key,
            date_trunc('week', occurrences.day::timestamp)::date as week,
            count(*) as occurrence_count
        from {occurrences}
            and (occurrences.repository_id, occurrences.workflow_id, occurrences.job_name_key)
            in (select repository_id, workflow_id, job_name_key from keys)
        group by occurrences.repository_id, occurrences.workflow_id, occurrences.job_name_key, week
    ),
    executed as ({executed})
    select
        repository_id, workflow_id, job_name_key, week,
        coalesce(failing.occurrence_count, 0) as occurrence_count,
        greatest(executed.executed_run_count, failing.occurrence_count) as executed_run_count
    from failing
    full join executed using (repository_id, workflow_id, job_name_key, week)
"""
_FREQUENT: LiteralString = """
    select * from (
        select
            occurrences.repository_id, occurrences.workflow_id, occurrences.job_name_key,
            occurrences.{name} as name, {number} as step_number,
            count(*) as occurrence_count,
            row_number() over (
                partition by occurrences.repository_id, occurrences.workflow_id,
                    occurrences.job_name_key
                order by count(*) desc, occurrences.{name}
            ) as place
        from {occurrences}
            and occurrences.{name} is not null
            and (occurrences.repository_id, occurrences.workflow_id, occurrences.job_name_key)
            in ({keys})
        group by occurrences.repository_id, occurrences.workflow_id, occurrences.job_name_key,
            occurrences.{name}
    ) as counted
    where place <= 3
    order by place
"""
_SINCE: LiteralString = """
    select
        runs.run_id, runs.run_number, chosen.run_attempt, runs.created_at, runs.head_sha,
        runs.display_title, runs.actor_login, runs.html_url
    from unnest(%(run_ids)s::bigint[], %(run_attempts)s::bigint[]) as chosen (run_id, run_attempt)
    inner join marts.workflow_runs as runs using (run_id)
"""
_LISTED: LiteralString = """
    select
        occurrences.repository_id, repositories.full_name as repository_full_name,
        occurrences.workflow_id, workflows.name as workflow_name, occurrences.job_name,
        runs.run_id, runs.run_number, runs.created_at, runs.event, runs.head_branch, runs.head_sha,
        runs.display_title, runs.actor_login, runs.html_url,
        occurrences.failed_attempt, occurrences.failed_job_id,
        failed.html_url as failed_job_html_url, occurrences.failed_conclusion,
        occurrences.failed_at, occurrences.failed_step_number, occurrences.failed_step_name,
        occurrences.failed_runner_name,
        occurrences.passed_attempt, occurrences.passed_job_id,
        passed.html_url as passed_job_html_url, occurrences.passed_at,
        occurrences.passed_runner_name,
        occurrences.lost_seconds, occurrences.flaky_wasted_minutes,
        occurrences.flaky_cost_usd::double precision as flaky_cost_usd, occurrences.is_lower_bound,
        {keys}
    from (select occurrences.* from {occurrences}) as occurrences
    inner join marts.workflow_runs as runs using (repository_id, run_id)
    inner join marts.workflows
        on (workflows.repository_id, workflows.workflow_id)
        = (occurrences.repository_id, occurrences.workflow_id)
    inner join app.repositories on repositories.repository_id = occurrences.repository_id
    left join marts.jobs as failed
        on (failed.repository_id, failed.job_id)
        = (occurrences.repository_id, occurrences.failed_job_id)
    left join marts.jobs as passed
        on (passed.repository_id, passed.job_id)
        = (occurrences.repository_id, occurrences.passed_job_id)
    where {after}
    order by {order}
    limit %(limit)s
"""
_LISTED_ORDER = Order(
    [
        sql.SQL("runs.created_at"),
        sql.SQL("runs.run_id"),
        sql.SQL("occurrences.job_name_key"),
    ],
    is_descending=True,
)


@dataclass(frozen=True)
class JobKey:
    """A job's name in a workflow, as one repository has it."""

    repository_id: int
    workflow_id: int
    job_name_key: str


def key_of(row: Mapping[str, Any]) -> JobKey:
    """Which job a row is of."""
    return JobKey(row["repository_id"], row["workflow_id"], str(row["job_name_key"]))


def list_flaky_jobs(
    connection: Connection, chosen: RunFilter, sort: str, page: Page
) -> tuple[list[dict[str, Any]], str | None]:
    """The jobs with an occurrence, and the token of the next page."""
    is_descending = sort.startswith("-")
    term = sql.Identifier("answered", sort.removeprefix("-"))
    order = Order(
        [
            nulls_last(term, is_descending=is_descending),
            *(sql.Identifier("answered", name) for name in _KEYS.split(", ")),
        ],
        is_descending,
    )
    after, key = order.after(page.after)
    query = _jobs(
        chosen,
        keys=sql.SQL("select {} from failing").format(sql.SQL(_KEYS)),
        order_keys=order.keys,
        page=sql.SQL("where {} order by {} limit %(limit)s").format(after, order.clause),
    )
    parameters = {**_parameters(chosen), **key, "limit": page.limit + 1}
    return page.cut_by_keys(connection.execute(query, parameters).fetchall())


def read_jobs(
    connection: Connection, chosen: RunFilter, keys: Sequence[JobKey]
) -> dict[JobKey, dict[str, Any]]:
    """The same numbers of these jobs, occurrences or not."""
    query = _jobs(chosen, keys=sql.SQL(_ASKED), order_keys=sql.SQL("1"), page=sql.SQL(""))
    rows = connection.execute(query, {**_parameters(chosen), **_asked(keys)})
    return {key_of(row): row for row in rows}


def read_flaky_keys(connection: Connection, chosen: RunFilter) -> dict[JobKey, str | None]:
    """The jobs with an occurrence, each with its name."""
    query = sql.SQL(
        "select occurrences.repository_id, occurrences.workflow_id, occurrences.job_name_key, "
        "min(occurrences.job_name) as job_name from {} "
        "group by occurrences.repository_id, occurrences.workflow_id, occurrences.job_name_key"
    ).format(_occurrences(chosen))
    return {key_of(row): row["job_name"] for row in connection.execute(query, _parameters(chosen))}


def read_weeks(
    connection: Connection, chosen: RunFilter, keys: Sequence[JobKey]
) -> dict[JobKey, list[dict[str, Any]]]:
    """Every week of the range, of each job."""
    query = sql.SQL(_WEEKS).format(
        keys=sql.SQL(_ASKED),
        occurrences=_occurrences(chosen),
        executed=_executed(chosen, is_by_week=True),
    )
    found = {
        (key_of(row), row["week"]): row
        for row in connection.execute(query, {**_parameters(chosen), **_asked(keys)})
    }
    weeks = _weeks(chosen, [week for _, week in found])
    names = ("occurrence_count", "executed_run_count")
    return {
        key: [
            {"week": week, **{name: found.get((key, week), {}).get(name, 0) for name in names}}
            for week in weeks
        ]
        for key in keys
    }


def _weeks(chosen: RunFilter, known: Sequence[date]) -> list[date]:
    """The Mondays of the range; where it has no bound, those that are known bound it."""
    start, end = chosen.values.get("from"), chosen.values.get("to")
    first = start.date() if start else min(known, default=None)
    last = (end - timedelta(microseconds=1)).date() if end else max(known, default=None)
    if first is None or last is None:
        return []
    monday = first - timedelta(days=first.weekday())
    return [monday + timedelta(weeks=week) for week in range((last - monday).days // 7 + 1)]


def read_frequent(
    connection: Connection, chosen: RunFilter, keys: Sequence[JobKey], name: LiteralString
) -> dict[JobKey, list[dict[str, Any]]]:
    """What the occurrences of each job have most often in a column, which is not null."""
    is_step = name == "failed_step_name"
    query = sql.SQL(_FREQUENT).format(
        name=sql.Identifier(name),
        number=sql.SQL("min(occurrences.failed_step_number)" if is_step else "null"),
        occurrences=_occurrences(chosen),
        keys=sql.SQL(_ASKED),
    )
    found: dict[JobKey, list[dict[str, Any]]] = {key: [] for key in keys}
    for row in connection.execute(query, {**_parameters(chosen), **_asked(keys)}):
        found[key_of(row)].append(row)
    return found


def read_since(
    connection: Connection, attempts: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], dict[str, Any]]:
    """Runs and attempts (by number) as `Since` names them."""
    parameters = {
        "run_ids": [run_id for run_id, _ in attempts],
        "run_attempts": [attempt for _, attempt in attempts],
    }
    rows = connection.execute(_SINCE, parameters)
    return {(row["run_id"], row["run_attempt"]): row for row in rows}


def list_occurrences(
    connection: Connection, chosen: RunFilter, page: Page
) -> tuple[list[dict[str, Any]], str | None]:
    """The occurrences, newest run first, and the token of the next page."""
    after, key = _LISTED_ORDER.after(page.after)
    query = sql.SQL(_LISTED).format(
        keys=_LISTED_ORDER.keys,
        occurrences=_occurrences(chosen),
        after=after,
        order=_LISTED_ORDER.clause,
    )
    parameters = {**_parameters(chosen), **key, "limit": page.limit + 1}
    return page.cut_by_keys(connection.execute(query, parameters).fetchall())


def _jobs(chosen: RunFilter, **parts: sql.Composable) -> sql.Composed:
    return sql.SQL(_JOBS).format(
        occurrences=_occurrences(chosen),
        formulas=named_formulas(FORMULAS),
        executed=_executed(chosen),
        rates=named_formulas(RATES),
        **parts,
    )


def _occurrences(chosen: RunFilter) -> sql.Composed:
    """Occurrences in the runs that the filter chooses, of the jobs that it names."""
    named = sql.Composed([])
    if chosen.names_jobs:
        named = sql.SQL(
            "inner join marts.jobs as jobs on jobs.repository_id = occurrences.repository_id "
            "and jobs.job_id = occurrences.failed_job_id and {}"
        ).format(chosen.names("jobs"))
    return sql.SQL(_OCCURRENCES).format(named=named, where=chosen.where())


def _executed(chosen: RunFilter, *, is_by_week: bool = False) -> sql.Composed:
    """In how many runs each of `keys` executed."""
    others = {name: value for name, value in chosen.values.items() if name != "job_name"}
    jobs = sql.SQL(JOBS_WITH_RUNS)
    where = chosen.jobs_where()
    if chosen.is_of_jobs_alone:
        jobs, where = sql.SQL("marts.jobs as jobs"), chosen.jobs_where(runs=None)
    days = []
    if replace(chosen, values=others).is_by_day:
        days.append(sql.SQL(_OF_DAYS).format(where=chosen.by_day_where()))
        where = sql.SQL("{} and {}").format(where, chosen.last_day_where("jobs", "run_created_at"))
    if not days or chosen.ends_within_a_day:
        days.append(sql.SQL(_OF_JOBS).format(jobs=jobs, where=where))
    week = sql.SQL("date_trunc('week', day::timestamp)::date as week,")
    return sql.SQL(_EXECUTED).format(
        executed_run_count=sql.SQL(EXECUTED),
        days=sql.SQL(" union all ").join(days),
        week=week if is_by_week else sql.SQL(""),
        by_week=sql.SQL(", week" if is_by_week else ""),
    )


def _parameters(chosen: RunFilter) -> dict[str, Any]:
    bounds = {"from": None, "to": None, "job_names": chosen.values.get("job_name")}
    return {**bounds, **chosen.parameters}


def _asked(keys: Sequence[JobKey]) -> dict[str, Any]:
    return {
        "repository_ids": [key.repository_id for key in keys],
        "workflow_ids": [key.workflow_id for key in keys],
        "job_name_keys": [key.job_name_key for key in keys],
    }
