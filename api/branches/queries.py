"""The health of branches: states from decisive attempts, times from the red intervals.

The state is what the greatest attempt, by its run's creation, decided. A streak counts runs: each
as its last decided attempt, back to the newest run that succeeded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, LiteralString

from psycopg import sql

from api.database import Connection
from api.filters import RunFilter
from api.pagination import Order, Page
from api.records import Since
from api.rows import columns_of, named_formulas, nested

DEFAULT_GROUP = "default_branch"


@dataclass(frozen=True)
class Branch:
    """A workflow in one of its health groups, as one repository has it."""

    repository_id: int
    workflow_id: int
    health_group: str = DEFAULT_GROUP


# Attempts that decide, as `Since` names them.
_ATTEMPTS: LiteralString = """
    (
        select
            repository_id, workflow_id, health_group, run_id, run_number, run_attempt,
            run_created_at as created_at, head_sha, display_title, actor_login, html_url,
            conclusion, ended_at
        from marts.workflow_run_attempts
        where is_decisive and health_group is not null and run_created_at is not null
            and ended_at is not null
    )
"""
_STATE: LiteralString = """
    case
        when newest.conclusion is null then 'unknown'
        when newest.conclusion = 'success' then 'green'
        else 'red'
    end
"""
_NEWEST: LiteralString = """
    left join lateral (
        select attempts.*
        from {attempts} as attempts
        where (attempts.repository_id, attempts.workflow_id, attempts.health_group)
            = (chosen.repository_id, chosen.workflow_id, chosen.health_group)
        order by created_at desc, run_id desc, run_attempt desc
        limit 1
    ) as newest on true
"""
_BRANCHES: LiteralString = """
    select
        chosen.*, workflows.name as workflow_name, workflows.gone_at,
        repositories.full_name as repository_full_name,
        case
            when chosen.health_group = 'default_branch' then known.default_branch
        end as head_branch,
        {keys}
    from (
        select repository_id, workflow_id, health_group
        from marts.workflows
        cross join (values ('default_branch'), ('merge_queue')) as groups (health_group)
    ) as chosen
    inner join marts.workflows using (repository_id, workflow_id)
    inner join app.repositories using (repository_id)
    left join marts.repositories as known using (repository_id)
    {newest}
    where chosen.repository_id = any(%(repositories)s)
        and (chosen.health_group = 'default_branch' or newest.run_id is not null)
        and (%(state)s::text[] is null or {state} = any(%(state)s))
        and {conditions} and {after}
    order by {order}
    limit %(limit)s
"""
_CHOSEN: LiteralString = """
    from unnest(%(repository_ids)s::bigint[], %(workflow_ids)s::bigint[], %(groups)s::text[])
        as chosen (repository_id, workflow_id, health_group)
"""
# An attempt that a later one of its run followed decides no run.
_HEALTH: LiteralString = """
    select
        chosen.*,
        {state} as state,
        streak.failure_streak,
        newest.run_id as newest_run_id,
        newest.run_attempt as newest_run_attempt,
        repositories.html_url as repository_html_url,
        {columns}
    {chosen}
    left join marts.repositories using (repository_id)
    {newest}
    left join lateral (
        select attempts.*
        from {attempts} as attempts
        where (attempts.repository_id, attempts.workflow_id, attempts.health_group)
            = (chosen.repository_id, chosen.workflow_id, chosen.health_group)
            and attempts.conclusion = 'success'
            and not exists (
                select
                from {attempts} as later
                where later.repository_id = attempts.repository_id
                    and later.run_id = attempts.run_id
                    and later.run_attempt > attempts.run_attempt
            )
        order by created_at desc, run_id desc, run_attempt desc
        limit 1
    ) as green on true
    cross join lateral (
        select count(distinct attempts.run_id) as failure_streak
        from {attempts} as attempts
        where (attempts.repository_id, attempts.workflow_id, attempts.health_group)
            = (chosen.repository_id, chosen.workflow_id, chosen.health_group)
            and (attempts.created_at, attempts.run_id)
            > (coalesce(green.created_at, '-infinity'), coalesce(green.run_id, 0))
    ) as streak
    left join lateral (
        select attempts.*
        from {attempts} as attempts
        where (attempts.repository_id, attempts.workflow_id, attempts.health_group)
            = (chosen.repository_id, chosen.workflow_id, chosen.health_group)
            and (attempts.created_at, attempts.run_id)
            > (coalesce(green.created_at, '-infinity'), coalesce(green.run_id, 0))
            and attempts.conclusion <> 'success'
        order by created_at, run_id, run_attempt
        limit 1
    ) as red on true
    left join lateral (
        select recovered_run_id, recovered_run_attempt
        from marts.branch_health_intervals as intervals
        where (intervals.repository_id, intervals.workflow_id, intervals.health_group)
            = (chosen.repository_id, chosen.workflow_id, chosen.health_group)
            and intervals.ended_at is not null
        order by intervals.ended_at desc
        limit 1
    ) as closed on true
    left join lateral (
        (
            select attempts.*
            from {attempts} as attempts
            where closed.recovered_run_id is null
                and (attempts.repository_id, attempts.workflow_id, attempts.health_group)
                = (chosen.repository_id, chosen.workflow_id, chosen.health_group)
            order by created_at, run_id, run_attempt
            limit 1
        )
        union all
        -- Found by its key: else all of the branch would be read.
        select attempts.*
        from {attempts} as attempts
        where (attempts.run_id, attempts.run_attempt)
            = (closed.recovered_run_id, closed.recovered_run_attempt)
            and attempts.repository_id = chosen.repository_id
    ) as recovered on true
