"""Filters over runs: declared, resolved within what the principal may see, and rendered as SQL.

A filter never widens what is visible: it is resolved to a set of repositories inside the
principal's, and that set is a condition of every query.

    the query string --read_filter--> RunFilter --where--> SQL over runs
                                                --jobs_where--> SQL over jobs, where it names jobs
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, LiteralString, TypeAlias, get_args

from psycopg import sql
from pydantic import BeforeValidator, Field, WithJsonSchema

from api.auth.authentication import Principal
from api.database import Connection, Reading, array_of, current_database
from api.errors import bad_query, not_found, text_for_answer
from api.parameters import (
    FULL_NAME_SCHEMA,
    ID_SCHEMA,
    EndMoment,
    FirstMoment,
    Ids,
    Moment,
    Names,
    Parameters,
    Text,
    Texts,
    YesOrNo,
    day_after,
    identifier,
    split,
    text,
    whole_number,
)
from api.records import Conclusion, Status

DEFAULT_BRANCH = "@default"
ME = "@me"
DEFAULT_DAYS = 28
MOST_DAYS = 3660
# Longer than GitHub has been there.
MOST_YEARS_BY_TIME = 25
_PERIOD = re.compile(r"([1-9][0-9]{0,3})([dw])")
# Up to MOST_DAYS.
_PERIOD_SCHEMA = (
    "^(?:(?:[1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|36[0-5][0-9]|3660)d"
    "|(?:[1-9][0-9]?|[1-4][0-9]{2}|5[01][0-9]|52[0-2])w)$"
)
_SHA = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class Period:
    """A range that ends now: so many UTC days, today included."""

    days: int
    text: str

    def range(self, now: datetime) -> tuple[date, date]:
        """Its first and its last day."""
        last = now.astimezone(UTC).date()
        return last - timedelta(days=self.days - 1), last


def _period(value: str) -> Period:
    match = _PERIOD.fullmatch(value)
    days = int(match[1]) * (7 if match[2] == "w" else 1) if match else 0
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(
            f"must be a number of days or weeks, such as 7d or 12w, up to {MOST_DAYS}d"
        )
    return Period(days, value)


def _repository(value: str) -> int | str:
    is_number = value.isascii() and value.isdigit()
    return identifier(value) if is_number else text(value).lower()


def _head_sha(value: str) -> str:
    if not _SHA.fullmatch(value.lower()):
        raise ValueError("must be 7 to 40 hexadecimal digits of a commit")
    return value.lower()


RepositoryName: TypeAlias = Annotated[
    int | str,
    BeforeValidator(_repository),
    WithJsonSchema({"anyOf": [dict(ID_SCHEMA), dict(FULL_NAME_SCHEMA)]}),
]
Sha: TypeAlias = Annotated[
    str,
    BeforeValidator(_head_sha),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f]{7,40}$"}),
]
Number: TypeAlias = Annotated[
    int,
    BeforeValidator(whole_number(1, 999_999_999)),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 999_999_999}),
]


class Range(Parameters):
    """A span of time."""

    from_: FirstMoment | None = Field(
        None, alias="from", description="From here on: a UTC day, or a time with its zone."
    )
    to: EndMoment | None = Field(
        None,
        description="Up to here: a UTC day, itself included, or a time with its zone, excluded.",
    )
    period: Annotated[
        Period | None,
        BeforeValidator(_period),
        WithJsonSchema({"type": "string", "pattern": _PERIOD_SCHEMA}),
    ] = Field(
        None,
        description="So many days or weeks up to and with today (UTC), such as `7d`; in place of "
        "`from` and `to`.",
    )


class OfRepositories(Parameters):
    """Whose data."""

    repository: Annotated[tuple[RepositoryName, ...], BeforeValidator(split)] = Field(
        (),
        description="Of these repositories: `owner/name` or id, repeated or separated by commas.",
    )


class RunConditions(Parameters):
    """Which runs, beside where and when."""

    branch: Names = Field(
        (),
        description="Runs whose `head_branch` is one of these, repeated or separated by commas (a "
        "name that has commas is found, too); `@default` is each repository's default branch.",
    )
    event: Texts = Field(
        (),
        description="Runs that these events triggered, such as `push`; repeated or separated by "
        "commas.",
    )
    actor: Texts = Field(
        (), description="Runs that these people caused: logins, in any case; `@me` is who asks."
    )
    status: Texts = Field(
        (),
        description="Runs whose newest attempt has one of these statuses, such as `completed`: "
        + ", ".join(get_args(Status))
        + ".",
    )
    conclusion: Texts = Field(
        (),
        description="Runs whose newest attempt has one of these conclusions, such as `failure`: "
        + ", ".join(get_args(Conclusion))
        + ".",
    )
    runner: Texts = Field(
        (),
        description="Runs with an executed job that asked for one of these labels, in any case, "
        "repeated or separated by commas; numbers about jobs are of such jobs alone.",
    )
    job_name: Names = Field(
        (),
        description="Runs with an executed job of one of these names, repeated or separated by "
        "commas (a name that has commas is found, too); numbers about jobs are of such jobs alone.",
    )
    head_sha: Sha | None = Field(
        None, description="Runs of the commit that begins with these 7 to 40 digits."
    )
    pull_request: Number | None = Field(
        None, description="Runs that GitHub counts to the pull request with this number."
    )
    run_number: Number | None = Field(None, description="The runs with this number.")
    is_flaky: YesOrNo | None = Field(
        None, description="Whether a run failed and then succeeded in a later attempt."
    )
    attempts_at_least: Number | None = Field(
        None, description="Runs with at least so many attempts."
    )
    q: Text | None = Field(None, description="Runs whose title contains this, in any case.")


class OfWorkflows(Parameters):
    """Of which workflows."""

    workflow: Ids = Field(
        (), description="Of these workflows: ids, repeated or separated by commas."
    )


class WorkflowRunsFilter(RunConditions, OfRepositories, Range):
    """Runs of one workflow, which the path names."""


class RunsFilter(RunConditions, OfWorkflows, OfRepositories, Range):
    """Runs: which, where and when."""


# What a condition looks at, where `{runs}` are rows of marts.workflow_runs.
_CONDITIONS: Mapping[str, LiteralString] = {
    "from": "{runs}.created_at >= %(from)s",
    "to": "{runs}.created_at < %(to)s",
    "workflow": "{runs}.workflow_id = any(%(workflow)s)",
    "branch": "{runs}.head_branch = any(%(branch)s)",
    "event": "{runs}.event = any(%(event)s)",
    "status": "{runs}.status = any(%(status)s)",
    "conclusion": "{runs}.conclusion = any(%(conclusion)s)",
    "actor": "lower({runs}.actor_login) = any(%(actor)s)",
    "head_sha": "starts_with({runs}.head_sha, %(head_sha)s)",
    "pull_request": "{runs}.pull_request_numbers @> array[%(pull_request)s::bigint]",
    "run_number": "{runs}.run_number = %(run_number)s",
    "is_flaky": "{runs}.is_flaky = %(is_flaky)s",
    "attempts_at_least": "{runs}.run_attempt >= %(attempts_at_least)s",
    "q": "strpos(lower({runs}.display_title), lower(%(q)s)) > 0",
}
_BRANCH_OR_DEFAULT: LiteralString = (
    "({runs}.head_branch = any(%(branch)s) or ({runs}.repository_id, {runs}.head_branch) in "
    "(select repository_id, default_branch from marts.repositories))"
)
# Jobs and their runs, by the names under which `jobs_where` has conditions over both.
JOBS_WITH_RUNS: LiteralString = (
    "marts.jobs as jobs inner join marts.workflow_runs as runs using (repository_id, run_id)"
)
_VISIBLE: LiteralString = "{runs}.repository_id = any(%(repositories)s)"
# The same of rows of marts.jobs, which say themselves of which workflow and time their run is.
_CONDITIONS_OF_JOBS: Mapping[str, LiteralString] = {
    "from": "{jobs}.run_created_at >= %(from)s",
    "to": "{jobs}.run_created_at < %(to)s",
    "workflow": "{jobs}.workflow_id = any(%(workflow)s)",
}
_VISIBLE_JOBS: LiteralString = "{jobs}.repository_id = any(%(repositories)s)"
# What names jobs.
_OF_JOBS: Mapping[str, LiteralString] = {
    "runner": "(select array_agg(lower(label)) from unnest({jobs}.labels) as label) "
    "&& %(runner)s::text[]",
    "job_name": "{jobs}.name = any(%(job_name)s)",
}


@dataclass(frozen=True)
class RunFilter:
    """A resolved filter.

    Attributes:
        repository_ids: where the runs must lie, inside what the principal may see.
        values: of the other conditions that were asked for, as SQL parameters.
        applied: the same as the answer echoes it.
        days_later: as which day a day counts: so many later (of a period that is compared with a
            later one, day by day).
    """

    repository_ids: tuple[int, ...]
    values: Mapping[str, Any]
    applied: Mapping[str, Any]
    days_later: int = 0

    @property
    def parameters(self) -> dict[str, Any]:
        """The SQL parameters of the conditions."""
        return {"repositories": array_of(self.repository_ids), **self.values}

    @property
    def names_jobs(self) -> bool:
        """Whether it chooses jobs, and runs by them."""
        return any(name in self.values for name in _OF_JOBS)

    @property
    def is_of_jobs_alone(self) -> bool:
        """Whether a job says by itself whether it fulfils it, so that no run has to be read."""
        return self.values.keys() <= {*_CONDITIONS_OF_JOBS, *_OF_JOBS}

    @property
    def is_by_day(self) -> bool:
        """Whether tables by day can answer it: days of repositories and workflows. Of the last one
        they cannot, where the range ends within it (`ends_within_a_day`)."""
        start = self.values.get("from")
        return self.values.keys() <= {"from", "to", "workflow"} and (
            start is None or _is_midnight(start)
        )

    @property
    def ends_within_a_day(self) -> bool:
        """Whether the last day of the range is in it in part."""
        return "to" in self.values and not _is_midnight(self.values["to"])

    def check_buckets(self) -> None:
        """Where an answer tells every bucket of the range, refuse one that nobody could read: a few
        letters would ask for thousands of years of days.

        Raises:
            Problem: 400.
        """
        start, now = self.values.get("from"), datetime.now(UTC)
        end = self.values.get("to", now)
        # Without a beginning the first run's bucket is the first one, which is not after now.
        if end - (start or now) > timedelta(days=366 * MOST_YEARS_BY_TIME):
            most = f"must lie at most {MOST_YEARS_BY_TIME} years"
            if start is None:
                raise bad_query("to", f"{most} ahead without `from`, by time")
            raise bad_query("from", f"{most} before the end, by time")

    def where(self, runs: str = "runs") -> sql.Composed:
        """The conditions over runs under this name; that a run has such a job is one of them."""
        templates = [_VISIBLE, *self._templates(_CONDITIONS)]
        conditions = [sql.SQL(each).format(runs=sql.Identifier(runs)) for each in templates]
        if self.names_jobs:
            conditions.append(self._has_named(runs))
        return sql.SQL(" and ").join(conditions)

    def jobs_where(self, jobs: str = "jobs", runs: str | None = "runs") -> sql.Composed:
        """The conditions over jobs under this name, joined to their runs; without a name of runs
        over jobs alone, which must do (`is_of_jobs_alone`)."""
        templates = [_VISIBLE_JOBS, *self._templates(_CONDITIONS_OF_JOBS)]
        conditions = [sql.SQL(each).format(jobs=sql.Identifier(jobs)) for each in templates]
        if runs is not None:
            # What a job says by itself is said of it, too: so that it is found by an index.
            templates = [_VISIBLE, *self._templates(_CONDITIONS)]
            conditions += [sql.SQL(each).format(runs=sql.Identifier(runs)) for each in templates]
        if self.names_jobs:
            conditions += [self.names(jobs), self._has_named(jobs)]
        return sql.SQL(" and ").join(conditions)

    def names(self, jobs: str) -> sql.Composed:
        """Whether a row of jobs is one of those that the filter names; true where it names none."""
        templates = [_OF_JOBS[name] for name in _OF_JOBS if name in self.values]
        return sql.SQL(" and ").join(
            sql.SQL(each).format(jobs=sql.Identifier(jobs)) for each in templates or ["true"]
        )

    def _has_named(self, rows: str) -> sql.Composed:
        """Whether a run executed such a job; over rows that have its id."""
        return sql.SQL(
            "({0}.repository_id, {0}.run_id) in "
            "(select named.repository_id, named.run_id from marts.jobs as named where {1})"
        ).format(sql.Identifier(rows), self.executed_where("named"))

    def executed_where(self, jobs: str) -> sql.Composed:
        """The conditions over executed jobs under this name that the filter names, as far as a job
        says by itself that its run is one of the filter's: the others need not be read."""
        templates: list[LiteralString] = [
            "{jobs}.is_executed",
            _VISIBLE_JOBS,
            *self._templates(_CONDITIONS_OF_JOBS),
        ]
        conditions = [sql.SQL(each).format(jobs=sql.Identifier(jobs)) for each in templates]
        return sql.SQL(" and ").join([*conditions, self.names(jobs)])

    def by_day_where(self, days: str = "days") -> sql.Composed:
        """The conditions over a table by day and workflow, of whole days; `is_by_day` says whether
        they do."""
        templates: list[LiteralString] = ["{days}.repository_id = any(%(repositories)s)"]
        if "workflow" in self.values:
            templates.append("{days}.workflow_id = any(%(workflow)s)")
        if "from" in self.values:
            templates.append("{days}.day >= (%(from)s at time zone 'UTC')::date")
        if "to" in self.values:
            templates.append("{days}.day < (%(to)s at time zone 'UTC')::date")
        return sql.SQL(" and ").join(
            sql.SQL(each).format(days=sql.Identifier(days)) for each in templates
        )

    def last_day_where(self, rows: str, column: str) -> sql.Composed:
        """What of a time the last day of the range has, which is in it in part."""
        return sql.SQL(
            "{}.{} >= (%(to)s at time zone 'UTC')::date::timestamp at time zone 'UTC'"
        ).format(sql.Identifier(rows), sql.Identifier(column))

    def _templates(self, known: Mapping[str, LiteralString]) -> list[LiteralString]:
        chosen = []
        for name, template in known.items():
            if name in self.values:
                is_default_asked = name == "branch" and DEFAULT_BRANCH in self.values[name]
                chosen.append(_BRANCH_OR_DEFAULT if is_default_asked else template)
        return chosen


