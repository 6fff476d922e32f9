"""ETags of listings whose rows are stored: GitHub need not send them again."""

from datetime import datetime
from typing import Any

from psycopg import Connection

# URL, token key, ETag.
Etag = tuple[str, str, str]


def stored_etags(connection: Connection[Any], listing: str) -> dict[int, Etag]:
    """URL, token key and ETag of a listing that is stored, by repository id."""
    rows = connection.execute(
        "select repository_id, url, token_key, etag from raw.etags where listing = %s", [listing]
    ).fetchall()
    return {repository_id: (url, key, etag) for repository_id, url, key, etag in rows}


def save_etag(
    connection: Connection[Any],
    repository_id: int,
    listing: str,
    etag: Etag,
    saved_at: datetime,
) -> None:
    """What this ETag stands for is stored: GitHub need not send it again."""
    url, token_key, value = etag
    connection.execute(
        """
        insert into raw.etags (repository_id, listing, url, token_key, etag, saved_at)
        values (%s, %s, %s, %s, %s, %s)
        on conflict (repository_id, listing) do update set
            url = excluded.url,
            token_key = excluded.token_key,
            etag = excluded.etag,
            saved_at = excluded.saved_at
        """,
        [repository_id, listing, url, token_key, value, saved_at],
    )
