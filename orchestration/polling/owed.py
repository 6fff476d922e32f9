"""What is owed beside polls: history that is not read yet, with its jobs, and sweeps."""

from datetime import datetime, timedelta

from actionsight.database import connect


def history_is_owed(database_url: str, backfill_days: int) -> bool:
    """Whether some monitored repository lacks history that can be asked for now."""
    with connect(database_url) as connection:
        row = connection.execute(
            """
            select exists (
                select from app.repositories
                where removed_at is null
                    and unreachable_since is null
                    and head_since is not null
                    and (
                        backfill_target is null
                        or backfill_target > now() - %s
                        or exists (
                            select from raw.backfill_windows as unread
                            where unread.repository_id = repositories.repository_id
                                and unread.completed_at is null
                        )
                        or exists (
                            select from raw.owed_job_listings as owed
                            where owed.repository_id = repositories.repository_id
                                and owed.began_at < repositories.head_since
                                and (owed.not_before is null or owed.not_before <= now())
                        )
                    )
            )
            """,
            [timedelta(days=backfill_days)],
        ).fetchone()
    return row == (True,)


def sweep_is_due(database_url: str, every: timedelta) -> bool:
    """Whether some repository was not swept for so long."""
    with connect(database_url) as connection:
        row = connection.execute(
            """
            select exists (
                select from app.repositories
                where removed_at is null and unreachable_since is null
                    and coalesce(swept_at, head_since) <= now() - %s
            )
            """,
            [every],
        ).fetchone()
    return row == (True,)


def waits_until(database_url: str, share: float) -> datetime | None:
    """When GitHub's limit comes back, if every credential has less than a share of it left."""
    with connect(database_url) as connection:
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
