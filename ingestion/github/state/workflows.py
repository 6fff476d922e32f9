"""The stored workflows of a repository."""

from collections.abc import Collection
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import dict_row

from ingestion.github.schema import WORKFLOWS, Row
from ingestion.github.state.raw_rows import as_payloads


def unlisted_workflows(
    connection: Connection[Any], repository_id: int, listed: Collection[int]
) -> list[Row]:
    """The rows of a repository's workflows that are not among the listed and not gone already."""
    query = sql.SQL(
        """
        select {} from raw.workflows
        where repository_id = %s and workflow_id <> all(%s) and gone_at is null
        """
    ).format(as_payloads(WORKFLOWS.columns))
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, [repository_id, list(listed)]).fetchall()