"""
_IN_RANGE: LiteralString = """
    intervals.started_at < coalesce(%(to)s, 'infinity'::timestamptz)
    and coalesce(intervals.ended_at, 'infinity'::timestamptz)
    > coalesce(%(from)s, '-infinity'::timestamptz)
"""
# Up to %(until)s; what begins later is not red yet.
RED_SECONDS: LiteralString = """
    case
        when %(until)s::timestamptz is not null
            then greatest(0, floor(extract(
                epoch from least(intervals.ended_at, %(until)s)
                - greatest(intervals.started_at, coalesce(%(from)s, '-infinity'::timestamptz))
            )))::bigint
    end
"""
_BEGAN: LiteralString = """
    intervals.started_at >= coalesce(%(from)s, '-infinity'::timestamptz)
    and intervals.started_at < coalesce(%(to)s, 'infinity'::timestamptz)
"""
_RECOVERED: LiteralString = """
    intervals.is_start_known
    and intervals.ended_at >= coalesce(%(from)s, '-infinity'::timestamptz)
    and intervals.ended_at < coalesce(%(to)s, 'infinity'::timestamptz)
"""
# Of red intervals; `decisive` are the runs of the range, `known` tells since when the state is.
FORMULAS: Mapping[str, LiteralString] = {
    "red_seconds": "case when %(until)s::timestamptz is not null "
    f"then coalesce(sum({RED_SECONDS}) filter (where {_IN_RANGE}), 0)::bigint end",
    "interval_count": f"count(*) filter (where {_IN_RANGE})",
    "recovery_count": f"count(*) filter (where {_RECOVERED})",
    "mttr_seconds": f"(avg(duration_seconds) filter (where {_RECOVERED}))::double precision",
    "recovery_p50_seconds": "percentile_cont(0.5) within group (order by duration_seconds) "
    f"filter (where {_RECOVERED})",
    "breakage_count": f"count(*) filter (where {_BEGAN})",
}
DERIVED: Mapping[str, LiteralString] = {
    "breakage_rate": "red.breakage_count::double precision / nullif(decisive.decisive_count, 0)",
    "green_share": "case when known.first_ended_at is not null "
    "then 1 - red.red_seconds::double precision / nullif(greatest(0, extract(epoch from %(until)s "
    "- greatest(known.first_ended_at, coalesce(%(from)s, '-infinity'::timestamptz)))"
    "::double precision), 0) end",
}
_STATISTICS: LiteralString = """
    select
        chosen.*,
        red.*,
        decisive.decisive_count,
        {breakage_rate} as breakage_rate,
        {green_share} as green_share
    {chosen}
    cross join lateral (
        select {formulas}
        from marts.branch_health_intervals as intervals
        where (intervals.repository_id, intervals.workflow_id, intervals.health_group)
            = (chosen.repository_id, chosen.workflow_id, chosen.health_group)
    ) as red
    cross join lateral (
        select count(*) as decisive_count
        from marts.workflow_runs as runs
        where (runs.repository_id, runs.workflow_id, runs.health_group)
            = (chosen.repository_id, chosen.workflow_id, chosen.health_group)
            and runs.is_decisive
            and runs.created_at >= coalesce(%(from)s, '-infinity'::timestamptz)
            and runs.created_at < coalesce(%(to)s, 'infinity'::timestamptz)
    ) as decisive
    cross join lateral (
        select min(attempts.ended_at) as first_ended_at
        from {attempts} as attempts
        where (attempts.repository_id, attempts.workflow_id, attempts.health_group)
            = (chosen.repository_id, chosen.workflow_id, chosen.health_group)
    ) as known
