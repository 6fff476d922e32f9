"""Statistics of a workflow's jobs by name, and of their steps.

facts         jobs of the runs that a filter chooses, by name
  left join occurrences  flaky ones of these runs
  left join held         who holds up the run: of whole days from the table by day, else computed
"""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from psycopg import sql
from pydantic import Field, create_model

from api.changes.levels import Level
from api.database import Connection
from api.filters import JOBS_WITH_RUNS, RunFilter
from api.pagination import Order, Page, nulls_last
from api.records import (
    Conclusion,
    Count,
    PartialRecord,
    Rate,
    Record,
    Seconds,
    Since,
    WholeSeconds,
)
from api.rows import columns_of, named_formulas, nested
from api.stats.comparison import (
    AmountRule,
    PercentileRule,
    RateRule,
    Rule,
    comparable,
)
from api.stats.intervals import wilson_sql
from api.stats.metrics import CONCLUSIONS, PERCENTILES, PERCENTS, Metric, fields_of, terms

_ENDED: LiteralString = "jobs.is_executed and jobs.status = 'completed'"
_COUNTS: tuple[Metric, ...] = (
    Metric(
        "executed_run_count",
        "Runs in which a job of the name executed.",
        "count",
        "jobs",
        "count(distinct jobs.run_id) filter (where jobs.is_executed)",
    ),
    Metric(
        "completed_count",
        "Its executed jobs that are completed.",
        "count",
        "jobs",
        f"count(*) filter (where {_ENDED})",
    ),
    *(
        Metric(
            f"{conclusion}_count",
            f"Those that ended `{conclusion}`.",
            "count",
            "jobs",
            f"count(*) filter (where {_ENDED} and jobs.conclusion = '{conclusion}')",
        )
        for conclusion in CONCLUSIONS
    ),
)
_TERMS = tuple(
    name
    for name, term in terms().items()
    if isinstance(term, Metric) and term.source == "jobs" and term.is_by_day
)
_PERCENTILES = tuple(each for each in PERCENTILES if each.source == "jobs")
_PERCENTILE_NAMES = tuple(name for each in _PERCENTILES for name in (each.count.name, *each.names))
_MEANINGS: Mapping[str, tuple[Any, str]] = {
    "occurrence_count": (Count, "Runs in which it failed and then passed."),
    "flaky_rate": (Rate | None, "Occurrences ÷ runs in which it executed."),
    "flaky_rate_lower_bound": (Rate | None, "Of the 95 % Wilson interval."),
    "flaky_rate_upper_bound": (Rate | None, "Of the 95 % Wilson interval."),
    "finished_last_count": (Count, "How often its end was that of the attempt."),
    "exclusive_seconds": (WholeSeconds | None, "Time in which it alone ran."),
    "saved_if_gone_seconds": (
        WholeSeconds | None,
        "How much earlier the attempts would have ended without it.",
    ),
}


def _fields() -> dict[str, Any]:
    fields: dict[str, Any] = {
        each.name: (each.type, Field(description=each.meaning)) for each in _COUNTS
    }
    for name, (kind, meaning) in _MEANINGS.items():
        fields[name] = (kind, Field(description=meaning))
    named = fields_of((*_PERCENTILE_NAMES, *_TERMS, "is_lower_bound"))
    return fields | {
        name: (kind, Field(description=field.description)) for name, (kind, field) in named.items()
    }


JobStatistics: type[Record] = create_model(
    "JobStatistics",
    __base__=Record,
    __doc__="Numbers of a job, by its name, over the runs that the filter chooses.",
    **_fields(),
)
NAMES = tuple(JobStatistics.model_fields)
# Formulas that /stats does not have, or not over jobs.
OWN: Mapping[str, LiteralString] = {each.name: each.formula for each in _COUNTS}
SORTS = ("job_name", *(name for name in NAMES if name != "is_lower_bound"))


class _JobName(Record):
    """A job of a workflow by its name, over the runs that the filter chooses."""

    job_name: str | None
    labels: list[str] | None = Field(description="What its newest job asked for.")
    latest_conclusion: Conclusion | str | None = Field(
        description="How its newest executed job that is completed ended."
    )


