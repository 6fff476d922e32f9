"""Runners: peaks are computed over whole sets of jobs, since those of parts do not add up.

Spans are half-open: an end and a start at one time are not two jobs at once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from psycopg import sql

from api.database import Connection, array_of
from api.filters import JOBS_WITH_RUNS, RunFilter
from api.pagination import Order, Page
from api.rows import named_formulas
from api.runners.records import NAMES, QUEUE
from api.stats.intervals import wilson_sql

_LABELS_KEY: LiteralString = """
    md5(array(
        select distinct lower(label) as label
        from unnest(%(labels)s::text[]) as label
        order by label
    )::text)::uuid
"""
_SORTED: LiteralString = """
    array(
        select distinct lower(label) collate "C" as label
        from unnest({labels}) as label
        order by label
    )
"""
# Of jobs that are not carried over, by set of labels.
FORMULAS: Mapping[str, LiteralString] = {
    "run_count": "count(distinct run_id)",
    "job_count": "count(*)",
    "jobs_executed": "count(*) filter (where is_executed)",
    QUEUE.count.name: QUEUE.count.formula,
    "queue_within_count": "count(*) filter (where queue_seconds <= %(within_seconds)s)",
    "busy_seconds": "sum(duration_seconds)::bigint",
    "open_job_count": "count(*) filter (where is_executed and completed_at is null)",
    "runner_name_count": "count(distinct nullif(runner_name, '')) filter (where is_executed)",
}
# Over the moments at which the number of jobs at once changes.
PEAKS: Mapping[str, LiteralString] = {
    "peak_queued": "max(queued_jobs) filter (where queued_change is not null)",
    "peak_jobs": "max(running_jobs) filter (where running_change is not null)",
}
DERIVED: Mapping[str, LiteralString] = {
    "queue_within_rate": "queue_within_count::double precision / nullif(job_queue_count, 0)",
    "average_concurrency": "busy_seconds / nullif(%(elapsed_seconds)s::double precision, 0)",
}
_USE: LiteralString = """
    with jobs as materialized (
        select
            jobs.run_id, jobs.labels_key, jobs.labels, jobs.runner_class, jobs.runner_name,
            jobs.is_executed, jobs.created_at, jobs.started_at, jobs.completed_at,
            jobs.queue_seconds, jobs.duration_seconds
        from {jobs}
        where {where} and not jobs.is_carried_over
    ),
    totals as (
        select
            labels_key,
            min(labels) as labels,
            mode() within group (order by runner_class) as runner_class,
            {queue} as job_queue,
            {formulas}
        from jobs
        group by labels_key
    ),
    moments as (
        select
            labels_key, edge.queued_change, edge.running_change,
            sum(edge.queued_change) over until_then as queued_jobs,
            sum(edge.running_change) over until_then as running_jobs
        from jobs
        cross join lateral (
            values
            (case when queue_seconds is not null then created_at end, 1, null),
            (case when queue_seconds is not null then started_at end, -1, null),
            (case when duration_seconds is not null then started_at end, null, 1),
            (case when duration_seconds is not null then completed_at end, null, -1)
        ) as edge (happened_at, queued_change, running_change)
        where edge.happened_at is not null
        window until_then as (partition by labels_key order by edge.happened_at)
    ),
    peaks as (
        select
            labels_key,
            {peaks}
        from moments
        group by labels_key
    )
    select
        totals.*, {sorted} as labels, peaks.peak_jobs, peaks.peak_queued, {derived}, {keys}
    from totals
    left join peaks using (labels_key)
    {page}
"""
_USE_ORDER = Order([sql.SQL("totals.job_count"), sql.SQL("totals.labels_key")], is_descending=True)
# The peaks of several repositories are computed of their jobs.
HOUR_FORMULAS: Mapping[str, LiteralString] = {
    "job_count": "sum(hours.job_count)::bigint",
    "jobs_executed": "sum(hours.jobs_executed)::bigint",
    "impossible_queue_count": "sum(hours.impossible_queue_count)::bigint",
    "queue_count": "sum(hours.queue_count)::bigint",
    "queue_seconds": "sum(hours.queue_seconds)::bigint",
    "longest_queue_seconds": "max(hours.longest_queue_seconds)",
    "queue_within_60_count": "sum(hours.queue_within_60_count)::bigint",
    "queue_within_rate": "sum(hours.queue_within_60_count)::double precision "
    "/ nullif(sum(hours.queue_count), 0)",
    "busy_seconds": "sum(hours.busy_seconds)::bigint",
    "peak_jobs": "max(hours.peak_jobs)",
    "peak_queued": "max(hours.peak_queued)",
    "open_job_count": "sum(hours.open_job_count)::bigint",
}
_HOURS: LiteralString = """
    select
        hours.labels_key, hours.hour, min(hours.labels) as labels,
        count(*) as repository_count, {formulas}, {keys}
    from marts.runner_statistics_by_hour as hours
    where hours.repository_id = any(%(repositories)s)
        and hours.hour >= coalesce(%(from)s, '-infinity'::timestamptz)
        and hours.hour < coalesce(%(to)s, 'infinity'::timestamptz)
        and (%(labels)s::text[] is null or hours.labels_key = {labels_key})
        and {after}
    group by hours.hour, hours.labels_key
    order by {order}
    limit %(limit)s
