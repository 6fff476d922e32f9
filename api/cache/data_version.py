"""In which version the data of some repositories is, read with the answer's own snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from api.database import Connection, array_of
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


# Of a set of repositories the sum of their versions is another with each change: versions only
# rise. Beside it stands the newest time: marts that were dropped begin again at 1, and what was
# cached of the old ones must not be found then. A name is part of answers, and changes without a
# build.
_DATA_VERSION = sql.SQL(
    """
    select
        encode(sha256(convert_to(row(
            string_agg(full_name, ',' order by repositories.repository_id),
            count(data_versions.version),
            sum(data_versions.version),
            max(data_versions.changed_at)
        )::text, 'UTF8')), 'hex') as fingerprint,
        {freshness}
    from (
        select
            repository_id,
            full_name,
            newest_observation_at,
            -- Where a mart could not be built of late, its answers are of an earlier time.
            case when is_known is not false then least(observed_until, behind_until) end
                as observed_until
        from app.repositories
        left join (
            select
                repository_id,
                min(observed_until) as behind_until,
                bool_and(observed_until is not null) as is_known
            from marts.behind
            group by repository_id
        ) as behind using (repository_id)
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
    (row,) = connection.execute(_DATA_VERSION, [array_of(repository_ids)]).fetchall()
    return DataVersion(row.pop("fingerprint"), Freshness(**row))