"""
_FAILING_JOBS: LiteralString = """
    select
        jobs.job_id, jobs.name, jobs.run_id, jobs.run_attempt, jobs.conclusion,
        jobs.failed_step_number, jobs.failed_step_name, jobs.html_url
    from unnest(%(run_ids)s::bigint[], %(run_attempts)s::bigint[]) as chosen (run_id, run_attempt)
    inner join marts.jobs using (run_id, run_attempt)
    where jobs.is_executed and jobs.status = 'completed'
        and jobs.conclusion in ('failure', 'timed_out')
    order by jobs.name, jobs.job_id
"""
_INTERVALS: LiteralString = """
    select
        intervals.repository_id, repositories.full_name as repository_full_name,
        intervals.workflow_id, workflows.name as workflow_name, intervals.health_group,
        intervals.started_at, intervals.ended_at, intervals.duration_seconds,
        {red_seconds} as red_seconds,
        intervals.failed_attempt_count, intervals.is_start_known,
        {columns}, {keys}
    from marts.branch_health_intervals as intervals
    inner join marts.workflows using (repository_id, workflow_id)
    inner join app.repositories using (repository_id)
    inner join {attempts} as failed
        on failed.repository_id = intervals.repository_id
        and failed.run_id = intervals.first_failed_run_id
        and failed.run_attempt = intervals.first_failed_run_attempt
    left join {attempts} as recovered
        on recovered.repository_id = intervals.repository_id
        and recovered.run_id = intervals.recovered_run_id
        and recovered.run_attempt = intervals.recovered_run_attempt
    where intervals.repository_id = any(%(repositories)s) and {in_range}
        and {conditions} and {after}
    order by {order}
    limit %(limit)s
"""
_BRANCH_ORDER = Order(
    [sql.Identifier("chosen", name) for name in ("workflow_id", "repository_id", "health_group")]
)
_INTERVAL_ORDER = Order(
    [
        sql.Identifier("intervals", name)
        for name in (
            "started_at",
            "workflow_id",
            "repository_id",
            "health_group",
            "first_failed_run_id",
            "first_failed_run_attempt",
        )
    ],
    is_descending=True,
)


_PARTS = {
    "attempts": sql.SQL(_ATTEMPTS),
    "state": sql.SQL(_STATE),
    "newest": sql.SQL(_NEWEST).format(attempts=sql.SQL(_ATTEMPTS)),
    "chosen": sql.SQL(_CHOSEN),
    "in_range": sql.SQL(_IN_RANGE),
    "red_seconds": sql.SQL(RED_SECONDS),
}


@dataclass(frozen=True)
class Window:
    """A range, and up to when it is known (None: nobody knows)."""

    start: datetime | None
    end: datetime | None
    until: datetime | None

    @property
    def parameters(self) -> dict[str, Any]:
        """As SQL has it."""
        return {"from": self.start, "to": self.end, "until": self.until}


def window_of(chosen: RunFilter, as_of: datetime | None) -> Window:
    """The filter's range; what is open there ends with what is known."""
    end: datetime | None = chosen.values.get("to")
    until = as_of if as_of is None or end is None else min(end, as_of)
    return Window(chosen.values.get("from"), end, until)


def read_health(connection: Connection, branches: Sequence[Branch]) -> dict[Branch, dict[str, Any]]:
    """The health of each, and in `newest_run_id` and `newest_run_attempt` what decides it."""
    columns = sql.SQL(", ").join(
        columns_of(Since, table, within=table) for table in ("green", "red", "recovered")
    )
    query = _query(_HEALTH, columns=columns)
    found = {}
    for row in connection.execute(query, _parameters(branches)):
        told = nested(row)
        state = told["state"]
        since = {"red": told["red"], "green": told["recovered"]}.get(state)
        found[_branch(told)] = {
            "state": state,
            "since": since,
            "failure_streak": told["failure_streak"],
            "last_green": told["green"],
            "compare_url": _compare_url(told, since) if state == "red" else None,
            "newest_run_id": told["newest_run_id"],
            "newest_run_attempt": told["newest_run_attempt"],
        }
    return found


def health_record(health: Mapping[str, Any]) -> dict[str, Any]:
    """Of what `read_health` found, what an answer has."""
    return {name: health[name] for name in health if not name.startswith("newest_")}


