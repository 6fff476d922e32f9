"""Statistics from the narrow facts: counts, sums and exact percentiles of the filter's runs.

Three queries, each over one table of facts and all within one snapshot; their rows join by the key
of the group. The runs decide which groups there are, and so where a page ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import sql

from api.database import Connection
from api.filters import RunFilter
from api.pagination import DAY, TEXT, WHOLE_NUMBER, Key, KeyKind
from api.stats.metrics import (
    COMMIT_METRICS,
    JOB_METRICS,
    JOB_PERCENTILES,
    RUN_METRICS,
    RUN_PERCENTILES,
    Metric,
    Percentiles,
)


@dataclass(frozen=True)
class Grouping:
    """What groups can be made by: the run's column, the SQL over it, and its kind."""

    column: str
    expression: LiteralString
    kind: KeyKind


GROUPINGS: Mapping[str, Grouping] = {
    "repository_id": Grouping("repository_id", "{repository_id}", WHOLE_NUMBER),
    "workflow_id": Grouping("workflow_id", "{workflow_id}", WHOLE_NUMBER),
    "day": Grouping("day", "{day}", DAY),
    "week": Grouping("day", "date_trunc('week', {day}::timestamp)::date", DAY),
    "month": Grouping("day", "date_trunc('month', {day}::timestamp)::date", DAY),
    # Raw data holds no empty text, so that it can stand for "none" in an ordered key.
    "head_branch": Grouping("head_branch", "coalesce({head_branch}, '')", TEXT),
    "event": Grouping("event", "coalesce({event}, '')", TEXT),
}

Columns = Mapping[str, sql.Identifier]


def keys_of(group_by: Sequence[str]) -> tuple[str, ...]:
    """What tells the groups apart: by workflow they are also by repository, since a workflow that a
    ruleset requires runs in many repositories under one id."""
    if "workflow_id" in group_by and "repository_id" not in group_by:
        return (*group_by, "repository_id")
    return tuple(group_by)


_OF_RUNS: Columns = {
    name: sql.Identifier("runs", name)
    for name in (
        "repository_id",
        "workflow_id",
        "day",
        "created_at",
        "head_branch",
        "event",
        "status",
        "conclusion",
        "actor_login",
    )
}
# What a job says about its run by itself, so that most questions need no join.
_OF_JOBS: Columns = {
    "repository_id": sql.Identifier("jobs", "repository_id"),
    "workflow_id": sql.Identifier("jobs", "workflow_id"),
    "day": sql.Identifier("jobs", "day"),
    "created_at": sql.Identifier("jobs", "run_created_at"),
}


@dataclass(frozen=True)
class _Facts:
    """Rows to aggregate: where they come from, their conditions, keys and SQL parameters."""

    source: sql.Composable
    where: sql.Composable
    keys: Sequence[sql.Composed]
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class _Span:
    """A part of the ordered groups, by their keys: after one, or from one up to another."""

    after: Key | None = None
    first: Key | None = None
    last: Key | None = None


def read_statistics(connection: Connection, run_filter: RunFilter) -> dict[str, Any]:
    """All metrics over the filter's runs."""
    return _read(connection, run_filter, (), _Span(), None)[0]


def read_groups(
    connection: Connection,
    run_filter: RunFilter,
    keys: Sequence[str],
    after: Key | None,
    limit: int,
) -> list[dict[str, Any]]:
    """All metrics of each group, with its key, in the order of the keys: at most `limit` groups."""
    return _read(connection, run_filter, keys, _Span(after=after), limit)


def group_key(row: Mapping[str, Any], keys: Sequence[str]) -> Key:
    """The key of a group as the database orders it."""
    return tuple("" if row[name] is None else row[name] for name in keys)


def _read(
    connection: Connection,
    run_filter: RunFilter,
    group_by: Sequence[str],
    span: _Span,
    limit: int | None,
) -> list[dict[str, Any]]:
    runs = _aggregate(
        connection, _runs(run_filter, group_by, span), RUN_METRICS, RUN_PERCENTILES, limit
    )
    if not runs:
        return []
    ordered = list(runs)  # as the database orders texts, which Python may not
    page = _Span(first=ordered[0], last=ordered[-1]) if group_by else _Span()
    commits = _aggregate(connection, _commits(run_filter, group_by, page), COMMIT_METRICS)
    jobs = _aggregate(connection, _jobs(run_filter, group_by, page), JOB_METRICS, JOB_PERCENTILES)
    nothing = _nothing()
    return [
        {
            **dict(zip(group_by, (None if part == "" else part for part in key), strict=True)),
            **nothing,
            **metrics,
            **commits.get(key, {}),
            **jobs.get(key, {}),
        }
        for key, metrics in runs.items()
    ]


def _nothing() -> dict[str, Any]:
    """The metrics over nothing, in their order: what a group says of jobs when it has none."""
    values: dict[str, Any] = {
        metric.name: metric.over_nothing for metric in (*RUN_METRICS, *COMMIT_METRICS, *JOB_METRICS)
    }
    for percentiles in (*RUN_PERCENTILES, *JOB_PERCENTILES):
        values.update(dict.fromkeys(percentiles.names))
    return values


