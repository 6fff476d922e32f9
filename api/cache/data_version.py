"""In which version the data of some repositories is, read with the answer's own snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from api.database import Connection
from api.freshness import FRESHNESS_COLUMNS, Freshness


@dataclass(frozen=True)
class DataVersion:
    """Of some repositories.

    Attributes:
        fingerprint: another one whenever an answer about them may be another.
        freshness: what travels beside an answer, and changes without it.
    """

    fingerprint: str
    freshness: Freshness


# A version is named with its time: marts that were dropped begin again at 1, and what was cached
# of the old ones must not be found then. A name is part of answers, and changes without a build.
_DATA_VERSION = sql.SQL(
    """
    select
        encode(sha256(convert_to(coalesce(string_agg(
            row(
                repositories.repository_id,
                repositories.full_name,
                data_versions.version,
                data_versions.changed_at
            )::text,
            ',' order by repositories.repository_id
        ), ''), 'UTF8')), 'hex') as fingerprint,
        {freshness}
    from app.repositories
    left join marts.data_versions using (repository_id)
    where repositories.removed_at is null
        and repositories.repository_id = any(%s)
    """
).format(freshness=FRESHNESS_COLUMNS)


def read_data_version(connection: Connection, repository_ids: Sequence[int]) -> DataVersion:
    """The version of the data of these repositories as far as they are monitored.

    Raises:
        psycopg.errors.UndefinedTable: the marts are not built.
    """
    (row,) = connection.execute(_DATA_VERSION, [list(repository_ids)]).fetchall()
    return DataVersion(row.pop("fingerprint"), Freshness(**row))