def read_filter(
    connection: Connection,
    principal: Principal,
    query: Parameters,
    *,
    workflow_id: int | None = None,
    default_days: int | None = DEFAULT_DAYS,
) -> RunFilter:
    """Resolve a filter within what the principal may see.

    Args:
        query: what was asked; of the parameters of this module those that its model has.
        workflow_id: of the path.
        default_days: of the range where none is asked for; None: all history.

    Raises:
        Problem: 400 for a range that holds nothing, 404 for a repository or workflow that is not
            there or not visible.
    """
    asked = query.model_dump(by_alias=True)
    repository_ids = visible_repositories(connection, principal, asked.get("repository", ()))
    applied: dict[str, Any] = {}
    values: dict[str, Any] = {}
    if isinstance(query, Range):
        read_range(query, values, applied, default_days)
    if asked.get("repository"):
        applied["repository"] = list(repository_ids)
    workflow_ids: tuple[int, ...] = asked.get("workflow", ())
    if workflow_id is not None:
        workflow_ids = (workflow_id,)
    if workflow_ids:
        having = _repositories_of_workflows(connection, principal, workflow_ids)
        repository_ids = tuple(sorted(having.intersection(repository_ids)))
        applied["workflow"] = list(workflow_ids)
        values["workflow"] = list(workflow_ids)
    for name in RunConditions.model_fields:
        given = asked.get(name)
        if given is None or given == ():
            continue
        applied[name] = list(given) if isinstance(given, tuple) else given
        if name == "actor":
            applied[name] = [_actor(each, principal) for each in given]
        is_in_any_case = name in ("actor", "runner")
        values[name] = [each.lower() for each in applied[name]] if is_in_any_case else applied[name]
    return RunFilter(repository_ids, values, applied)


