"""How fresh an answer is: how far its numbers can be trusted, and when something new was seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from api.database import Connection, array_of


@dataclass(frozen=True)
class Freshness:
    """Of some repositories (UTC; None: not known).

    Attributes:
        as_of: up to when all of them have been observed and built.
        newest_observation_at: when something new was last seen of any of them, by a webhook or a
            poll. A quiet repository has an old one, and can be trusted all the same.
    """

    as_of: datetime | None
    newest_observation_at: datetime | None


# Over rows of app.repositories; one that is not observed yet makes the whole unknown.
FRESHNESS_COLUMNS = sql.SQL(
    """
    case when bool_and(observed_until is not null) then min(observed_until) end as as_of,
    max(newest_observation_at) as newest_observation_at
    """
)


def read_freshness(
    connection: Connection, repository_ids: Sequence[int] | None = None
) -> Freshness:
    """The freshness of these repositories as far as they are monitored; of all without an argument.

    Raises:
        psycopg.errors.UndefinedTable: the database is not migrated.
    """
    row = connection.execute(
        sql.SQL(
            """
            select {columns}
            from app.repositories
            where removed_at is null
                and (%(repositories)s::bigint[] is null or repository_id = any(%(repositories)s))
            """
        ).format(columns=FRESHNESS_COLUMNS),
        {"repositories": None if repository_ids is None else array_of(repository_ids)},
    ).fetchone()
    return Freshness(**row) if row else Freshness(None, None)
