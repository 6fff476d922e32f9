"""Filters over runs: declared, resolved within what the principal may see, and rendered as SQL.

A filter never widens what is visible: it is resolved to a set of repositories inside the
principal's, and that set is a condition of every query.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import sql

from api.auth.authentication import Principal
from api.database import Connection
from api.errors import bad_request, not_found
from api.parameters import (
    ID_SCHEMA,
    MOMENT_SCHEMA,
    TEXT_SCHEMA,
    Arguments,
    Parameter,
    end_moment,
    first_moment,
    identifier,
    text,
    text_for_answer,
)

DEFAULT_BRANCH = "@default"


def _repository(value: str) -> int | str:
    return identifier(value) if value.isdigit() else text(value).lower()


FROM = Parameter(
    "from",
    "Runs created from here on: a UTC day, or a time with its zone.",
    first_moment,
    MOMENT_SCHEMA,
)
TO = Parameter(
    "to",
    "Runs created up to here: a UTC day, itself included, or a time with its zone, excluded.",
    end_moment,
    MOMENT_SCHEMA,
)
REPOSITORY = Parameter(
    "repository",
    "Runs of these repositories: `owner/name` or id, repeated or separated by commas.",
    _repository,
    {"anyOf": [ID_SCHEMA, TEXT_SCHEMA]},
    many=True,
)
WORKFLOW = Parameter(
    "workflow",
    "Runs of these workflows: ids, repeated or separated by commas.",
    identifier,
    ID_SCHEMA,
    many=True,
)
BRANCH = Parameter(
    "branch",
    "Runs whose `head_branch` is one of these; `@default` is each repository's default branch. "
    "Repeat it for several (a branch's name may contain a comma).",
    text,
    TEXT_SCHEMA,
    many=True,
    splits=False,
)
EVENT = Parameter(
    "event",
    "Runs that these events triggered, such as `push`; repeated or separated by commas.",
    text,
    TEXT_SCHEMA,
    many=True,
)
STATUS = Parameter(
    "status",
    "Runs whose newest attempt has one of these statuses, such as `completed`.",
    text,
    TEXT_SCHEMA,
    many=True,
)
CONCLUSION = Parameter(
    "conclusion",
    "Runs whose newest attempt has one of these conclusions, such as `failure`.",
    text,
    TEXT_SCHEMA,
    many=True,
)
ACTOR = Parameter(
    "actor",
    "Runs that these people caused: logins, in any case.",
    text,
    TEXT_SCHEMA,
    many=True,
)

# Filters of the runs of one workflow; the others choose among workflows.
RUN_PARAMETERS = (FROM, TO, BRANCH, EVENT, STATUS, CONCLUSION, ACTOR)
FILTER_PARAMETERS = (FROM, TO, REPOSITORY, WORKFLOW, BRANCH, EVENT, STATUS, CONCLUSION, ACTOR)

# Which columns of a run a condition looks at, and the condition; `{column}` is the column's place.
_CONDITIONS: Mapping[str, tuple[tuple[str, ...], LiteralString]] = {
    "from": (("created_at",), "{created_at} >= %(from)s"),
    "to": (("created_at",), "{created_at} < %(to)s"),
    "workflow": (("workflow_id",), "{workflow_id} = any(%(workflow)s)"),
    "branch": (("head_branch", "repository_id"), "{head_branch} = any(%(branch)s)"),
    "event": (("event",), "{event} = any(%(event)s)"),
    "status": (("status",), "{status} = any(%(status)s)"),
    "conclusion": (("conclusion",), "{conclusion} = any(%(conclusion)s)"),
    "actor": (("actor_login",), "lower({actor_login}) = any(%(actor)s)"),
}
_BRANCH_OR_DEFAULT = (
    "({head_branch} = any(%(branch)s) or ({repository_id}, {head_branch}) in "
    "(select repository_id, default_branch from marts.repositories))"
)
_VISIBLE = "{repository_id} = any(%(repositories)s)"


@dataclass(frozen=True)
class RunFilter:
    """A resolved filter.

    Attributes:
        repository_ids: where the runs must lie, inside what the principal may see.
        values: of the other conditions that were asked for, as SQL parameters.
        applied: the same as the answer echoes it.
    """

    repository_ids: tuple[int, ...]
    values: Mapping[str, Any]
    applied: Mapping[str, Any]

    @property
    def columns(self) -> frozenset[str]:
        """The columns of a run that the conditions look at."""
        return frozenset({"repository_id"}).union(*(_CONDITIONS[name][0] for name in self.values))

    @property
    def parameters(self) -> dict[str, Any]:
        """The SQL parameters of `where`."""
        return {"repositories": list(self.repository_ids), **self.values}

    def where(self, columns: Mapping[str, sql.Identifier]) -> sql.Composed:
        """The conditions, over columns that lie at these places."""
        templates: list[LiteralString] = [_VISIBLE]
        for name, value in self.values.items():
            is_default_asked = name == "branch" and DEFAULT_BRANCH in value
            templates.append(_BRANCH_OR_DEFAULT if is_default_asked else _CONDITIONS[name][1])
        return sql.SQL(" and ").join(sql.SQL(template).format(**columns) for template in templates)


def read_filter(connection: Connection, principal: Principal, arguments: Arguments) -> RunFilter:
    """Resolve a filter within what the principal may see.

    Raises:
        Problem: 400 for a range that holds nothing, 404 for a repository or workflow that is not
            there or not visible.
    """
    repository_ids = visible_repositories(connection, principal, arguments.get("repository", ()))
    applied: dict[str, Any] = {}
    values: dict[str, Any] = {}
    _read_range(arguments, values, applied)
    if arguments.get("repository"):
        applied["repository"] = list(repository_ids)
    if workflow_ids := arguments.get("workflow"):
        having = _repositories_of_workflows(connection, principal, workflow_ids)
        repository_ids = tuple(sorted(having.intersection(repository_ids)))
    for name in ("workflow", "branch", "event", "status", "conclusion", "actor"):
        if given := arguments.get(name):
            applied[name] = list(given)
            values[name] = [value.lower() for value in given] if name == "actor" else list(given)
    return RunFilter(repository_ids, values, applied)


def visible_repositories(
    connection: Connection, principal: Principal, asked: tuple[int | str, ...]
) -> tuple[int, ...]:
    """The ids of the repositories that were asked for (of all that are visible, if none was).

    Raises:
        Problem: 404, one of them is not monitored or not visible.
    """
    rows = connection.execute(
        """
        select repository_id, lower(full_name) as name
        from app.repositories
        where repository_id = any(%s) and removed_at is null
        order by repository_id
        """,
        [list(principal.repository_ids)],
    ).fetchall()
    if not asked:
        return tuple(row["repository_id"] for row in rows)
    for value in asked:
        if not any(value in (row["repository_id"], row["name"]) for row in rows):
            raise not_found(f"Repository {text_for_answer(str(value))}")
    return tuple(
        row["repository_id"]
        for row in rows
        if row["repository_id"] in asked or row["name"] in asked
    )


def _read_range(arguments: Arguments, values: dict[str, Any], applied: dict[str, Any]) -> None:
    first, end = arguments.get("from"), arguments.get("to")
    if first and end and first.instant >= end.instant:
        raise bad_request(
            "The range holds nothing; see errors.",
            [{"parameter": "from", "detail": "must lie before `to`"}],
        )
    for name, moment in (("from", first), ("to", end)):
        if moment:
            values[name] = moment.instant
            applied[name] = moment.text


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
        [list(workflow_ids), list(principal.repository_ids)],
    ).fetchall()
    found = {row["workflow_id"] for row in rows}
    for workflow_id in workflow_ids:
        if workflow_id not in found:
            raise not_found(f"Workflow {workflow_id}")
    return {row["repository_id"] for row in rows}