def _aggregate(
    connection: Connection,
    facts: _Facts,
    metrics: Sequence[Metric],
    percentiles: Sequence[Percentiles] = (),
    limit: int | None = None,
) -> dict[Key, dict[str, Any]]:
    """The metrics of each group by its key, ordered by it; without keys one group, `()`."""
    key_names = [sql.Identifier(f"key_{number}") for number in range(len(facts.keys))]
    keys = [
        sql.SQL("{} as {}").format(key, name)
        for key, name in zip(facts.keys, key_names, strict=True)
    ]
    formulas = [
        sql.SQL("{} as {}").format(formula, sql.Identifier(name))
        for name, formula in (
            *((metric.name, sql.SQL(metric.formula)) for metric in metrics),
            *((measure.prefix, measure.formula) for measure in percentiles),
        )
    ]
    query = sql.SQL("select {columns} from {source} where {where}").format(
        columns=sql.SQL(", ").join([*keys, *formulas]), source=facts.source, where=facts.where
    )
    if keys:
        ordinals = sql.SQL(", ").join(sql.Literal(number + 1) for number in range(len(keys)))
        query += sql.SQL(" group by {0} order by {0} limit %(limit)s").format(ordinals)
    rows = connection.execute(query, {**facts.parameters, "limit": limit}).fetchall()
    return {
        tuple(row[f"key_{number}"] for number in range(len(keys))): _metrics(
            row, metrics, percentiles
        )
        for row in rows
    }


def _metrics(
    row: Mapping[str, Any], metrics: Sequence[Metric], percentiles: Sequence[Percentiles]
) -> dict[str, Any]:
    values = {metric.name: row[metric.name] for metric in metrics}
    for measure in percentiles:
        found = row[measure.prefix] or [None] * len(measure.names)
        values.update(zip(measure.names, found, strict=True))
    return values


def _runs(run_filter: RunFilter, group_by: Sequence[str], span: _Span) -> _Facts:
    return _facts(sql.SQL("marts.workflow_runs as runs"), _OF_RUNS, run_filter, group_by, span)


def _jobs(run_filter: RunFilter, group_by: Sequence[str], span: _Span) -> _Facts:
    needed = run_filter.columns | {GROUPINGS[name].column for name in group_by}
    if needed <= _OF_JOBS.keys():
        return _facts(sql.SQL("marts.jobs as jobs"), _OF_JOBS, run_filter, group_by, span)
    source = sql.SQL("marts.workflow_runs as runs inner join marts.jobs as jobs using (run_id)")
    return _facts(source, _OF_RUNS, run_filter, group_by, span)


# A run says itself how its newest attempt ended; only re-run runs have others to look up.
_COMMITS = """
    (
        select
            {names}
            bool_or(conclusion = 'success') as succeeded,
            bool_or(conclusion <> 'success') as failed,
            bool_or(conclusion = 'success' and is_newest) as newest_succeeded,
            bool_or(conclusion <> 'success' and is_newest) as newest_failed
        from (
            select
                {keys} runs.repository_id, runs.workflow_id, runs.head_sha, runs.conclusion,
                true as is_newest
            from {source}
            where {where} and runs.status = 'completed'
            union all
            select
                {keys} runs.repository_id, runs.workflow_id, runs.head_sha, attempts.conclusion,
                false
            from {source}
            inner join marts.workflow_run_attempts as attempts
                on runs.run_id = attempts.run_id and runs.run_attempt > attempts.run_attempt
            where {where} and runs.run_attempt > 1 and attempts.status = 'completed'
        ) as attempts
        where conclusion in ('success', 'failure', 'timed_out') and head_sha is not null
        group by {names} repository_id, workflow_id, head_sha
    ) as commits
"""


def _commits(run_filter: RunFilter, group_by: Sequence[str], span: _Span) -> _Facts:
    """The commits that both failed and succeeded in one repository's workflow, by group."""
    runs = _runs(run_filter, group_by, span)
    names = [sql.Identifier(f"key_{number}") for number in range(len(runs.keys))]
    source = sql.SQL(_COMMITS).format(
        names=sql.Composed([sql.SQL("{}, ").format(name) for name in names]),
        keys=sql.Composed(
            [
                sql.SQL("{} as {}, ").format(key, name)
                for key, name in zip(runs.keys, names, strict=True)
            ]
        ),
        source=runs.source,
        where=runs.where,
    )
    return _Facts(
        source,
        sql.SQL("commits.succeeded and commits.failed"),
        [sql.Composed([name]) for name in names],
        runs.parameters,
    )


def _facts(
    source: sql.Composable,
    columns: Columns,
    run_filter: RunFilter,
    group_by: Sequence[str],
    span: _Span,
) -> _Facts:
    keys = [sql.SQL(GROUPINGS[name].expression).format(**columns) for name in group_by]
    conditions: list[sql.Composable] = [run_filter.where(columns)]
    parameters = run_filter.parameters
    for name, operator, key in (
        ("after", ">", span.after),
        ("first", ">=", span.first),
        ("last", "<=", span.last),
    ):
        if key is None:
            continue
        places = []
        for number, part in enumerate(key):
            parameters[f"{name}_{number}"] = part
            places.append(sql.Placeholder(f"{name}_{number}"))
        conditions.append(
            sql.SQL("({}) {} ({})").format(
                sql.SQL(", ").join(keys), sql.SQL(operator), sql.SQL(", ").join(places)
            )
        )
    return _Facts(source, sql.SQL(" and ").join(conditions), keys, parameters)
