"""Monitored repositories: listed in the order of their names, found, added and removed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from psycopg import errors, sql
from psycopg.rows import class_row

from actionsight import audit, repositories
from api.auth.authentication import Principal
from api.cache.keys import CacheKey
from api.cache.responses import cached_part
from api.database import Connection, NotBuiltError, Primary, array_of, current_database
from api.github import Repository
from api.pagination import Order, Page
from api.repositories.records import CollectionHealth
from api.responses import to_json
from api.rows import columns_of

T = TypeVar("T")

PROGRESS = (
    "backfill_target",
    "backfilled_from",
    "windows",
    "windows_completed",
    "job_listings_owed",
    "estimated_end",
)

# Of a row of app.repositories that is called `monitored`.
STATE = sql.SQL(
    """
    case
        when monitored.unreachable_since is not null then 'unreachable'
        when monitored.trouble is not null then 'trouble'
        when monitored.backfill_target < coalesce(monitored.backfilled_from, 'infinity')
            then 'backfilling'
        when monitored.observed_until is not null then 'collected'
        when monitored.backfilled_from is not null then 'collecting'
        else 'waiting'
    end
    """
)
_REPOSITORIES = """
    select
        monitored.repository_id,
        monitored.full_name,
        monitored.visibility,
        {state} as state,
        {built},
        monitored.added_at,
        monitored.backfilled_from,
        monitored.observed_until,
        monitored.newest_observation_at,
        monitored.backfill_target,
        monitored.backfill_windows as windows,
        monitored.backfill_windows_completed as windows_completed,
        monitored.job_listings_owed,
        monitored.backfill_estimated_end as estimated_end,
        monitored.trouble,
        monitored.trouble_since,
        monitored.unreachable_since,
        monitored.failure_count,
        monitored.next_try_at
    from app.repositories as monitored
    {marts}
    where monitored.repository_id = any(%(repositories)s)
        and monitored.removed_at is null
        {after}
    order by lower(monitored.full_name), monitored.repository_id
    limit %(limit)s
"""
_BUILT = """
    repositories.default_branch,
    repositories.is_archived,
    repositories.html_url,
    0 as workflow_count,
    0 as run_count,
    0 as jobs_listed
"""
_MARTS = "left join marts.repositories using (repository_id)"
_COUNTS = """
    select
        counted.repository_id,
        workflows.workflow_count,
        days.run_count,
        days.jobs_listed
    from unnest(%s::bigint[]) as counted (repository_id)
    cross join lateral (
        select count(*) as workflow_count
        from marts.workflows
        where workflows.repository_id = counted.repository_id
    ) as workflows
    cross join lateral (
        select
            coalesce(sum(run_count), 0)::bigint as run_count,
            coalesce(sum(jobs_listed), 0)::bigint as jobs_listed
        from marts.workflow_statistics_by_day
        where workflow_statistics_by_day.repository_id = counted.repository_id
    ) as days
"""
_NOT_BUILT = """
    null as default_branch,
    null as is_archived,
    null as html_url,
    0 as workflow_count,
    0 as run_count,
    0 as jobs_listed
