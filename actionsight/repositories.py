"""What is monitored: the operator's selections and the repositories, with who may see them.

Only this module writes what is monitored and who may see it: the API, the command line, collection
and the drain of webhooks call it. How far a repository's collection has come stands in the same
rows, and is collection's.

A selection is `owner/*`, or `owner/name`, of which the next poll finds out GitHub's id.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import class_row

from actionsight.settings import check_repository_name

# Polled at once, and what went wrong before it was removed is over.
_ADD_AGAIN = sql.SQL(
    """
    update app.repositories set
        added_at = now(),
        added_by = null,
        removed_at = null,
        trouble = null,
        trouble_loop = null,
        trouble_since = null,
        failure_count = 0,
        next_try_at = null
    where removed_at is not null and {condition}
    """
)


@dataclass(frozen=True)
class MonitoredRepository:
    """A selection and how far its collection has come; times are UTC."""

    name: str
    repository_id: int | None
    visibility: str | None
    backfilled_from: datetime | None
    observed_until: datetime | None
    trouble: str | None
    unreachable_since: datetime | None


def list_monitored(connection: Connection[Any]) -> list[MonitoredRepository]:
    """All that is selected, by name."""
    with connection.cursor(row_factory=class_row(MonitoredRepository)) as cursor:
        cursor.execute(
            """
            select
                coalesce(repositories.full_name, selection.name) as name,
                repository_id,
                visibility,
                backfilled_from,
                observed_until,
                coalesce(repositories.trouble, selection.last_error) as trouble,
                unreachable_since
            from app.repository_selections as selection
            left join app.repositories using (repository_id)
            where selection.removed_at is null
            union all
            select
                full_name, repository_id, visibility, backfilled_from, observed_until, trouble,
                unreachable_since
            from app.repositories
            where selected_by is not null and removed_at is null
            order by 1
            """
        )
        return cursor.fetchall()


def find_removed(connection: Connection[Any], name: str) -> int | None:
    """GitHub's id of a repository of this name that is not monitored any more, the newest such."""
    row = connection.execute(
        """
        select repository_id from app.repositories
        where lower(full_name) = lower(%s) and removed_at is not null
        order by removed_at desc
        limit 1
        """,
        [name],
    ).fetchone()
    return None if row is None else int(row[0])


def unresolved_selections(connection: Connection[Any], slots: Sequence[int]) -> list[str]:
    """Names of these slots that are selected and that GitHub has not yet given an id for."""
    rows = connection.execute(
        """
        select name from app.repository_selections
        where repository_id is null and removed_at is null and name not like '%%/*'
            and app.collection_slot(name) = any(%s)
        order by added_at, name
        """,
        [slots],
    ).fetchall()
    return [name for (name,) in rows]


def followed_owners(
    connection: Connection[Any], listed_before: datetime | None, slots: Sequence[int]
) -> list[str]:
    """Owners of these slots of whom every repository is selected, if they were not listed since
    then."""
    rows = connection.execute(
        """
        select split_part(name, '/', 1) from app.repository_selections
        where removed_at is null and name like '%%/*'
            and (%(before)s::timestamptz is null or listed_at is null or listed_at < %(before)s)
            and app.collection_slot(name) = any(%(slots)s)
        order by added_at, name
        """,
        {"before": listed_before, "slots": slots},
    ).fetchall()
    return [owner for (owner,) in rows]


def add_selections(
    connection: Connection[Any], names: Iterable[str], *, again: bool = False
) -> list[str]:
    """Select repositories by `owner/name`; give those that were not selected before.

    A name that was removed by hand stays removed, unless `again` says otherwise: a setting that
    still lists it must not undo the operator's decision at every start.

    Raises:
        ValueError: a name is not of the form `owner/name`.
    """
    added = []
    for name in names:
        check_repository_name(name)
        row = connection.execute(
            """
            insert into app.repository_selections as selection (name) values (lower(%s))
            on conflict (name) do update set
                -- The name may belong to another repository by now: the next poll finds out.
                repository_id = null,
                removed_at = null,
                added_at = now()
            where %s and selection.removed_at is not null
            returning name
            """,
            [name, again],
        ).fetchone()
        if row is not None:
            added.append(name)
            connection.execute(
                _ADD_AGAIN.format(condition=sql.SQL("selected_by = lower(%s)")), [name]
            )
    return added


def remove_selection(connection: Connection[Any], name: str) -> bool:
    """Stop monitoring `owner/name`, or `owner/*` with all that it brought.

    The data stays, and no answer shows it. False where it is not monitored.
    """
    selected = connection.execute(
        """
        update app.repository_selections as selection set removed_at = now()
        where removed_at is null and (
            name = lower(%(name)s) or repository_id in (
                select repository_id from app.repositories where lower(full_name) = lower(%(name)s)
            )
        )
        returning repository_id
        """,
        {"name": name},
    ).fetchall()
    removed = connection.execute(
        """
        update app.repositories set removed_at = now()
        where removed_at is null and (
            repository_id = any(%(ids)s)
            or selected_by = lower(%(name)s)
            or (selected_by is not null and lower(full_name) = lower(%(name)s))
        )
        returning repository_id
        """,
        {"ids": [repository_id for (repository_id,) in selected], "name": name},
    ).fetchall()
    return bool(selected or removed)


