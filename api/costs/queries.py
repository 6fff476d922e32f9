"""Costs, over executed jobs by the day on which they began: the day that prices them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString

from psycopg import sql

from api.costs.records import DERIVED, FORMULAS, NAMES
from api.database import Connection
from api.filters import JOBS_WITH_RUNS, RunFilter
from api.pagination import Order, Page
from api.stats.groups import GROUPS, groups_of
from api.stats.queries import (
    keys_of,
    order_of,
    paged,
    spine,
    stored_key,
    these_groups,
    within,
)

# What only a run tells.
_OF_RUNS = frozenset({"branch", "event", "actor", "conclusion"})
_LABELS: LiteralString = (
    "cross join lateral (select distinct lower(label) as label from unnest(jobs.labels) as label) "
    "as labels"
)
_BEGAN: LiteralString = "coalesce(jobs.started_at, jobs.created_at, jobs.run_created_at)"
_UNPRICED: LiteralString = """
    select *, {keys}
    from (
        select
            jobs.labels_key, jobs.runner_class,
            array(
                select distinct lower(label) collate "C" as label
                from unnest(min(jobs.labels)) as label
                order by label
            ) as labels,
            count(*) as job_count,
            sum(jobs.billable_minutes + jobs.unknown_minutes)::bigint as minutes
        from {jobs}
        where {where} and jobs.billable_minutes is not null and jobs.estimated_cost_usd is null
        group by jobs.labels_key, jobs.runner_class
    ) as unpriced
    where {after}
    order by {order}
    limit %(limit)s
"""
_UNPRICED_ORDER = Order(
    [sql.SQL("minutes"), sql.SQL("labels_key"), sql.SQL("runner_class")], is_descending=True
)


def read_costs(connection: Connection, chosen: RunFilter) -> dict[str, Any]:
    """All numbers over the filter's jobs."""
    query = sql.SQL("with jobs as ({}) select {} from jobs").format(
        _aggregate(chosen, ()), _columns()
    )
    (row,) = connection.execute(query, parameters_of(chosen)).fetchall()
    return row


def list_costs(
    connection: Connection,
    chosen: RunFilter,
    group_by: Sequence[str],
    sort: str | None,
    page: Page,
) -> tuple[list[dict[str, Any]], str | None]:
    """The numbers of each group, and the token of the next page."""
    groups = groups_of(group_by)
    order = order_of(
        [GROUPS[name].key for name in groups],
        sort,
        lambda name: sql.SQL("answered.{}::double precision").format(sql.Identifier(name)),
    )
    rows = _groups(connection, chosen, groups, spine(chosen, groups, "jobs"), order, page)
    shown, token = page.cut_by_keys(rows)
    return [{**keys_of(row, groups), **{name: row[name] for name in NAMES}} for row in shown], token


