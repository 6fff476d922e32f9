"""Statistics of the runs that a filter chooses: one statement for a question.

Each source of rows is aggregated by the groups' keys, and only those that a chosen term needs; the
groups of the runs decide which there are. What adds up over days comes from the table by day where
that can answer, the rest from the facts.

    keys  <- runs (or days), with every bucket of a time
      left join runs, days, commits, jobs  using the keys
      -> the terms, ordered, one page
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, LiteralString

from psycopg import sql

from api.database import Connection
from api.filters import JOBS_WITH_RUNS, RunFilter
from api.pagination import MOST_ROWS, Order, Page, nulls_last
from api.rows import in_one_piece
from api.stats.groups import GROUPS, groups_of
from api.stats.metrics import Derived, Metric, Percentiles, terms

# Which terms are asked for is up to whoever asks: of so many choices, the last, the parts of a
# statement are kept.
KEPT_CHOICES = 256


@dataclass(frozen=True)
class Question:
    """What is asked of the runs that a filter chooses.

    Attributes:
        fields: names of the terms, in the order of the answer.
        group_by: names of groups; none: one object.
        sort: the term or key to order by, with `-` in front where the greatest comes first; None:
            by the keys.
    """

    fields: tuple[str, ...]
    group_by: tuple[str, ...] = ()
    sort: str | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """What tells the groups apart."""
        return groups_of(self.group_by)

    @property
    def keys(self) -> tuple[str, ...]:
        """The members of the answer that tell the groups apart."""
        return tuple(GROUPS[name].key for name in self.groups)


def read_statistics(
    connection: Connection, run_filter: RunFilter, fields: Sequence[str]
) -> dict[str, Any]:
    """The chosen terms over the filter's runs."""
    question = Question(tuple(fields))
    query, parameters = _statement(run_filter, question, None)
    (row,) = connection.execute(query, parameters).fetchall()
    return _answered(row, question)


def read_groups(
    connection: Connection, run_filter: RunFilter, question: Question, page: Page
) -> tuple[list[dict[str, Any]], str | None]:
    """The chosen terms of each group, with its keys, one page; and the token of the next one."""
    query, parameters = _statement(run_filter, question, page)
    rows, token = page.cut_by_keys(connection.execute(query, parameters).fetchall())
    return [_answered(row, question) for row in rows], token


def read_all_groups(
    connection: Connection, run_filter: RunFilter, question: Question
) -> list[dict[str, Any]]:
    """The chosen terms of every group, with its keys, as the database has them (`''` for none)."""
    query, parameters = _statement(run_filter, question, None)
    return [_answered(row, question) for row in connection.execute(query, parameters).fetchall()]