def resolve_selection(
    connection: Connection[Any],
    name: str,
    repository_id: int,
    full_name: str,
    visibility: str,
    seen_at: datetime,
) -> None:
    """Note GitHub's id of a selection, as seen then; from now on the repository is monitored."""
    with connection.transaction():
        _monitor(connection, repository_id, full_name, visibility, seen_at)
        connection.execute(
            """
            update app.repository_selections set repository_id = %s, last_error = null
            where name = %s
            """,
            [repository_id, name],
        )


def refuse_selection(connection: Connection[Any], name: str, error: str) -> None:
    """Note why a selection could not be resolved; the next poll tries again."""
    connection.execute(
        "update app.repository_selections set last_error = %s where name = %s", [error, name]
    )


def save_listed_at(connection: Connection[Any], owner: str, listed_at: datetime) -> None:
    """All repositories of a followed owner are known as of then."""
    connection.execute(
        """
        update app.repository_selections set listed_at = %s, last_error = null where name = %s
        """,
        [listed_at, f"{owner}/*"],
    )


def list_owners_again(connection: Connection[Any], owners: Collection[str]) -> None:
    """Let the next poll list the repositories of these owners, where they are followed."""
    if not owners:
        return
    connection.execute(
        """
        update app.repository_selections
        set listed_at = least(listed_at, now() - interval '1 day')
        where name = any(%s) and listed_at is not null
        """,
        [sorted(f"{owner}/*" for owner in owners)],
    )


def add_repository(
    connection: Connection[Any],
    repository_id: int,
    full_name: str,
    visibility: str,
    *,
    added_by: int | None,
) -> None:
    """Select and monitor a repository that GitHub shows now, in the caller's transaction.

    Args:
        added_by: the person, by GitHub's id; None: a token of the command line.
    """
    _monitor(connection, repository_id, full_name, visibility, added_by=added_by)
    connection.execute(
        """
        insert into app.repository_selections (name, repository_id) values (lower(%s), %s)
        on conflict (name) do update set
            repository_id = excluded.repository_id,
            added_at = now(),
            removed_at = null,
            last_error = null
        """,
        [full_name, repository_id],
    )


def follow_repository(
    connection: Connection[Any],
    owner: str,
    repository_id: int,
    full_name: str,
    visibility: str,
    seen_at: datetime,
) -> bool:
    """Monitor a repository of a followed owner; True when it is new.

    One that was ever monitored is left as it is: somebody may have removed it by hand.
    """
    row = connection.execute(
        """
        insert into app.repositories (
            repository_id, full_name, visibility, visibility_seen_at, selected_by
        ) values (%s, %s, %s, %s, %s)
        on conflict (repository_id) do nothing
        returning repository_id
        """,
        [repository_id, full_name, visibility, seen_at, f"{owner}/*"],
    ).fetchone()
    return row is not None


def _monitor(
    connection: Connection[Any],
    repository_id: int,
    full_name: str,
    visibility: str,
    seen_at: datetime | None = None,
    *,
    added_by: int | None = None,
) -> None:
    """Monitor a repository for its own sake, whatever brought it before; `seen_at` None: now."""
    connection.execute(_ADD_AGAIN.format(condition=sql.SQL("repository_id = %s")), [repository_id])
    connection.execute(
        """
        insert into app.repositories as known (
            repository_id, full_name, visibility, visibility_seen_at, added_by
        )
        values (%(id)s, %(name)s, %(visibility)s, coalesce(%(seen_at)s, now()), %(added_by)s)
        on conflict (repository_id) do update set
            full_name = excluded.full_name,
            visibility = excluded.visibility,
            visibility_seen_at = excluded.visibility_seen_at,
            added_by = coalesce(excluded.added_by, known.added_by),
            selected_by = null,
            unreachable_since = null
        """,
        {
            "id": repository_id,
            "name": full_name,
            "visibility": visibility,
            "seen_at": seen_at,
            "added_by": added_by,
        },
    )


def remove_repository(connection: Connection[Any], repository_id: int, full_name: str) -> None:
    """Stop monitoring a repository, in the caller's transaction: no answer shows it any more."""
    connection.execute(
        """
        update app.repositories set removed_at = now()
        where repository_id = %s and removed_at is null
        """,
        [repository_id],
    )
    connection.execute(
        """
        update app.repository_selections set removed_at = now()
        where repository_id = %s and removed_at is null
        """,
        [repository_id],
    )
    # Its name stays removed, also where another selection brought it.
    connection.execute(
        """
        insert into app.repository_selections (name, repository_id, removed_at)
        values (lower(%s), %s, now())
        on conflict (name) do update set
            removed_at = coalesce(repository_selections.removed_at, now())
        """,
        [full_name, repository_id],
    )