class _Levels(PartialRecord):
    """A part that `include` names."""

    levels: list[Level] = Field(
        [],
        description="With `include=levels`: those of the durations of its successful executions, "
        "by group and oldest first; none where none ever changed.",
    )


JobOfWorkflow: type[Record] = create_model(
    "JobOfWorkflow", __base__=(_Levels, JobStatistics, _JobName), __doc__=_JobName.__doc__
)
ComparableJobOfWorkflow = comparable(JobOfWorkflow, JobStatistics)


def _rules() -> dict[str, Rule]:
    rules: dict[str, Rule] = {name: AmountRule("executed_run_count") for name in NAMES}
    for name in ("flaky_rate_lower_bound", "flaky_rate_upper_bound", "is_lower_bound"):
        rules[name] = None
    rules["flaky_rate"] = RateRule("occurrence_count", "executed_run_count")
    for each in _PERCENTILES:
        for name, percent in zip(each.names, PERCENTS, strict=True):
            rules[name] = PercentileRule(each.count.name, percent)
    return rules


RULES = _rules()


class StepStatistics(Record):
    """A step by its job's and its own name, over the runs that the filter chooses."""

    job_name: str | None
    name: str | None
    step_number: Count = Field(description="Its place, the lowest where it varied.")
    executed_count: Count = Field(description="How often it began and was not skipped.")
    failed_count: Count = Field(
        description="How often it was the lowest-numbered step of its job that failed or timed out."
    )
    failure_share: Rate | None = Field(
        description="The part of the job's failures (failure or timed_out) in which it was that."
    )
    duration_count: Count = Field(description="Number of known durations.")
    duration_p50_seconds: Seconds | None = Field(description="Median of those.")
    duration_p95_seconds: Seconds | None = Field(description="Percentile 95 of those.")
    last_failure: Since | None = Field(description="The newest run in which it failed so.")


