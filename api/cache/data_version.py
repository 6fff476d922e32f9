"""In which version the data of some repositories is, read with the answer's own snapshot."""

from dataclasses import dataclass

from psycopg import sql

from actionsight.database import SNAPSHOT
from api.auth.authentication import Principal
from api.database import Connection, Reading, array_of, current_database
from api.freshness import FRESHNESS_COLUMNS, Freshness
from api.snapshots import Memo


@dataclass(frozen=True)
class DataVersion:
    """Of some repositories.

    Attributes:
        fingerprint: another one whenever an answer about them may be another.
        freshness: what travels beside an answer, and changes without it.
        unbuilt: marts of which not all rows are there.
    """

    fingerprint: str
    freshness: Freshness
    unbuilt: frozenset[str]


_kept: Memo[tuple[int, ...], DataVersion] = Memo(1000)


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
        {freshness},
        array(select model from marts.models where built_at is null) as unbuilt,
        {snapshot} as snapshot
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
).format(freshness=FRESHNESS_COLUMNS, snapshot=SNAPSHOT)
_STATEMENT = _DATA_VERSION.as_bytes()


def read_data_version(connection: Connection, repository_ids: tuple[int, ...]) -> DataVersion:
    """The version of the data of these repositories as far as they are monitored, in the snapshot
    of the connection; as long as that is the newest one, it is read once.

    Raises:
        psycopg.errors.UndefinedTable: the marts are not built.
    """
    if isinstance(connection, Reading) and (
        kept := _kept.find(repository_ids, connection.snapshot)
    ):
        return kept
    (row,) = connection.execute(_STATEMENT, [array_of(repository_ids)]).fetchall()
    fingerprint, unbuilt, snapshot = (row.pop(k) for k in ("fingerprint", "unbuilt", "snapshot"))
    version = DataVersion(fingerprint, Freshness(**row), frozenset(unbuilt))
    _kept.keep(repository_ids, snapshot, version)
    return version


def version_for(
    reading: Reading, principal: Principal, repository_ids: tuple[int, ...]
) -> DataVersion:
    """The version by which an answer is looked up. As long as nothing was read for it, that of the
    moment in which it was read what the principal may see: the transaction need not begin.

    Raises:
        psycopg.errors.UndefinedTable: the marts are not built.
        NotBuiltError: one of those that the answer may read is not.
    """
    if not reading.has_begun:
        version = _kept.find(repository_ids, principal.snapshot)
        if version is None:
            with current_database().looking() as connection:
                version = read_data_version(connection, repository_ids)
        if version.unbuilt.isdisjoint(reading.marts):
            return version
    return read_data_version(reading, repository_ids)