def read_previous_groups(
    connection: Connection,
    previous: RunFilter,
    question: Question,
    rows: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """For each of these groups its statistics over another filter; of one that has none there,
    those over nothing."""
    if not rows:
        return []
    query, parameters = _statement(within(previous, rows), question, None, of=rows)
    keys = question.keys
    found = {
        tuple(row[key] for key in keys): _answered(row, question)
        for row in connection.execute(query, parameters).fetchall()
    }
    return [found[tuple(stored_key(row[key]) for key in keys)] for row in rows]


def within(run_filter: RunFilter, rows: Sequence[Mapping[str, Any]]) -> RunFilter:
    """The filter, of no other repositories and workflows than those of groups, where they say of
    which they are: what is beside them need not be read. Of more groups than a page has it is as it
    is: PostgreSQL would look longer at their names than at what lies beside them."""
    if len(rows) > MOST_ROWS:
        return run_filter
    if "repository_id" in rows[0]:
        repository_ids = tuple(sorted({row["repository_id"] for row in rows}))
        run_filter = replace(run_filter, repository_ids=repository_ids)
    if "workflow_id" in rows[0]:
        values = {**run_filter.values, "workflow": sorted({row["workflow_id"] for row in rows})}
        run_filter = replace(run_filter, values=values)
    return run_filter


def stored_key(value: Any) -> Any:
    """A key of a group as SQL has it: an empty text for none."""
    return "" if value is None else value


def these_groups(
    groups: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> tuple[sql.Composed, dict[str, Any]]:
    """The keys of these groups, as a query."""
    keys = [GROUPS[name].key for name in groups]
    query = sql.SQL("select * from unnest({}) as these ({})").format(
        sql.SQL(", ").join(
            sql.SQL("{}::{}[]").format(
                sql.Placeholder(f"of_{GROUPS[name].key}"), sql.SQL(GROUPS[name].type)
            )
            for name in groups
        ),
        sql.SQL(", ").join(map(sql.Identifier, keys)),
    )
    return query, {f"of_{key}": [stored_key(row[key]) for row in rows] for key in keys}


def over_nothing(name: str) -> Any:
    """A term where there is nothing to count."""
    term = terms()[name]
    if isinstance(term, Percentiles):
        return None
    return {"count": 0, "boolean": False}.get(term.unit)


def _answered(row: Mapping[str, Any], question: Question) -> dict[str, Any]:
    values = keys_of(row, question.groups)
    for name in question.fields:
        term = terms()[name]
        if isinstance(term, Percentiles):
            found = row[term.prefix]
            values[name] = None if found is None else found[term.names.index(name)]
        else:
            values[name] = row[name]
    return values


def keys_of(row: Mapping[str, Any], groups: Sequence[str]) -> dict[str, Any]:
    """The keys of a group as an answer has them, with the names of ids."""
    values: dict[str, Any] = {}
    for name in groups:
        key = GROUPS[name].key
        values[key] = None if row[key] == "" else row[key]
        if name == "repository":
            values["repository_full_name"] = row["repository_full_name"]
        if name == "workflow":
            values["workflow_name"] = row["workflow_name"]
    return values


@dataclass(frozen=True)
class _Needs:
    """What the chosen terms need: aggregates by source, percentiles by source, and what is made of
    them."""

    metrics: Mapping[str, Metric]
    percentiles: Mapping[str, Percentiles]
    derived: Mapping[str, Derived]


@lru_cache(KEPT_CHOICES)
def _needs(names: tuple[str, ...]) -> _Needs:
    metrics: dict[str, Metric] = {}
    percentiles: dict[str, Percentiles] = {}
    derived: dict[str, Derived] = {}
    for name in names:
        term = terms()[name]
        if isinstance(term, Percentiles):
            percentiles[term.prefix] = term
        elif isinstance(term, Derived):
            derived[term.name] = term
            for part in term.parts:
                found = terms()[part]
                if isinstance(found, Metric):
                    metrics[part] = found
        else:
            metrics[term.name] = term
    return _Needs(metrics, percentiles, derived)


def _statement(
    run_filter: RunFilter,
    question: Question,
    page: Page | None,
    *,
    of: Sequence[Mapping[str, Any]] | None = None,
) -> tuple[sql.Composed, dict[str, Any]]:
    """The question's statement and its parameters; `of`: groups, in place of all."""
    names = list(question.fields)
    term = (question.sort or "").removeprefix("-")
    if term in terms() and term not in names:
        names.append(term)
    needs = _needs(tuple(names))
    groups = question.groups
    parameters = run_filter.parameters
    is_by_day = run_filter.is_by_day and all(GROUPS[name].is_by_day for name in groups)
    parts: list[tuple[str, sql.Composable]] = []
    tables: list[str] = []
    for source in ("days", "runs", "commits", "jobs"):
        formulas = _formulas(tuple(names), source, is_by_day)
        # The runs' groups are the groups, whatever is asked of them.
        if formulas or (groups and source == ("days" if is_by_day else "runs")):
            by_day = tuple(name for name, metric in needs.metrics.items() if metric.is_by_day)
            parts.append((source, _aggregate(run_filter, groups, source, formulas, by_day)))
            tables.append(source)
    if not tables:
        parts.append(("runs", _aggregate(run_filter, groups, "runs", [])))
        tables.append("runs")
    keys = [sql.Identifier(GROUPS[name].key) for name in groups]
    joined: sql.Composable = sql.Identifier(tables[0])
    if groups:
        first = "days" if is_by_day else "runs"
        chosen, further = (
            spine(run_filter, groups, first) if of is None else these_groups(groups, of)
        )
        parameters.update(further)
        parts.append(("keys", chosen))
        using = sql.SQL(", ").join(keys)
        joined = sql.SQL("keys")
        for table in tables:
            joined = sql.SQL("{} left join {} using ({})").format(
                joined, sql.Identifier(table), using
            )
    else:
        for table in tables[1:]:
            joined = sql.SQL("{} cross join {}").format(joined, sql.Identifier(table))
    columns = [*keys, *_columns(tuple(names))]
    statement = sql.SQL("with {parts}, answered as (select {columns} from {joined})").format(
        parts=sql.SQL(", ").join(
            sql.SQL("{} as ({})").format(sql.Identifier(name), part) for name, part in parts
        ),
        columns=sql.SQL(", ").join(columns),
        joined=joined,
    )
    if not groups:
        return sql.Composed([statement, sql.SQL(" select * from answered")]), parameters
    return paged(statement, question.groups, _order(question), page, parameters)


def paged(
    statement: sql.Composed,
    groups: Sequence[str],
    order: Order,
    page: Page | None,
    parameters: Mapping[str, Any],
) -> tuple[sql.Composed, dict[str, Any]]:
    """The groups that a statement has `answered`, in their order, with the names of their ids; of a
    page, what comes after its key and one more than it holds."""
    names, joins = [], []
    if "repository" in groups:
        names.append("repositories.full_name as repository_full_name")
        joins.append("left join app.repositories using (repository_id)")
    if "workflow" in groups:
        names.append("workflows.name as workflow_name")
        joins.append("left join marts.workflows using (repository_id, workflow_id)")
    condition, further = order.after(page.after if page else None)
    limit = sql.SQL("")
    if page is not None:
        limit = sql.SQL("limit %(limit)s")
        further["limit"] = page.limit + 1
    query = sql.SQL(
        """
        {statement}, ordered as (
            select answered.*, {keys} from answered where {condition} order by {order} {limit}
        )
        select ordered.* {names} from ordered {joins} order by {key_order}
        """
    ).format(
        statement=statement,
        keys=order.keys,
        condition=condition,
        order=order.clause,
        limit=limit,
        names=sql.SQL("").join(sql.SQL(", " + name) for name in names),
        joins=sql.SQL(" ").join(map(sql.SQL, joins)),
        key_order=Order(
            [sql.Identifier(f"key_{number}") for number in range(len(order.expressions))],
            order.is_descending,
        ).clause,
    )
    return query, {**parameters, **further}


def _order(question: Question) -> Order:
    return order_of(question.keys, question.sort, _sorted_value)


def _sorted_value(name: str) -> sql.Composable:
    """A term as a number by which groups are ordered."""
    term = terms()[name]
    if isinstance(term, Percentiles):
        place = term.names.index(name) + 1
        return sql.SQL("answered.{}[{}]").format(sql.Identifier(term.prefix), sql.Literal(place))
    value: sql.Composable = sql.Identifier("answered", name)
    return sql.SQL("{}::integer").format(value) if term.unit == "boolean" else value


def order_of(
    keys: Sequence[str], sort: str | None, value: Callable[[str], sql.Composable]
) -> Order:
    """The order of groups: by their keys, or first by one of those or by the value of a term."""
    parts: list[sql.Composable] = [sql.Identifier("answered", key) for key in keys]
    if sort is None:
        return Order(parts)
    is_descending = sort.startswith("-")
    name = sort.removeprefix("-")
    if name in keys:
        first = parts[keys.index(name)]
        return Order([first, *(part for part in parts if part != first)], is_descending)
    return Order([nulls_last(value(name), is_descending=is_descending), *parts], is_descending)


@lru_cache(KEPT_CHOICES)
def _formulas(names: tuple[str, ...], source: str, is_by_day: bool) -> tuple[sql.SQL, ...]:
    """What is aggregated of a source for these terms, each under its name, in one piece or none."""
    needs = _needs(names)
    if source == "days":
        formulas = [
            sql.SQL("sum(days.{0}) as {0}").format(sql.Identifier(metric.name))
            for metric in needs.metrics.values()
            if is_by_day and metric.is_by_day
        ]
        return _joined(formulas)
    formulas = [
        sql.SQL("{} as {}").format(sql.SQL(metric.formula), sql.Identifier(metric.name))
        for metric in needs.metrics.values()
        if metric.source == source and not (is_by_day and metric.is_by_day)
    ]
    formulas += [
        sql.SQL("{} as {}").format(each.formula, sql.Identifier(each.prefix))
        for each in needs.percentiles.values()
        if each.source == source
    ]
    return _joined(formulas)


@lru_cache(KEPT_CHOICES)
def _columns(names: tuple[str, ...]) -> tuple[sql.SQL, ...]:
    """The terms out of the joined aggregates, in one piece or none: a count that no row has is
    0."""
    needs = _needs(names)
    columns: list[sql.Composable] = [_value(metric) for metric in needs.metrics.values()]
    columns += [sql.Identifier(prefix) for prefix in needs.percentiles]
    for each in needs.derived.values():
        formula: sql.Composable = sql.SQL(each.formula)
        if each.unit == "boolean":
            formula = sql.SQL("coalesce({}, false)").format(formula)
        if each.unit == "usd":
            formula = sql.SQL("({})::double precision").format(formula)
        columns.append(sql.SQL("{} as {}").format(formula, sql.Identifier(each.name)))
    return _joined(columns)


def _joined(columns: Sequence[sql.Composable]) -> tuple[sql.SQL, ...]:
    return (in_one_piece(sql.SQL(", ").join(columns)),) if columns else ()


def _value(metric: Metric) -> sql.Composed:
    name = sql.Identifier(metric.name)
    if metric.unit == "count":
        return sql.SQL("coalesce({0}, 0)::bigint as {0}").format(name)
    kind = sql.SQL("double precision" if metric.unit == "usd" else "bigint")
    return sql.SQL("{0}::{1} as {0}").format(name, kind)


def _aggregate(
    run_filter: RunFilter,
    groups: Sequence[str],
    source: str,
    formulas: Sequence[sql.SQL],
    names: tuple[str, ...] = (),
) -> sql.Composed:
    """A source's aggregates by the groups' keys; `names`: of the metrics among them."""
    rows, where, keys = _facts(run_filter, groups, source, names)
    named = [
        sql.SQL("{} as {}").format(key, sql.Identifier(GROUPS[name].key))
        for name, key in zip(groups, keys, strict=True)
    ]
    columns: list[sql.Composable] = [*named, *formulas]
    query = sql.SQL("select {} from {} where {}").format(
        sql.SQL(", ").join(columns) if columns else sql.SQL("count(*) as rows"), rows, where
    )
    if groups:
        ordinals = sql.SQL(", ").join(sql.Literal(number + 1) for number in range(len(groups)))
        query += sql.SQL(" group by {}").format(ordinals)
    return query


def _facts(
    run_filter: RunFilter, groups: Sequence[str], source: str, names: tuple[str, ...]
) -> tuple[sql.Composable, sql.Composable, list[sql.Composable]]:
    """Rows of a source, their conditions, and the keys of the groups over them; `names`: the
    metrics that days must have."""
    if source == "days":
        keys = _keys(run_filter, groups, "days")
        if run_filter.ends_within_a_day:
            return _days_and_last_day(run_filter, names), sql.SQL("true"), keys
        table = sql.SQL("marts.workflow_statistics_by_day as days")
        return table, run_filter.by_day_where(), keys
    if source == "jobs":
        return _jobs(run_filter, groups)
    rows, keys = _runs_in_groups(run_filter, groups)
    if source == "commits":
        return _commits(run_filter, groups, rows, keys)
    return rows, run_filter.where(), keys


def _days_and_last_day(run_filter: RunFilter, names: tuple[str, ...]) -> sql.Composed:
    """Days of workflows, of which the last, of which the range has a part, is told by the runs and
    jobs of that part; so that of a range up to now no more facts are read than those of today."""
    parts = [
        sql.SQL("select {} from marts.workflow_statistics_by_day as days where {}").format(
            _columns_of_days(names, "days"), run_filter.by_day_where()
        )
    ]
    sources: list[tuple[str, LiteralString, str, sql.Composed]] = [
        ("runs", "marts.workflow_runs", "created_at", run_filter.where())
    ]
    if any(metric.source == "jobs" for metric in _needs(names).metrics.values()):
        of_jobs = run_filter.jobs_where(runs=None)
        sources.append(("jobs", "marts.jobs", "run_created_at", of_jobs))
    for source, table, column, where in sources:
        parts.append(
            sql.SQL(
                "select {columns} from {table} as {source} where {where} and {last_day} "
                "group by 1, 2, 3"
            ).format(
                columns=_columns_of_days(names, source),
                table=sql.SQL(table),
                source=sql.Identifier(source),
                where=where,
                last_day=run_filter.last_day_where(source, column),
            )
        )
    return sql.SQL("({}) as days").format(sql.SQL(" union all ").join(parts))


@lru_cache(KEPT_CHOICES)
def _columns_of_days(names: tuple[str, ...], source: str) -> sql.SQL:
    """The keys of a day of a workflow, and its metrics: as they are, or as far as runs or jobs tell
    them."""
    keys = [
        sql.SQL("{}.{}").format(sql.Identifier(source), sql.Identifier(key))
        for key in ("repository_id", "workflow_id", "day")
    ]
    columns: list[sql.Composable] = [
        sql.Identifier(metric.name)
        if source == "days"
        else sql.SQL(metric.formula if metric.source == source else "null")
        for metric in _needs(names).metrics.values()
    ]
    return in_one_piece(sql.SQL(", ").join([*keys, *columns]))


def _keys(run_filter: RunFilter, groups: Sequence[str], rows: str) -> list[sql.Composable]:
    return [_key(run_filter, name, rows) for name in groups]


def _key(run_filter: RunFilter, name: str, rows: str) -> sql.Composed:
    day = sql.SQL("{}.day").format(sql.Identifier(rows))
    if run_filter.days_later:
        day = sql.SQL("({} + {})").format(day, sql.Literal(run_filter.days_later))
    created_at = sql.SQL("{}.created_at").format(sql.Identifier(rows))
    return sql.SQL(GROUPS[name].expression).format(
        rows=sql.Identifier(rows), created_at=created_at, day=day
    )


def _runs_in_groups(
    run_filter: RunFilter, groups: Sequence[str]
) -> tuple[sql.Composable, list[sql.Composable]]:
    """Runs, each once in every group that it has."""
    rows: sql.Composable = sql.SQL("marts.workflow_runs as runs")
    of_jobs = [name for name in groups if GROUPS[name].of_jobs]
    if not of_jobs:
        return rows, _keys(run_filter, groups, "runs")
    rows = sql.SQL("{} inner join {} as pairs using (repository_id, run_id)").format(
        rows, _pairs(run_filter, of_jobs)
    )
    keys: list[sql.Composable] = [
        sql.SQL("pairs.{}").format(sql.Identifier(GROUPS[name].key))
        if name in of_jobs
        else _key(run_filter, name, "runs")
        for name in groups
    ]
    return rows, keys


_LABELS = sql.SQL(
    "cross join lateral (select distinct lower(label) as label from unnest(jobs.labels) as label) "
    "as labels"
)


def _pairs(run_filter: RunFilter, of_jobs: Sequence[str]) -> sql.Composed:
    """Each run with what its executed jobs tell, once."""
    return sql.SQL(
        "(select distinct jobs.repository_id, jobs.run_id, {keys} from marts.jobs as jobs {labels} "
        "where {executed})"
    ).format(
        keys=sql.SQL(", ").join(
            sql.SQL("{} as {}").format(
                sql.SQL(GROUPS[name].of_jobs or ""), sql.Identifier(GROUPS[name].key)
            )
            for name in of_jobs
        ),
        labels=_LABELS if "runner" in of_jobs else sql.SQL(""),
        executed=run_filter.executed_where("jobs"),
    )


def _jobs(
    run_filter: RunFilter, groups: Sequence[str]
) -> tuple[sql.Composable, sql.Composable, list[sql.Composable]]:
    of_jobs = [name for name in groups if GROUPS[name].of_jobs]
    of_runs = [name for name in groups if name not in of_jobs]
    # A job says some things about its run by itself, so that most questions need no join.
    if (
        run_filter.is_of_jobs_alone
        and not of_jobs
        and all(GROUPS[name].is_by_day for name in of_runs)
    ):
        rows: sql.Composable = sql.SQL("marts.jobs as jobs")
        return rows, run_filter.jobs_where(runs=None), _keys(run_filter, groups, "jobs")
    rows = sql.SQL(JOBS_WITH_RUNS)
    if of_jobs:
        if "runner" in of_jobs:
            rows = sql.SQL("{} {}").format(rows, _LABELS)
        conditions = sql.SQL(" and ").join(
            sql.SQL("pairs.{} = {}").format(
                sql.Identifier(GROUPS[name].key), sql.SQL(GROUPS[name].of_jobs or "")
            )
            for name in of_jobs
        )
        rows = sql.SQL(
            "{} inner join {} as pairs on pairs.repository_id = jobs.repository_id "
            "and pairs.run_id = jobs.run_id and {}"
        ).format(rows, _pairs(run_filter, of_jobs), conditions)
    return rows, run_filter.jobs_where(), _keys(run_filter, groups, "runs")


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
                {keys} runs.repository_id, runs.workflow_id, attempts.head_sha,
                attempts.conclusion, false
            from {source}
            inner join marts.workflow_run_attempts as attempts
                on runs.repository_id = attempts.repository_id
                and runs.run_id = attempts.run_id
                and runs.run_attempt > attempts.run_attempt
            where {where} and runs.run_attempt > 1 and attempts.status = 'completed'
        ) as attempts
        where conclusion in ('success', 'failure', 'timed_out') and head_sha is not null
        group by {names} repository_id, workflow_id, head_sha
    ) as commits