def _actor(given: str, principal: Principal) -> str:
    """Another person's `@me` is another question, so it does not stay."""
    if given != ME:
        return given
    if principal.login is None:
        raise bad_query("actor", "`@me` is nobody: this token is of no person")
    return principal.login


def visible_repositories(
    connection: Connection, principal: Principal, asked: tuple[int | str, ...]
) -> tuple[int, ...]:
    """The ids of the repositories that were asked for (of all that are visible, if none was).

    Raises:
        Problem: 404, one of them is not monitored or not visible.
    """
    # What is monitored and visible was read for this request, a moment ago.
    if not asked:
        return principal.repository_ids
    if isinstance(connection, Reading):
        # A replica may not know yet what was added, or under which name, a moment ago.
        with current_database().looking() as primary:
            return _named(primary, principal, asked)
    return _named(connection, principal, asked)


def _named(
    connection: Connection, principal: Principal, asked: tuple[int | str, ...]
) -> tuple[int, ...]:
    rows = connection.execute(
        """
        select repository_id, lower(full_name) as name
        from app.repositories
        where repository_id = any(%(visible)s) and removed_at is null
            and (repository_id = any(%(ids)s) or lower(full_name) = any(%(names)s))
        order by repository_id
        """,
        {
            "visible": array_of(principal.repository_ids),
            "ids": [value for value in asked if isinstance(value, int)],
            "names": [value for value in asked if isinstance(value, str)],
        },
    ).fetchall()
    for value in asked:
        if not any(value in (row["repository_id"], row["name"]) for row in rows):
            raise not_found(f"Repository {text_for_answer(str(value))}")
    return tuple(row["repository_id"] for row in rows)