"""
_HOURS_ORDER = Order([sql.SQL("hours.hour"), sql.SQL("hours.labels_key")])
# Nearly all jobs have ended five hours after their creation; the few others have an index by their
# end (see the mart).
_HOUR_PEAKS: LiteralString = """
    with hours as (
        select * from unnest(%(labels_keys)s::uuid[], %(hours)s::timestamptz[])
            as hours (labels_key, hour)
    ),
    bounds as (
        select min(hour) as first_hour, max(hour) + interval '1 hour' as end_of_last from hours
    ),
    jobs as materialized (
        select jobs.*
        from bounds
        inner join marts.jobs as jobs
            on date_bin('6 hours', jobs.created_at, '2000-01-01 00:00+00')
            >= bounds.first_hour - interval '12 hours'
            and date_bin('6 hours', jobs.created_at, '2000-01-01 00:00+00') < bounds.end_of_last
        where jobs.repository_id = any(%(repositories)s)
            and jobs.labels_key = any(%(labels_keys)s) and not jobs.is_carried_over
            and jobs.is_executed and jobs.queue_seconds + jobs.duration_seconds <= 18000
        union all
        select jobs.*
        from bounds
        inner join marts.jobs as jobs
            on greatest(jobs.created_at, jobs.started_at, coalesce(jobs.completed_at, 'infinity'))
            >= bounds.first_hour
        where jobs.repository_id = any(%(repositories)s)
            and jobs.labels_key = any(%(labels_keys)s) and not jobs.is_carried_over
            and jobs.is_executed
            and (jobs.queue_seconds + jobs.duration_seconds <= 18000) is not true
    ),
    spans as (
        select
            labels_key, created_at as begins_at, started_at as ends_at,
            1 as queued, null::integer as running
        from jobs
        where queue_seconds is not null
        union all
        select labels_key, started_at, completed_at, null, 1
        from jobs
        where duration_seconds is not null
    ),
    moments as (
        select
            hours.labels_key, hours.hour, edge.queued, edge.running,
            sum(edge.queued) over until_then as queued_jobs,
            sum(edge.running) over until_then as running_jobs
        from hours
        inner join spans
            on spans.labels_key = hours.labels_key
            and spans.begins_at < hours.hour + interval '1 hour'
            and (spans.ends_at > hours.hour or spans.begins_at >= hours.hour)
        cross join lateral (
            values
            (greatest(spans.begins_at, hours.hour), spans.queued, spans.running),
            (
                least(spans.ends_at, hours.hour + interval '1 hour'), -spans.queued,
                -spans.running
            )
        ) as edge (happened_at, queued, running)
        window until_then as (
            partition by hours.labels_key, hours.hour order by edge.happened_at
        )
    )
    select
        labels_key, hour,
        max(queued_jobs) filter (where queued is not null) as peak_queued,
        max(running_jobs) filter (where running is not null) as peak_jobs
    from moments
    group by labels_key, hour