def _compare_url(row: Mapping[str, Any], since: Mapping[str, Any] | None) -> str | None:
    commits = [each and each["head_sha"] for each in (row["green"], since)]
    if None in commits or commits[0] == commits[1] or row["repository_html_url"] is None:
        return None
    return f"{row['repository_html_url']}/compare/{commits[0]}...{commits[1]}"


def read_failing_jobs(
    connection: Connection, attempts: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """What failed in each of these attempts (run and number)."""
    found: dict[tuple[int, int], list[dict[str, Any]]] = {each: [] for each in attempts}
    parameters = {
        "run_ids": [run_id for run_id, _ in found],
        "run_attempts": [attempt for _, attempt in found],
    }
    for row in connection.execute(_FAILING_JOBS, parameters):
        found[row["run_id"], row["run_attempt"]].append(row)
    return found


def list_branches(
    connection: Connection, chosen: RunFilter, states: Sequence[str], page: Page
) -> tuple[list[dict[str, Any]], str | None]:
    """The workflows and groups of which the filter chooses runs, of any time; and the token of the
    next page."""
    after, key = _BRANCH_ORDER.after(page.after)
    query = _query(
        _BRANCHES,
        keys=_BRANCH_ORDER.keys,
        conditions=_of_runs(chosen, "chosen"),
        after=after,
        order=_BRANCH_ORDER.clause,
    )
    parameters = {
        **chosen.parameters,
        **key,
        "state": list(states) or None,
        "limit": page.limit + 1,
    }
    return page.cut_by_keys(connection.execute(query, parameters).fetchall())


def read_branch_statistics(
    connection: Connection, branches: Sequence[Branch], window: Window
) -> dict[Branch, dict[str, Any]]:
    """How each was over a window."""
    parameters = {**_parameters(branches), **window.parameters}
    query = _query(
        _STATISTICS,
        formulas=named_formulas(FORMULAS),
        breakage_rate=sql.SQL(DERIVED["breakage_rate"]),
        green_share=sql.SQL(DERIVED["green_share"]),
    )
    return {_branch(row): row for row in connection.execute(query, parameters)}


def list_intervals(
    connection: Connection, chosen: RunFilter, window: Window, page: Page
) -> tuple[list[dict[str, Any]], str | None]:
    """The red intervals that reach into a window, newest first, and the token of the next page."""
    after, key = _INTERVAL_ORDER.after(page.after)
    query = _query(
        _INTERVALS,
        columns=sql.SQL(", ").join(
            [
                columns_of(Since, "failed", within="first_failed"),
                columns_of(Since, "recovered", within="recovered_by"),
            ]
        ),
        keys=_INTERVAL_ORDER.keys,
        conditions=_of_runs(chosen, "intervals"),
        after=after,
        order=_INTERVAL_ORDER.clause,
    )
    parameters = {**chosen.parameters, **window.parameters, **key, "limit": page.limit + 1}
    rows, token = page.cut_by_keys(connection.execute(query, parameters).fetchall())
    return [nested(row) for row in rows], token


def _of_runs(chosen: RunFilter, table: str) -> sql.Composable:
    """The conditions of a filter but for its range, over what has the keys of a health group: a
    branch stays red however long ago its last run was."""
    values = {name: value for name, value in chosen.values.items() if name not in ("from", "to")}
    conditions: list[sql.Composable] = [sql.SQL("true")]
    if "workflow" in values:
        conditions.append(
            sql.SQL("{}.workflow_id = any(%(workflow)s)").format(sql.Identifier(table))
        )
    if values.keys() - {"workflow"}:
        conditions.append(
            sql.SQL(
                "exists (select from marts.workflow_runs as runs "
                "where (runs.repository_id, runs.workflow_id, runs.health_group) "
                "= ({table}.repository_id, {table}.workflow_id, {table}.health_group) and {where})"
            ).format(table=sql.Identifier(table), where=replace(chosen, values=values).where())
        )
    return sql.SQL(" and ").join(conditions)


def _query(template: LiteralString, **parts: sql.Composable) -> sql.Composed:
    return sql.SQL(template).format(**_PARTS, **parts)


def _parameters(branches: Sequence[Branch]) -> dict[str, Any]:
    return {
        "repository_ids": [each.repository_id for each in branches],
        "workflow_ids": [each.workflow_id for each in branches],
        "groups": [each.health_group for each in branches],
    }


def _branch(row: Mapping[str, Any]) -> Branch:
    return Branch(row["repository_id"], row["workflow_id"], row["health_group"])