def read_previous_costs(
    connection: Connection,
    previous: RunFilter,
    group_by: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """For each of these groups its numbers over another filter."""
    if not rows:
        return []
    groups = groups_of(group_by)
    keys = [GROUPS[name].key for name in groups]
    every = these_groups(groups, rows)
    order = Order([sql.Identifier("answered", key) for key in keys])
    found = _groups(connection, within(previous, rows), groups, every, order)
    of_key = {tuple(row[key] for key in keys): row for row in found}
    return [of_key[tuple(stored_key(row[key]) for key in keys)] for row in rows]


def _groups(
    connection: Connection,
    chosen: RunFilter,
    groups: Sequence[str],
    every: tuple[sql.Composed, dict[str, Any]],
    order: Order,
    page: Page | None = None,
) -> list[dict[str, Any]]:
    query, further = every
    keys = sql.SQL(", ").join(sql.Identifier(GROUPS[name].key) for name in groups)
    statement = sql.SQL(
        "with jobs as ({}), keys as ({}), "
        "answered as (select {keys}, {} from keys left join jobs using ({keys}))"
    ).format(_aggregate(chosen, groups), query, _columns(), keys=keys)
    parameters = {**parameters_of(chosen), **further}
    statement, parameters = paged(statement, groups, order, page, parameters)
    return connection.execute(statement, parameters).fetchall()


def open_month(chosen: RunFilter, today: date) -> tuple[date, date] | None:
    """First and last day of the month that a range begins with, and lies in; None: that is over, or
    the range is another."""
    start: datetime | None = chosen.values.get("from")
    end: datetime | None = chosen.values.get("to")
    first = today.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    if start is None or start != _midnight(first):
        return None
    if end is not None and not _midnight(today) < end <= _midnight(following):
        return None
    return first, following - timedelta(days=1)


def of_open_month(chosen: RunFilter, group_by: Sequence[str], today: date) -> RunFilter | None:
    """The filter as it chooses the open month, of which groups are; None: they are of other times.

    By month they are that where the range reaches over it, else where the range is that month.
    """
    times = [name for name in group_by if GROUPS[name].step]
    first = _midnight(today.replace(day=1))
    if times == ["month"] and chosen.values.get("from", first) <= first:
        chosen = replace(chosen, values={**chosen.values, "from": first})
    elif times:
        return None
    return chosen if open_month(chosen, today) else None


def read_projections(
    connection: Connection,
    chosen: RunFilter,
    group_by: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    today: date,
) -> list[dict[str, Any] | None]:
    """What the open month will have cost, of each of these groups (without groups: of the whole);
    None of what is of another time."""
    of_month = of_open_month(chosen, group_by, today)
    month = None if of_month is None else open_month(of_month, today)
    if of_month is None or month is None:
        return [None] * len(rows)
    groups = groups_of(group_by)
    keys = [GROUPS[name].key for name in groups]
    costs = _read_by_day(connection, of_month, groups, rows)
    return [
        {
            "until": month[1],
            "estimated_cost_usd": project(
                costs.get(tuple(stored_key(row[key]) for key in keys), {}), month, today
            ),
        }
        if row.get("month", month[0]) == month[0]
        else None
        for row in rows
    ]


def _read_by_day(
    connection: Connection,
    chosen: RunFilter,
    groups: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
) -> dict[tuple[Any, ...], dict[date, float]]:
    """The estimated cost of each day that has one, by the keys of these groups."""
    keys = [GROUPS[name].key for name in groups]
    columns = [
        *(
            sql.SQL("{} as {}").format(_key(chosen, name), sql.Identifier(key))
            for name, key in zip(groups, keys, strict=True)
        ),
        sql.SQL("jobs.cost_day"),
    ]
    query = sql.SQL(
        "select * from (select {columns}, sum(jobs.estimated_cost_usd)::double precision as cost "
        "from {jobs} where {where} group by {ordinals}) as costs"
    ).format(
        columns=sql.SQL(", ").join(columns),
        jobs=_jobs(chosen, groups),
        where=_where(chosen, groups),
        ordinals=sql.SQL(", ").join(sql.Literal(number + 1) for number in range(len(columns))),
    )
    parameters = parameters_of(chosen)
    if groups:
        these, further = these_groups(groups, rows)
        query += sql.SQL(" inner join ({}) as these using ({})").format(
            these, sql.SQL(", ").join(map(sql.Identifier, keys))
        )
        parameters |= further
    found: dict[tuple[Any, ...], dict[date, float]] = {}
    for row in connection.execute(query + sql.SQL(" where cost is not null"), parameters):
        of_group = found.setdefault(tuple(row[key] for key in keys), {})
        of_group[row["cost_day"]] = row["cost"]
    return found


def project(costs: Mapping[date, float], month: tuple[date, date], today: date) -> float | None:
    """What a month will have cost, at the pace of its elapsed days by weekday."""
    first, last = month
    elapsed = [first + timedelta(days=number) for number in range((today - first).days)]
    if not elapsed:
        return None
    rest = [today + timedelta(days=number) for number in range((last - today).days + 1)]
    total = sum(costs.get(day, 0) for day in elapsed)
    for day in rest:
        like = [each for each in elapsed if each.weekday() == day.weekday()] or elapsed
        pace = sum(costs.get(each, 0) for each in like) / len(like)
        total += max(pace, costs.get(day, 0))
    return total


def list_unpriced(
    connection: Connection, chosen: RunFilter, page: Page
) -> tuple[list[dict[str, Any]], str | None]:
    """The label sets of jobs without a price, most minutes first; the token of the next page."""
    after, key = _UNPRICED_ORDER.after(page.after)
    query = sql.SQL(_UNPRICED).format(
        keys=_UNPRICED_ORDER.keys,
        jobs=_jobs(chosen, ()),
        where=_where(chosen, ()),
        after=after,
        order=_UNPRICED_ORDER.clause,
    )
    parameters = {**parameters_of(chosen), **key, "limit": page.limit + 1}
    rows, token = page.cut_by_keys(connection.execute(query, parameters).fetchall())
    names = ("labels", "runner_class", "job_count", "minutes")
    return [{name: row[name] for name in names} for row in rows], token


def parameters_of(chosen: RunFilter) -> dict[str, Any]:
    """The SQL parameters of the conditions."""
    start: datetime | None = chosen.values.get("from")
    end: datetime | None = chosen.values.get("to")
    return {
        "from": None,
        "to": None,
        **chosen.parameters,
        "first_cost_day": start and start.date(),
        "last_cost_day": end and (end - timedelta(microseconds=1)).date(),
    }


def _aggregate(chosen: RunFilter, groups: Sequence[str]) -> sql.Composed:
    formulas = [
        sql.SQL("{} as {}").format(sql.SQL(formula), sql.Identifier(name))
        for name, (formula, _) in FORMULAS.items()
    ]
    keys = [
        sql.SQL("{} as {}").format(_key(chosen, name), sql.Identifier(GROUPS[name].key))
        for name in groups
    ]
    query = sql.SQL("select {} from {} where {}").format(
        sql.SQL(", ").join([*keys, *formulas]), _jobs(chosen, groups), _where(chosen, groups)
    )
    if groups:
        ordinals = sql.SQL(", ").join(sql.Literal(number + 1) for number in range(len(groups)))
        query += sql.SQL(" group by {}").format(ordinals)
    return query


def _key(chosen: RunFilter, name: str) -> sql.Composable:
    group = GROUPS[name]
    if group.of_jobs:
        return sql.SQL(group.of_jobs)
    day: sql.Composable = sql.SQL("jobs.cost_day")
    if chosen.days_later:
        day = sql.SQL("({} + {})").format(day, sql.Literal(chosen.days_later))
    return sql.SQL(group.expression).format(
        rows=sql.Identifier("runs" if name in _OF_RUNS else "jobs"),
        created_at=sql.SQL(_BEGAN),
        day=day,
    )


def _is_of_jobs_alone(chosen: RunFilter, groups: Sequence[str]) -> bool:
    return chosen.is_of_jobs_alone and not _OF_RUNS.intersection(groups)


def _jobs(chosen: RunFilter, groups: Sequence[str]) -> sql.Composed:
    is_alone = _is_of_jobs_alone(chosen, groups)
    jobs = sql.SQL("marts.jobs as jobs" if is_alone else JOBS_WITH_RUNS).format()
    if "runner" in groups:
        jobs += sql.SQL(" " + _LABELS)
    return jobs


def _where(chosen: RunFilter, groups: Sequence[str]) -> sql.Composed:
    """The filter's conditions, of which the range is that of the days of costs."""
    values = {name: value for name, value in chosen.values.items() if name not in ("from", "to")}
    others = replace(chosen, values=values)
    runs = None if _is_of_jobs_alone(chosen, groups) else "runs"
    conditions: list[sql.Composable] = [
        sql.SQL("jobs.is_executed"),
        others.jobs_where(runs=runs),
    ]
    bounds: Mapping[str, tuple[LiteralString, LiteralString]] = {
        "from": ("jobs.cost_day >= %(first_cost_day)s", ">= %(from)s"),
        "to": ("jobs.cost_day <= %(last_cost_day)s", "< %(to)s"),
    }
    for name, (of_day, of_moment) in bounds.items():
        if name in chosen.values:
            conditions.append(sql.SQL(of_day))
            if chosen.values[name].astimezone(UTC).time() != datetime.min.time():
                conditions.append(sql.SQL("{} {}").format(sql.SQL(_BEGAN), sql.SQL(of_moment)))
    return sql.SQL(" and ").join(conditions)


def _columns() -> sql.Composed:
    """The numbers out of the aggregates: a count that no job has is 0."""
    columns: list[sql.Composable] = []
    for name in NAMES:
        value: sql.Composable = sql.Identifier(name)
        if name in DERIVED:
            value = sql.SQL("coalesce({}, false)").format(sql.SQL(DERIVED[name].formula))
        elif FORMULAS[name][1] == "count":
            value = sql.SQL("coalesce({}, 0)::bigint").format(value)
        else:
            kind = "double precision" if FORMULAS[name][1] == "usd" else "bigint"
            value = sql.SQL("{}::{}").format(value, sql.SQL(kind))
        columns.append(sql.SQL("{} as {}").format(value, sql.Identifier(name)))
    return sql.SQL(", ").join(columns)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)
