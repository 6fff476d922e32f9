"""How far collection has come with each repository, as a table on the poll's page."""

from typing import Any
from uuid import UUID

from dagster import MetadataValue, TableMetadataValue, TableRecord
from psycopg import Connection
from psycopg.rows import dict_row

# A page shows no more; those with the most left to do come first.
_ROWS = 200


def progress_of(connection: Connection[Any], poll_id: UUID) -> dict[str, TableMetadataValue]:
    """One row per repository: windows of history, job listings owed, what this poll did."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            """
            select
                repositories.full_name as repository,
                repositories.backfill_windows_completed as windows_completed,
                repositories.backfill_windows as windows,
                coalesce(to_char(repositories.backfilled_from, 'YYYY-MM-DD'), '') as history_from,
                coalesce(to_char(repositories.backfill_estimated_end, 'YYYY-MM-DD HH24:MI'), '')
                    as estimated_end,
                repositories.job_listings_owed,
                coalesce(sum(polls.request_count), 0)::bigint as requests,
                coalesce(sum(polls.seen), 0)::bigint as rows_seen,
                coalesce(sum(polls.changed), 0)::bigint as rows_changed,
                coalesce(max(polls.error), '') as trouble
            from app.repositories
            left join raw.polls
                on polls.repository_id = repositories.repository_id and polls.poll_id = %s
            where repositories.removed_at is null
            group by repositories.repository_id
            order by
                repositories.backfill_windows - repositories.backfill_windows_completed desc,
                repositories.job_listings_owed desc,
                repositories.full_name
            limit %s
            """,
            [poll_id, _ROWS],
        ).fetchall()
    if not rows:
        return {}
    return {"progress": MetadataValue.table([TableRecord(row) for row in rows])}