def delete_repository(connection: Connection[Any], repository_id: int) -> None:
    """Forget a repository, but for its name: it stays removed, so that a setting that still lists
    it does not bring it back."""
    connection.execute(
        """
        update app.repository_selections set
            repository_id = null, removed_at = coalesce(removed_at, now())
        where repository_id = %s
        """,
        [repository_id],
    )
    connection.execute("delete from app.repositories where repository_id = %s", [repository_id])


def save_hook(connection: Connection[Any], repository_id: int, hook_id: int | None) -> None:
    """Note the webhook that we made there, or that it is gone."""
    connection.execute(
        "update app.repositories set hook_id = %s where repository_id = %s",
        [hook_id, repository_id],
    )


def update_repository(
    connection: Connection[Any],
    repository_id: int,
    full_name: str,
    visibility: str,
    seen_at: datetime,
) -> None:
    """Save a repository's present name, and its visibility as of then: it can be read."""
    connection.execute(
        """
        update app.repositories set
            full_name = %(name)s,
            visibility = %(visibility)s,
            visibility_seen_at = %(seen_at)s,
            unreachable_since = null
        where repository_id = %(id)s
        """,
        {"id": repository_id, "name": full_name, "visibility": visibility, "seen_at": seen_at},
    )


def reopen_repository(connection: Connection[Any], repository_id: int, seen_at: datetime) -> None:
    """GitHub said then that a repository is as it was stored last: webhooks may have closed it
    since."""
    connection.execute(
        """
        update app.repositories as repository set
            visibility = coalesce(stored.visibility, 'private'),
            visibility_seen_at = %s,
            unreachable_since = null
        from raw.repositories as stored
        where repository.repository_id = %s
            and stored.repository_id = repository.repository_id
        """,
        [seen_at, repository_id],
    )


def hide_repository(connection: Connection[Any], repository_id: int, noticed_at: datetime) -> None:
    """Treat a repository that cannot be read any more as private: it may have been made so."""
    connection.execute(
        """
        update app.repositories
        set visibility = 'private', unreachable_since = coalesce(unreachable_since, %s)
        where repository_id = %s
        """,
        [noticed_at, repository_id],
    )


def apply_webhooks(
    connection: Connection[Any],
    observed_at: Mapping[int, datetime],
    closed: Collection[int],
    changed: Collection[int],
) -> None:
    """Save what webhooks told of repositories, by their ids.

    Args:
        observed_at: when something new was seen of them.
        closed: which became private.
        changed: which the next poll is to look at.
    """
    touched = sorted({*observed_at, *closed, *changed})
    if not touched:
        return
    connection.execute(
        # Locked in the order of their ids: two that do so cannot wait for each other.
        """
        with touched as (
            select
                repositories.repository_id, change.observed_at, change.is_closed, change.is_changed
            from app.repositories
            inner join unnest(%s::bigint[], %s::timestamptz[], %s::boolean[], %s::boolean[])
                as change (repository_id, observed_at, is_closed, is_changed) using (repository_id)
            order by repositories.repository_id
            for update of repositories
        )

        update app.repositories set
            newest_observation_at = greatest(
                repositories.newest_observation_at, touched.observed_at
            ),
            visibility = case
                when touched.is_closed then 'private' else repositories.visibility
            end,
            looked_at = case when not touched.is_changed then repositories.looked_at end
        from touched
        where repositories.repository_id = touched.repository_id
        """,
        [
            touched,
            [observed_at.get(repository_id) for repository_id in touched],
            [repository_id in closed for repository_id in touched],
            [repository_id in changed for repository_id in touched],
        ],
    )


def invalidate_rights(
    connection: Connection[Any], repository_ids: Collection[int], owner: str | None
) -> None:
    """Let rights count no more that were read before, whoever holds them.

    They are those to the given repositories and to all of an owner; to every repository where
    neither is given. No person is touched: whoever has no right there is not asked for again,
    however many of these come. The clock, not now(): what tells of it can be younger than the
    transaction that it came into.
    """
    connection.execute(
        # In the same order as above.
        """
        with touched as (
            select repository_id from app.repositories
            where repository_id = any(%(ids)s)
                or lower(split_part(full_name, '/', 1)) = %(owner)s::text
                or (%(owner)s::text is null and %(ids)s::bigint[] = '{}')
            order by repository_id
            for no key update
        )

        update app.repositories
        set rights_invalid_before = greatest(
            repositories.rights_invalid_before, clock_timestamp()
        )
        from touched
        where repositories.repository_id = touched.repository_id
        """,
        {"ids": sorted(repository_ids), "owner": owner},
    )
