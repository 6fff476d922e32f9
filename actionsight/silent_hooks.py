"""Webhooks of ours that have fallen silent: polls found what they did not tell.

`doctor`, `actionsight status`, GET /readyz and GET /metrics tell of the same ones. The numbers are
right without them, and only later, so it is worth a look and keeps nothing from being ready.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

# A webhook may be late; some runs without a word are no chance; and of a week the ledger knows all
# deliveries, whatever retention says.
LATE = timedelta(hours=1)
LEAST_RUNS = 3
LOOKED_AT = timedelta(days=7)


@dataclass(frozen=True)
class SilentHook:
    """A webhook of ours that told of none of so many runs, all since then."""

    repository_id: int
    full_name: str
    hook_id: int
    run_count: int
    since: datetime


def list_silent(connection: Connection[Any]) -> list[SilentHook]:
    """Webhooks of ours that told nothing while polls found runs; by the repository's name."""
    with connection.cursor(row_factory=class_row(SilentHook)) as cursor:
        return cursor.execute(
            """
            select
                repositories.repository_id,
                repositories.full_name,
                repositories.hook_id,
                missed.run_count,
                heard.since
            from app.repositories
            left join app.hook_secrets as known using (repository_id, hook_id)
            cross join lateral (
                select
                    greatest(
                        max(events.received_at), repositories.added_at, known.set_at, now() - %s
                    ) as since
                from raw.webhook_events as events
                where events.repository_id = repositories.repository_id
            ) as heard
            cross join lateral (
                select count(distinct runs.run_id) as run_count
                from raw.workflow_runs as runs
                where runs.repository_id = repositories.repository_id
                    and runs.created_at > heard.since
                    and runs.created_at < now() - %s
            ) as missed
            where repositories.removed_at is null
                and repositories.hook_id is not null
                and missed.run_count >= %s
            order by lower(repositories.full_name)
            """,
            [LOOKED_AT, LATE, LEAST_RUNS],
        ).fetchall()