"""


def _commits(
    run_filter: RunFilter,
    groups: Sequence[str],
    rows: sql.Composable,
    keys: Sequence[sql.Composable],
) -> tuple[sql.Composable, sql.Composable, list[sql.Composable]]:
    """The commits that both failed and succeeded in one repository's workflow, by group."""
    names = [sql.Identifier(f"of_{GROUPS[name].key}") for name in groups]
    source = sql.SQL(_COMMITS).format(
        names=sql.Composed([sql.SQL("{}, ").format(name) for name in names]),
        keys=sql.Composed(
            [sql.SQL("{} as {}, ").format(key, name) for key, name in zip(keys, names, strict=True)]
        ),
        source=rows,
        where=run_filter.where(),
    )
    condition = sql.SQL("commits.succeeded and commits.failed")
    return source, condition, [sql.SQL("commits.{}").format(name) for name in names]


def spine(
    run_filter: RunFilter, groups: Sequence[str], first: str
) -> tuple[sql.Composed, dict[str, Any]]:
    """The keys of all groups: those of the runs, and every bucket of a time for each of them."""
    keys = [GROUPS[name].key for name in groups]
    times = [name for name in groups if GROUPS[name].step]
    plain = sql.SQL("select {} from {}").format(
        sql.SQL(", ").join(map(sql.Identifier, keys)), sql.Identifier(first)
    )
    if not times:
        return plain, {}
    parameters: dict[str, Any] = {}
    sources: list[sql.Composable] = []
    others = [key for name, key in zip(groups, keys, strict=True) if name not in times]
    for name in times:
        buckets, further = _buckets(run_filter, name, first)
        parameters.update(further)
        sources.append(buckets)
    if others:
        sources.append(
            sql.SQL("(select distinct {} from {}) as others").format(
                sql.SQL(", ").join(map(sql.Identifier, others)), sql.Identifier(first)
            )
        )
    query = sql.SQL("select {} from {}").format(
        sql.SQL(", ").join(map(sql.Identifier, keys)), sql.SQL(" cross join ").join(sources)
    )
    return query, parameters