"""
NOW_FORMULAS: Mapping[str, LiteralString] = {
    "queued_count": "count(*) filter (where jobs.status = 'queued')",
    "running_count": "count(*) filter (where jobs.status = 'in_progress')",
}
# Over the jobs of this hour of the week, of the four weeks before.
USUAL: Mapping[str, LiteralString] = {
    "usual_job_queue_count": "count(jobs.queue_seconds)",
    "usual_job_queue_p95_seconds": "percentile_cont(0.95) within group "
    "(order by jobs.queue_seconds)",
}
# What is told of a run that has ended, or is gone, is no news of this moment.
_NOW: LiteralString = """
    select totals.*, {sorted} as labels, usual.*, {keys}
    from (
        select
            jobs.labels_key, min(jobs.labels) as labels,
            min(jobs.created_at) filter (where jobs.status = 'queued') as oldest_queued_at,
            {formulas}
        from marts.jobs as jobs
        inner join marts.workflow_runs as runs using (repository_id, run_id, run_attempt)
        where jobs.repository_id = any(%(repositories)s) and jobs.status <> 'completed'
            and not jobs.is_carried_over and not runs.is_completed and runs.gone_at is null
            and (jobs.status = 'queued' or jobs.status = 'in_progress')
        group by jobs.labels_key
    ) as totals
    cross join lateral (
        select {usual}
        from unnest(%(hours)s::timestamptz[]) as hours (hour)
        inner join marts.jobs as jobs
            on date_bin('6 hours', jobs.created_at, '2000-01-01 00:00+00')
            = date_bin('6 hours', hours.hour, '2000-01-01 00:00+00')
            and jobs.created_at >= hours.hour
            and jobs.created_at < hours.hour + interval '1 hour'
        where jobs.repository_id = any(%(repositories)s) and jobs.labels_key = totals.labels_key
            and not jobs.is_carried_over
    ) as usual
    where {after}
    order by {order}
    limit %(limit)s
"""
_NOW_ORDER = Order(
    [sql.SQL("totals.queued_count"), sql.SQL("totals.labels_key")], is_descending=True
)
_LOWER, _UPPER = wilson_sql("counted.failure_count", "counted.job_count")
# Of executed, completed jobs by the runner's name; of those with the same name in the workflow
# `others` and `failures_of_others` ran elsewhere.
NAME_FORMULAS: Mapping[str, LiteralString] = {
    "job_count": "count(*)",
    "failure_count": "count(*) filter (where jobs.conclusion in ('failure', 'timed_out'))",
}
NAME_DERIVED: Mapping[str, LiteralString] = {
    "failure_rate": "failure_count::double precision / nullif(job_count, 0)",
    "failure_rate_lower_bound": _LOWER,
    "failure_rate_upper_bound": _UPPER,
    "excess_failure_rate": "case when compared_job_count >= 20 "
    "then (excess_failures / compared_job_count)::double precision end",
}
_RUNNERS: LiteralString = """
    with by_job as (
        select
            jobs.runner_name, jobs.repository_id, jobs.workflow_id, jobs.job_name_key,
            {formulas},
            max(jobs.completed_at) as last_seen_at
        from {jobs}
        where {where} and jobs.is_executed and jobs.status = 'completed'
            and jobs.runner_name <> ''
            and (%(labels)s::text[] is null or jobs.labels_key = {labels_key})
        group by jobs.runner_name, jobs.repository_id, jobs.workflow_id, jobs.job_name_key
    ),
    elsewhere as (
        select
            *,
            sum(job_count) over job - job_count as others,
            sum(failure_count) over job - failure_count as failures_of_others
        from by_job
        window job as (partition by repository_id, workflow_id, job_name_key)
    ),
    counted as (
        select
            runner_name,
            sum(job_count)::bigint as job_count,
            sum(failure_count)::bigint as failure_count,
            max(last_seen_at) as last_seen_at,
            coalesce(sum(job_count) filter (where others > 0), 0)::bigint as compared_job_count,
            sum(
                failure_count - job_count * failures_of_others / nullif(others, 0)
            ) as excess_failures
        from elsewhere
        group by runner_name
    )
    select counted.*, {derived}, {keys}
    from counted
    where {after}
    order by {order}
    limit %(limit)s
