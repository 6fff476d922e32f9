"""What is left of GitHub's limits, for those who watch."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection

from actionsight.github.rate_limit.models import RateLimitState


def save_rate_limit(
    connection: Connection[Any],
    rate_limit: RateLimitState,
    before: RateLimitState | None,
    seen_at: datetime,
) -> None:
    """What is left of a credential's limit, and what was asked with it since `before`."""
    counts: Mapping[str, int] = {
        name: getattr(rate_limit, name) - (getattr(before, name) if before else 0)
        for name in ("request_count", "unchanged_count", "refused_count")
    }
    connection.execute(
        """
        insert into app.github_budgets as stored (
            credential, request_limit, remaining, resets_at,
            request_count, unchanged_count, refused_count, seen_at
        ) values (
            %(credential)s, %(limit)s, %(remaining)s, %(resets_at)s,
            %(request_count)s, %(unchanged_count)s, %(refused_count)s, %(seen_at)s
        )
        on conflict (credential) do update set
            request_limit = excluded.request_limit,
            remaining = excluded.remaining,
            resets_at = excluded.resets_at,
            request_count = stored.request_count + excluded.request_count,
            unchanged_count = stored.unchanged_count + excluded.unchanged_count,
            refused_count = stored.refused_count + excluded.refused_count,
            seen_at = excluded.seen_at
        """,
        {
            "credential": rate_limit.credential,
            "limit": rate_limit.limit,
            "remaining": rate_limit.remaining,
            "resets_at": rate_limit.resets_at,
            "seen_at": seen_at,
            **counts,
        },
    )


def exhausted_until(connection: Connection[Any], share: float) -> datetime | None:
    """When GitHub's limit comes back, if every credential has less than a share of it left."""
    row = connection.execute(
        """
        select min(resets_at) from app.github_budgets
        where seen_at > now() - interval '1 hour'
        having bool_and(
            resets_at > now() and remaining <= request_limit * %s
        )
        """,
        [share],
    ).fetchone()
    return row[0] if row else None