"""
_AFTER = "and (lower(monitored.full_name), monitored.repository_id) > (%(name)s, %(id)s)"


def list_repositories(
    connection: Connection, repository_ids: tuple[int, ...], page: Page, *, is_built: bool = True
) -> list[dict[str, Any]]:
    """These repositories as far as they are monitored; one more than the page holds.

    Args:
        is_built: whether there are marts.
    """
    parameters: dict[str, Any] = {"repositories": array_of(repository_ids), "limit": page.limit + 1}
    after = ""
    if page.after is not None:
        after = _AFTER
        parameters["name"], parameters["id"] = page.after
    query = sql.SQL(_REPOSITORIES).format(
        state=STATE,
        built=sql.SQL(_BUILT if is_built else _NOT_BUILT),
        marts=sql.SQL(_MARTS if is_built else ""),
        after=sql.SQL(after),
    )
    rows = connection.execute(query, parameters).fetchall()
    counts = _counts(connection, rows) if is_built and rows else {}
    return [_with_progress({**row, **counts.get(row["repository_id"], {})}) for row in rows]


def list_health(
    connection: Connection, repository_id: int, values: Mapping[str, Any], page: Page
) -> list[dict[str, Any]]:
    """How a repository was observed on the days of a range, with their keys; one more than the
    page."""
    order = Order([sql.SQL("days.day")])
    after, parameters = order.after(page.after)
    query = sql.SQL(
        """
        select {columns}, {keys}
        from marts.collection_health_by_day as days
        where days.repository_id = %(repository)s
            and (%(from)s::timestamptz is null
                or days.day >= (%(from)s::timestamptz at time zone 'UTC')::date)
            and (%(to)s::timestamptz is null
                or days.day < (%(to)s::timestamptz at time zone 'UTC'))
            and {after}
        order by {order}
        limit %(limit)s
        """
    ).format(
        columns=columns_of(CollectionHealth, "days"),
        keys=order.keys,
        after=after,
        order=order.clause,
    )
    parameters.update(
        repository=repository_id,
        limit=page.limit + 1,
        **{name: values.get(name) for name in ("from", "to")},
    )
    return connection.execute(query, parameters).fetchall()


def _counts(connection: Connection, rows: list[dict[str, Any]]) -> dict[int, dict[str, int]]:
    """What the marts hold of each repository, counted once per build, not with every poll of this
    list: of 500 repositories the daily table has a million rows."""
    repository_ids = tuple(row["repository_id"] for row in rows)

    def count() -> bytes:
        return to_json(connection.execute(_COUNTS, [array_of(repository_ids)]).fetchall())

    key = CacheKey("/repositories", {"part": "counts"}, repository_ids)
    return {row["repository_id"]: row for row in orjson.loads(cached_part(connection, key, count))}


def _with_progress(row: dict[str, Any]) -> dict[str, Any]:
    progress = {name: row[name] for name in PROGRESS}
    rest = {name: value for name, value in row.items() if name not in PROGRESS}
    return {**rest, "backfilled_from": row["backfilled_from"], "progress": progress}


def read_as_built(read: Callable[[Connection, bool], T], *, of_primary: bool = False) -> T:
    """Read with the marts, or without while there are none: what was just added wants to be seen.

    Args:
        read: takes the connection, and whether there are marts.
        of_primary: what was just written is read, which a replica may not have yet.
    """
    database = current_database()
    try:
        with database.writing() if of_primary else database.reading() as connection:
            if of_primary:
                connection.execute("set transaction isolation level repeatable read, read only")
            return read(connection, True)
    except (NotBuiltError, errors.UndefinedTable, errors.InvalidSchemaName):
        with database.writing() if of_primary else database.snapshot() as connection:
            return read(connection, False)


@dataclass(frozen=True)
class MonitoredRepository:
    """A repository that is or was monitored."""

    repository_id: int
    full_name: str
    is_monitored: bool
    hook_id: int | None


def find_repository(connection: Primary, repository_id: int) -> MonitoredRepository | None:
    """A repository that is or was monitored; None: it never was, or was purged."""
    with connection.cursor(row_factory=class_row(MonitoredRepository)) as cursor:
        return cursor.execute(
            """
            select repository_id, full_name, removed_at is null as is_monitored, hook_id
            from app.repositories where repository_id = %s
            """,
            [repository_id],
        ).fetchone()


def monitored_ids(connection: Connection) -> set[int]:
    """The ids of all that is monitored."""
    rows = connection.execute(
        "select repository_id from app.repositories where removed_at is null"
    ).fetchall()
    return {row["repository_id"] for row in rows}


def is_selected_owner(connection: Connection, owner: str) -> bool:
    """Whether a repository of that owner, or all of them, is selected."""
    row = connection.execute(
        """
        select exists (
            select from app.repository_selections
            where removed_at is null and split_part(name, '/', 1) = lower(%s)
        ) as is_selected
        """,
        [owner],
    ).fetchone()
    return bool(row and row["is_selected"])


def add_repository(connection: Primary, principal: Principal, repository: Repository) -> None:
    """Monitor a repository from now on, in the caller's transaction."""
    repositories.add_repository(
        connection,
        repository.repository_id,
        repository.full_name,
        repository.visibility,
        added_by=principal.user_id,
    )
    # What was read of their rights before may be older than the repository.
    connection.execute(
        """
        update app.users set rights_invalid_before = clock_timestamp() where user_id = %s
        """,
        [principal.user_id],
    )
    _note(connection, "repository.added", principal, repository.repository_id, repository.full_name)


def remove_repository(
    connection: Primary, principal: Principal, known: MonitoredRepository
) -> None:
    """Stop monitoring a repository, in the caller's transaction: no answer shows it any more."""
    repositories.remove_repository(connection, known.repository_id, known.full_name)
    _note(connection, "repository.removed", principal, known.repository_id, known.full_name)


def _note(
    connection: Primary, action: str, principal: Principal, repository_id: int, full_name: str
) -> None:
    details: dict[str, Any] = {"full_name": full_name}
    audit.record(
        connection,
        action,
        user_id=principal.user_id,
        token_id=principal.token_id,
        repository_id=repository_id,
        **details,
    )