_JOBS = """
    with facts as (
        select
            coalesce(jobs.name, '') as job_key,
            (
                array_agg(to_jsonb(jobs.labels) order by {newest_first})
                filter (where jobs.labels <> '{{}}')
            )[1] as labels,
            (array_agg(jobs.conclusion order by {newest_first}) filter (where {ended}))[1]
                as latest_conclusion,
            {formulas}
        from {source}
        where {where} and {named}
        group by 1
    ),

    occurrences as (
        select coalesce(occurrences.job_name, '') as job_key, count(*) as occurrence_count
        from marts.workflow_runs as runs
        inner join marts.flaky_job_occurrences as occurrences using (repository_id, run_id)
        where {runs_where}
            and occurrences.repository_id = any(%(repositories)s)
            and occurrences.workflow_id = any(%(workflow)s)
        group by 1
    ),

    held as ({held}),

    joined as (
        select
            facts.*,
            coalesce(occurrences.occurrence_count, 0) as occurrence_count,
            coalesce(held.finished_last_count, 0) as finished_last_count,
            held.exclusive_seconds,
            held.saved_if_gone_seconds
        from facts
        left join occurrences using (job_key)
        left join held using (job_key)
    ),

    answered as (
        select
            job_key,
            nullif(job_key, '') as job_name,
            labels,
            latest_conclusion,
            occurrence_count,
            finished_last_count,
            exclusive_seconds,
            saved_if_gone_seconds,
            {rates},
            {columns}
        from joined
    )

    select answered.*, {keys} from answered where {after} order by {order} {limit}
"""
_NEWEST_FIRST = sql.SQL(
    "jobs.run_created_at desc, jobs.run_id desc, jobs.run_attempt desc, jobs.job_id desc"
)
_EVERY = sql.SQL("true")
_UNLIMITED = sql.SQL("")
_NAMED = sql.SQL("coalesce(jobs.name, '') = any(%(job_keys)s)")
HELD_FORMULAS: Mapping[str, LiteralString] = {
    "finished_last_count": "sum(days.finished_last_count)::bigint",
    "exclusive_seconds": "sum(days.exclusive_seconds)::bigint",
    "saved_if_gone_seconds": "sum(days.saved_if_gone_seconds)::bigint",
}
_LOWER, _UPPER = wilson_sql("occurrence_count", "executed_run_count")
RATES: Mapping[str, LiteralString] = {
    "flaky_rate": "occurrence_count::double precision / nullif(executed_run_count, 0)",
    "flaky_rate_lower_bound": _LOWER,
    "flaky_rate_upper_bound": _UPPER,
    "is_lower_bound": "unpriced_job_count > 0",
}
_HELD_BY_DAY = """
    select
        coalesce(days.job_name, '') as job_key,
        {formulas}
    from marts.job_statistics_by_day as days
    where {where}
    group by 1
"""
# As job_statistics_by_day has it: an impossible end is none, nor is one after the attempt's.
_HELD = """
    with ends as (
        select
            coalesce(jobs.name, '') as job_key,
            jobs.repository_id,
            jobs.job_id,
            jobs.run_id,
            jobs.run_attempt,
            jobs.started_at,
            jobs.completed_at,
            jobs.duration_seconds,
            attempts.ended_at as attempt_ended_at,
            attempts.duration_seconds as attempt_duration_seconds,
            case
                when jobs.completed_at <= attempts.ended_at
                    and not (
                        jobs.is_impossible_duration
                        and jobs.completed_at < '2018-01-01 00:00+00'
                    )
                    then jobs.completed_at
            end as possible_end
        from marts.workflow_runs as runs
        inner join marts.workflow_run_attempts as attempts
            on runs.repository_id = attempts.repository_id and runs.run_id = attempts.run_id
        inner join marts.jobs
            on attempts.repository_id = jobs.repository_id
            and attempts.run_id = jobs.run_id
            and attempts.run_attempt = jobs.run_attempt
        where {where} and attempts.is_completed and jobs.is_executed
    ),

    places as (
        select
            *,
            coalesce(possible_end = attempt_ended_at, false) as is_last,
            row_number() over latest_first as place,
            lead(possible_end) over latest_first as end_before
        from ends
        window latest_first as (
            partition by repository_id, run_id, run_attempt
            order by possible_end desc nulls last, job_id
        )
    ),

    edges as (
        select
            ends.repository_id, ends.run_id, ends.run_attempt, ends.job_id,
            edge.happened_at, edge.change
        from ends
        cross join lateral (
            values (ends.started_at, 1), (ends.completed_at, -1)
        ) as edge (happened_at, change)
        where ends.duration_seconds is not null
    ),

    -- Where one job runs, the sum of the running jobs' ids is its id.
    stretches as (
        select
            repository_id,
            sum(change) over attempt as running_count,
            sum(change * job_id) over attempt as running_job_id,
            lead(happened_at) over attempt - happened_at as length
        from edges
        window attempt as (partition by repository_id, run_id, run_attempt order by happened_at)
    ),

    alone as (
        select
            repository_id,
            running_job_id::bigint as job_id,
            floor(extract(epoch from sum(length)))::bigint as exclusive_seconds
        from stretches
        where running_count = 1
        group by repository_id, running_job_id
    )

    select
        places.job_key,
        count(*) filter (where places.is_last) as finished_last_count,
        sum(
            case
                when places.duration_seconds is not null then coalesce(alone.exclusive_seconds, 0)
            end
        )::bigint as exclusive_seconds,
        sum(
            case
                when places.attempt_ended_at is null then null
                when not places.is_last or places.place > 1 then 0
                when places.end_before is null then places.attempt_duration_seconds
                else floor(extract(epoch from places.attempt_ended_at - places.end_before))
            end
        )::bigint as saved_if_gone_seconds
    from places
    left join alone
        on places.repository_id = alone.repository_id and places.job_id = alone.job_id
    group by places.job_key
"""


def list_job_statistics(
    connection: Connection, chosen: RunFilter, sort: str, page: Page
) -> tuple[list[dict[str, Any]], str | None]:
    """The jobs of the filter's runs by name, one page, and the token of the next one."""
    order = _order(sort)
    after, key = order.after(page.after)
    query = _jobs(chosen, order, after=after, limit=sql.SQL("limit %(limit)s"))
    parameters = {**chosen.parameters, **key, "limit": page.limit + 1}
    return page.cut_by_keys(connection.execute(query, parameters).fetchall())