def read_range(
    query: Range, values: dict[str, Any], applied: dict[str, Any], default_days: int | None
) -> None:
    """Put the range of a query among SQL parameters and into what the answer echoes.

    Raises:
        Problem: 400, it holds nothing, or is told twice.
    """
    first: Moment | None = query.from_
    end: Moment | None = query.to
    period = query.period
    if period and (first or end):
        raise bad_query("period", "is in place of `from` and `to`: send one or the other")
    if period is None and first is None and end is None and default_days is not None:
        period = Period(default_days, f"{default_days}d")
    if period:
        first_day, last_day = period.range(datetime.now(UTC))
        first = Moment(day_after(first_day - timedelta(days=1)), first_day.isoformat())
        end = Moment(day_after(last_day), last_day.isoformat())
    if first and end and first.instant >= end.instant:
        raise bad_query("from", "must lie before `to`")
    for name, moment in (("from", first), ("to", end)):
        if moment:
            values[name] = moment.instant
            applied[name] = moment.text


def _is_midnight(moment: datetime) -> bool:
    return moment.astimezone(UTC).time() == datetime.min.time()


def _repositories_of_workflows(
    connection: Connection, principal: Principal, workflow_ids: tuple[int, ...]
) -> set[int]:
    rows = connection.execute(
        """
        select workflow_id, repository_id
        from marts.workflows
        inner join app.repositories using (repository_id)
        where workflow_id = any(%s) and repository_id = any(%s) and removed_at is null
        """,
        [array_of(workflow_ids), array_of(principal.repository_ids)],
    ).fetchall()
    found = {row["workflow_id"] for row in rows}
    for workflow_id in workflow_ids:
        if workflow_id not in found:
            raise not_found(f"Workflow {workflow_id}")
    return {row["repository_id"] for row in rows}