def _buckets(run_filter: RunFilter, name: str, first: str) -> tuple[sql.Composed, dict[str, Any]]:
    """Every bucket of a time within the range; where it has no bound, the first or the last run's
    is one (an answer without `to` may be kept for days, so it must not end today)."""
    group = GROUPS[name]
    key = sql.Identifier(group.key)
    if name == "hour_of_week":
        return sql.SQL("generate_series(0, 167) as hours({})").format(key), {}
    run_filter.check_buckets()
    later = timedelta(days=run_filter.days_later)
    start: datetime | None = run_filter.values.get("from")
    end: datetime | None = run_filter.values.get("to")
    query = sql.SQL(
        """
        (
            select bucket::date as {key}
            from generate_series(
                date_trunc({unit}, coalesce(%(first_day)s::date, (select min({key}) from {first}))
                    ::timestamp),
                coalesce(%(last_day)s::date, (select max({key}) from {first}))::timestamp,
                {step}::interval
            ) as bucket
        ) as {name}
        """
    ).format(
        key=key,
        unit=sql.Literal(name),
        first=sql.Identifier(first),
        step=sql.Literal(group.step or ""),
        name=sql.Identifier(f"{name}s"),
    )
    return query, {"first_day": _day(start, later), "last_day": _last_day(end, later)}


def _day(moment: datetime | None, later: timedelta) -> date | None:
    return None if moment is None else moment.date() + later


def _last_day(end: datetime | None, later: timedelta) -> date | None:
    """The day of the last moment before an end."""
    if end is None:
        return None
    is_midnight = end.time() == datetime.min.time()
    return end.date() + later - timedelta(days=1 if is_midnight else 0)