def read_job_statistics(
    connection: Connection, chosen: RunFilter, names: Sequence[str | None]
) -> dict[str | None, dict[str, Any]]:
    """The numbers of the jobs with these names; of one that has none, those over nothing."""
    query = _jobs(chosen, _order("job_name"), named=_NAMED)
    parameters = {**chosen.parameters, "job_keys": [name or "" for name in names]}
    found = {row["job_name"]: row for row in connection.execute(query, parameters)}
    nothing = {name: _over_nothing(name) for name in NAMES}
    return {name: found.get(name, nothing) for name in names}


def _over_nothing(name: str) -> Any:
    if name == "is_lower_bound":
        return False
    return 0 if JobStatistics.model_fields[name].annotation is int else None


def _jobs(
    chosen: RunFilter,
    order: Order,
    *,
    named: sql.Composable = _EVERY,
    after: sql.Composable = _EVERY,
    limit: sql.Composable = _UNLIMITED,
) -> sql.Composed:
    source, where = _source(chosen)
    return sql.SQL(_JOBS).format(
        newest_first=_NEWEST_FIRST,
        ended=sql.SQL(_ENDED),
        formulas=sql.SQL(", ").join(_formulas()),
        source=source,
        where=where,
        named=named,
        runs_where=chosen.where(),
        held=sql.SQL(_HELD_BY_DAY).format(
            formulas=named_formulas(HELD_FORMULAS), where=chosen.by_day_where()
        )
        if chosen.is_by_day and not chosen.ends_within_a_day
        else sql.SQL(_HELD).format(where=chosen.where()),
        rates=named_formulas(RATES),
        columns=sql.SQL(", ").join(_columns()),
        keys=order.keys,
        after=after,
        order=order.clause,
        limit=limit,
    )


_EXECUTED: LiteralString = (
    "steps.status in ('in_progress', 'completed') and steps.conclusion is distinct from 'skipped'"
)
STEP_FORMULAS: Mapping[str, LiteralString] = {
    "executed_count": f"count(*) filter (where {_EXECUTED})",
    "failed_count": "count(*) filter (where steps.step_number = chosen.failed_step_number)",
    "failing_count": "count(*) filter (where steps.step_number = chosen.failed_step_number "
    "and chosen.status = 'completed' and chosen.conclusion in ('failure', 'timed_out'))",
    "duration_count": f"count(steps.duration_seconds) filter (where {_EXECUTED})",
}
_STEP_PERCENTILE: LiteralString = (
    f"within group (order by steps.duration_seconds) filter (where {_EXECUTED})"
)
FAILURE_SHARE: LiteralString = "failing_count::double precision / failures.failure_count"
STEP_NUMBERS: Mapping[str, LiteralString] = {
    "executed_count": STEP_FORMULAS["executed_count"],
    "failed_count": STEP_FORMULAS["failed_count"],
    "failure_share": FAILURE_SHARE,
    "duration_count": STEP_FORMULAS["duration_count"],
    "duration_p50_seconds": f"percentile_cont(0.5) {_STEP_PERCENTILE}",
    "duration_p95_seconds": f"percentile_cont(0.95) {_STEP_PERCENTILE}",
}
_STEPS = """
    with chosen as (
        select jobs.*, coalesce(jobs.name, '') as job_key
        from {source}
        where {where} and jobs.is_executed
    ),

    failures as (
        select job_key, count(*) as failure_count
        from chosen
        where status = 'completed' and conclusion in ('failure', 'timed_out')
        group by 1
    ),

    counted as (
        select
            chosen.job_key,
            coalesce(steps.name, '') as step_key,
            min(steps.step_number) as step_number,
            {formulas},
            percentile_cont(array[0.5, 0.95]) {percentile} as durations
        from chosen
        inner join marts.steps
            on chosen.repository_id = steps.repository_id and chosen.job_id = steps.job_id
        group by 1, 2
    ),

    last_failures as (
        select distinct on (chosen.job_key, coalesce(chosen.failed_step_name, ''))
            chosen.job_key,
            coalesce(chosen.failed_step_name, '') as step_key,
            runs.run_id,
            runs.run_number,
            chosen.run_attempt,
            runs.created_at,
            runs.head_sha,
            runs.display_title,
            runs.actor_login,
            runs.html_url
        from chosen
        inner join marts.workflow_runs as runs
            on chosen.repository_id = runs.repository_id and chosen.run_id = runs.run_id
        where chosen.failed_step_number is not null
        order by
            chosen.job_key, coalesce(chosen.failed_step_name, ''), chosen.run_created_at desc,
            chosen.run_id desc, chosen.run_attempt desc
    ),

    answered as (
        select
            counted.job_key,
            counted.step_key,
            nullif(counted.job_key, '') as job_name,
            nullif(counted.step_key, '') as name,
            counted.step_number,
            counted.executed_count,
            counted.failed_count,
            {failure_share} as failure_share,
            counted.duration_count,
            counted.durations[1] as duration_p50_seconds,
            counted.durations[2] as duration_p95_seconds,
            {last_failure}
        from counted
        left join failures using (job_key)
        left join last_failures using (job_key, step_key)
    )

    select answered.*, {keys} from answered where {after} order by {order} limit %(limit)s
"""
_STEP_ORDER = Order(
    [sql.SQL("answered.job_key"), sql.SQL("answered.step_number"), sql.SQL("answered.step_key")]
)


