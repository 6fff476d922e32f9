"""What the database knows of collection, as numbers."""

from dataclasses import dataclass
from typing import Any, get_args

from psycopg import sql

from actionsight.redeliveries import count_given_up
from actionsight.silent_hooks import list_silent
from api.auth.authentication import Principal
from api.database import Primary, array_of
from api.repositories.queries import STATE
from api.repositories.records import State


@dataclass(frozen=True)
class Figures:
    """Rows by column; what a principal may not see is empty.

    Attributes:
        installation: one row, for everybody.
        budgets: GitHub's limits by credential, for operators.
        states: how many of the principal's repositories are in each state; None: nobody asks.
        repositories: the principal's.
    """

    installation: dict[str, Any]
    budgets: list[dict[str, Any]]
    states: dict[str, int] | None
    repositories: list[dict[str, Any]]


_INSTALLATION = """
    select
        letters.dead_letters,
        extract(epoch from now() - observed.observed_until)::float8 as observation_age,
        budgets.request_count,
        budgets.unchanged_count,
        budgets.refused_count
    from (
        select count(*) as dead_letters from raw.webhook_dead_letters where discarded_at is null
    ) as letters
    cross join (
        select case when bool_and(observed_until is not null) then min(observed_until) end
            as observed_until
        from app.repositories where removed_at is null
    ) as observed
    cross join (
        select
            coalesce(sum(request_count), 0)::bigint as request_count,
            coalesce(sum(unchanged_count), 0)::bigint as unchanged_count,
            coalesce(sum(refused_count), 0)::bigint as refused_count
        from app.github_budgets
    ) as budgets
"""
_BUDGETS = """
    select
        credential,
        request_limit,
        -- What GitHub said holds until its hour is over.
        case when resets_at < now() then request_limit else remaining end as remaining,
        extract(epoch from resets_at)::float8 as resets_at
    from app.github_budgets
    order by credential
"""
_REFUSED = """
    select count(*) as count from app.repository_selections
    where removed_at is null and last_error is not null
"""
_REPOSITORIES = sql.SQL(
    """
    select
        monitored.repository_id::text as repository_id,
        monitored.full_name as repository,
        {state} as state,
        (monitored.trouble is null and monitored.unreachable_since is null)::int as is_up,
        extract(epoch from monitored.trouble_since)::float8 as trouble_since,
        extract(epoch from monitored.unreachable_since)::float8 as unreachable_since,
        monitored.failure_count,
        extract(epoch from monitored.next_try_at)::float8 as next_try_at,
        extract(epoch from now() - monitored.observed_until)::float8 as observation_age,
        monitored.backfill_windows,
        monitored.backfill_windows_completed,
        extract(epoch from monitored.backfill_target)::float8 as backfill_target,
        extract(epoch from monitored.backfilled_from)::float8 as backfilled_from,
        monitored.job_listings_owed
    from app.repositories as monitored
    where monitored.repository_id = any(%s) and monitored.removed_at is null
    order by monitored.repository_id
    """
).format(state=STATE)


def read_figures(connection: Primary, principal: Principal | None) -> Figures:
    """All that this principal may see.

    Args:
        principal: None: nobody known.

    Raises:
        psycopg.errors.UndefinedTable: the database is not migrated.
    """
    (installation,) = connection.execute(_INSTALLATION).fetchall()
    installation["deliveries_given_up"] = count_given_up(connection)
    silent = list_silent(connection)
    installation["silent_webhooks"] = len(silent)
    budgets: list[dict[str, Any]] = []
    if principal is None:
        return Figures(installation, budgets, None, [])
    if principal.is_operator:
        budgets = connection.execute(_BUDGETS).fetchall()
        (refused,) = connection.execute(_REFUSED).fetchall()
        installation["selections_refused"] = refused["count"]
    repositories = connection.execute(
        _REPOSITORIES, [array_of(principal.repository_ids)]
    ).fetchall()
    silent_since = {str(hook.repository_id): hook.since.timestamp() for hook in silent}
    for row in repositories:
        row["webhook_silent_since"] = silent_since.get(row["repository_id"])
    states = dict.fromkeys(get_args(State), 0)
    for row in repositories:
        states[row["state"]] += 1
    return Figures(installation, budgets, states, repositories)
