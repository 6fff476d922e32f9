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
    from (
        select
            repository_id,
            full_name,
            newest_observation_at,
            -- Where a mart could not be built of late, its answers are of an earlier time.
            case when is_known then least(observed_until, behind_until) end as observed_until
        from app.repositories
        left join lateral (
            select
                min(behind.observed_until) as behind_until,
                coalesce(bool_and(behind.observed_until is not null), true) as is_known
            from marts.behind
            where behind.repository_id = repositories.repository_id
        ) as behind on true
        where removed_at is null and repository_id = any(%s)
    ) as repositories
    left join marts.data_versions using (repository_id)
    """
).format(freshness=FRESHNESS_COLUMNS)


def read_data_version(connection: Connection, repository_ids: Sequence[int]) -> DataVersion:
    """The version of the data of these repositories as far as they are monitored.

    Raises:
        psycopg.errors.UndefinedTable: the marts are not built.
    """
    (row,) = connection.execute(_DATA_VERSION, [list(repository_ids)]).fetchall()
    return DataVersion(row.pop("fingerprint"), Freshness(**row))