def read_step_statistics(
    connection: Connection, chosen: RunFilter, page: Page
) -> tuple[list[dict[str, Any]], str | None]:
    """The steps of the filter's jobs, in their order, one page, and the token of the next one."""
    after, key = _STEP_ORDER.after(page.after)
    source, where = _source(chosen)
    query = sql.SQL(_STEPS).format(
        source=source,
        where=where,
        percentile=sql.SQL(_STEP_PERCENTILE),
        formulas=named_formulas(STEP_FORMULAS),
        failure_share=sql.SQL(FAILURE_SHARE),
        last_failure=columns_of(Since, "last_failures", within="last_failure"),
        keys=_STEP_ORDER.keys,
        after=after,
        order=_STEP_ORDER.clause,
    )
    parameters = {**chosen.parameters, **key, "limit": page.limit + 1}
    rows, token = page.cut_by_keys(connection.execute(query, parameters).fetchall())
    return [
        {name: row[name] for name in StepStatistics.model_fields} for row in map(nested, rows)
    ], token


def _source(chosen: RunFilter) -> tuple[sql.Composable, sql.Composable]:
    """The jobs of the filter's runs, and their conditions."""
    if chosen.is_of_jobs_alone:
        return sql.SQL("marts.jobs as jobs"), chosen.jobs_where(runs=None)
    return sql.SQL(JOBS_WITH_RUNS), chosen.jobs_where()


def _metrics() -> list[Metric]:
    found = [*_COUNTS]
    for name in _TERMS:
        term = terms()[name]
        if isinstance(term, Metric):
            found.append(term)
    return [*found, *(each.count for each in _PERCENTILES)]


def _formulas() -> list[sql.Composable]:
    return [
        *(
            sql.SQL("{} as {}").format(sql.SQL(each.formula), sql.Identifier(each.name))
            for each in _metrics()
        ),
        *(
            sql.SQL("{} as {}").format(each.formula, sql.Identifier(each.prefix))
            for each in _PERCENTILES
        ),
    ]


def _columns() -> list[sql.Composable]:
    columns: list[sql.Composable] = []
    for each in _metrics():
        kind = sql.SQL("::double precision" if each.unit == "usd" else "")
        columns.append(sql.SQL("{0}{1} as {0}").format(sql.Identifier(each.name), kind))
    for percentiles in _PERCENTILES:
        columns += [
            sql.SQL("{}[{}] as {}").format(
                sql.Identifier(percentiles.prefix), sql.Literal(place), sql.Identifier(name)
            )
            for place, name in enumerate(percentiles.names, start=1)
        ]
    return columns


def _order(sort: str) -> Order:
    is_descending = sort.startswith("-")
    name = sort.removeprefix("-")
    key = sql.SQL("answered.job_key")
    if name == "job_name":
        return Order([key], is_descending)
    value = sql.SQL("answered.{}").format(sql.Identifier(name))
    return Order([nulls_last(value, is_descending=is_descending), key], is_descending)