"""
_RUNNERS_ORDER = Order(
    [sql.SQL("counted.job_count"), sql.SQL("counted.runner_name")], is_descending=True
)


def list_label_sets(
    connection: Connection,
    chosen: RunFilter,
    within_seconds: int,
    elapsed_seconds: float | None,
    page: Page | None,
) -> tuple[list[dict[str, Any]], str | None]:
    """Each set of labels that jobs of the filter asked for, most jobs first, and the token of the
    next page; without a page all."""
    after, further = _USE_ORDER.after(page.after if page else None)
    limit = sql.SQL("where {} order by {}").format(after, _USE_ORDER.clause)
    if page is not None:
        limit += sql.SQL(" limit %(limit)s")
        further["limit"] = page.limit + 1
    query = sql.SQL(_USE).format(
        jobs=_jobs(chosen),
        where=_where(chosen),
        formulas=named_formulas(FORMULAS),
        peaks=named_formulas(PEAKS),
        derived=named_formulas(DERIVED),
        queue=QUEUE.formula,
        sorted=_sorted("totals.labels"),
        keys=_USE_ORDER.keys,
        page=limit,
    )
    parameters = {
        **chosen.parameters,
        **further,
        "within_seconds": within_seconds,
        "elapsed_seconds": elapsed_seconds,
    }
    rows = connection.execute(query, parameters).fetchall()
    shown, token = (rows, None) if page is None else page.cut_by_keys(rows)
    for row in shown:
        found = row["job_queue"] or [None] * len(QUEUE.names)
        row.update(zip(QUEUE.names, found, strict=True))
    return shown, token


def over_nothing() -> dict[str, Any]:
    """The numbers of no job."""
    return {
        name: 0 if name.endswith("_count") or name == "jobs_executed" else None for name in NAMES
    }


def list_hours(
    connection: Connection,
    repository_ids: Sequence[int],
    values: Mapping[str, Any],
    labels: Sequence[str],
    page: Page,
    *,
    has_peaks: bool,
) -> tuple[list[dict[str, Any]], str | None]:
    """The hours of each set of labels over these repositories, and the token of the next page."""
    after, key = _HOURS_ORDER.after(page.after)
    query = sql.SQL(_HOURS).format(
        formulas=named_formulas(HOUR_FORMULAS),
        keys=_HOURS_ORDER.keys,
        labels_key=sql.SQL(_LABELS_KEY),
        after=after,
        order=_HOURS_ORDER.clause,
    )
    parameters = {
        "from": values.get("from"),
        "to": values.get("to"),
        "repositories": array_of(repository_ids),
        "labels": list(labels) or None,
        **key,
        "limit": page.limit + 1,
    }
    rows, token = page.cut_by_keys(connection.execute(query, parameters).fetchall())
    shared = [row for row in rows if row["repository_count"] > 1]
    if has_peaks and shared:
        parameters = {
            "repositories": array_of(repository_ids),
            "labels_keys": [row["labels_key"] for row in shared],
            "hours": [row["hour"] for row in shared],
        }
        peaks = {
            (row["labels_key"], row["hour"]): row
            for row in connection.execute(_HOUR_PEAKS, parameters)
        }
        for row in shared:
            peak = peaks.get((row["labels_key"], row["hour"]), {})
            row.update({name: peak.get(name) for name in ("peak_jobs", "peak_queued")})
    return rows, token


def list_now(
    connection: Connection, repository_ids: Sequence[int], hours: Sequence[datetime], page: Page
) -> tuple[list[dict[str, Any]], str | None]:
    """What waits and runs, most that waits first, beside the waits in these hours; the token of the
    next page."""
    after, key = _NOW_ORDER.after(page.after)
    query = sql.SQL(_NOW).format(
        sorted=_sorted("totals.labels"),
        formulas=named_formulas(NOW_FORMULAS),
        usual=named_formulas(USUAL),
        keys=_NOW_ORDER.keys,
        after=after,
        order=_NOW_ORDER.clause,
    )
    parameters = {
        "repositories": array_of(repository_ids),
        "hours": list(hours),
        **key,
        "limit": page.limit + 1,
    }
    return page.cut_by_keys(connection.execute(query, parameters).fetchall())


def list_runners(
    connection: Connection, chosen: RunFilter, labels: Sequence[str], page: Page
) -> tuple[list[dict[str, Any]], str | None]:
    """The runners by name, most jobs first, and the token of the next page."""
    after, key = _RUNNERS_ORDER.after(page.after)
    query = sql.SQL(_RUNNERS).format(
        jobs=_jobs(chosen),
        where=_where(chosen),
        formulas=named_formulas(NAME_FORMULAS),
        derived=named_formulas(NAME_DERIVED),
        labels_key=sql.SQL(_LABELS_KEY),
        keys=_RUNNERS_ORDER.keys,
        after=after,
        order=_RUNNERS_ORDER.clause,
    )
    parameters = {
        **chosen.parameters,
        **key,
        "labels": list(labels) or None,
        "limit": page.limit + 1,
    }
    return page.cut_by_keys(connection.execute(query, parameters).fetchall())


def _jobs(chosen: RunFilter) -> sql.SQL:
    if chosen.is_of_jobs_alone:
        return sql.SQL("marts.jobs as jobs")
    return sql.SQL(JOBS_WITH_RUNS)


def _where(chosen: RunFilter) -> sql.Composed:
    return chosen.jobs_where(runs=None if chosen.is_of_jobs_alone else "runs")


def _sorted(labels: LiteralString) -> sql.Composed:
    return sql.SQL(_SORTED).format(labels=sql.SQL(labels))
