"""Which of what is monitored somebody may see: read once for a snapshot of the database."""

import time
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from actionsight.database import SNAPSHOT
from api.auth.permissions import RepositoryRoles
from api.database import Connection, Database, array_of
from api.snapshots import Memo


@dataclass(frozen=True)
class Visible:
    """What somebody may see.

    Attributes:
        repository_ids: in order.
        snapshot: in which that was read; None: it has no name.
    """

    repository_ids: tuple[int, ...]
    snapshot: str | None


@dataclass(frozen=True)
class _Kept:
    """Also what it was read for, and until when it holds though nothing changes
    (`time.monotonic`)."""

    visible: Visible
    readable: RepositoryRoles | None
    public_for: timedelta
    ends: float


# By person; None: whoever sees everything.
_kept: Memo[int | None, _Kept] = Memo(1000)

_VISIBLE = (
    sql.SQL(
        """
    select
        coalesce(array_agg(repository_id order by repository_id), '{{}}') as repository_ids,
        extract(
            epoch from min(visibility_seen_at) filter (where not %(sees_everything)s and is_public)
                + %(public_for)s - now()
        )::float as lasts,
        {snapshot} as snapshot
    from (
        select *, visibility = 'public' and visibility_seen_at > now() - %(public_for)s as is_public
        from app.repositories
    ) as repositories
    where removed_at is null and (
        %(sees_everything)s
        or (
            unreachable_since is null
            and (
                is_public
                or (
                    repository_id = any(%(readable)s)
                    and coalesce(rights_invalid_before < %(read_at)s, true)
                )
            )
        )
    )
        """
    )
    .format(snapshot=SNAPSHOT)
    .as_bytes()
)
_SNAPSHOT = sql.SQL("select {} as snapshot").format(SNAPSHOT).as_bytes()


def visible_to(
    database: Database,
    user_id: int | None,
    readable: RepositoryRoles | None,
    snapshot: str | None,
    public_for: timedelta,
) -> Visible:
    """What is monitored, as far as it is public or readable.

    Whether a repository is public is read after GitHub was asked, so that one that was closed
    meanwhile is closed. What nobody could confirm for too long is not public, and one that GitHub
    denies is for operators alone. A right that was read before a webhook took it is none.

    Args:
        user_id: of whom `readable` tells.
        readable: what GitHub lists for them; None: they see everything, whoever they are.
        snapshot: of a moment ago, of who sees everything: of others it is asked for now.
        public_for: so long a repository is public after GitHub said so.
    """
    key = None if readable is None else user_id
    if readable is not None:
        with database.looking() as connection:
            snapshot = _read_snapshot(connection)
    kept = _kept.find(key, snapshot)
    if (
        kept is not None
        and (kept.readable, kept.public_for) == (readable, public_for)
        and time.monotonic() < kept.ends
    ):
        return kept.visible
    began = time.monotonic()
    with database.looking() as connection:
        (row,) = connection.execute(
            _VISIBLE,
            {
                "sees_everything": readable is None,
                "public_for": public_for,
                "readable": array_of(readable.roles if readable else ()),
                "read_at": readable.read_at if readable else None,
            },
        ).fetchall()
    visible = Visible(tuple(row["repository_ids"]), row["snapshot"])
    ends = float("inf") if row["lasts"] is None else began + row["lasts"]
    _kept.keep(key, visible.snapshot, _Kept(visible, readable, public_for, ends))
    return visible


def _read_snapshot(connection: Connection) -> str | None:
    (row,) = connection.execute(_SNAPSHOT).fetchall()
    snapshot: str | None = row["snapshot"]
    return snapshot
