"""Retention: what of raw data, and of what is known of people, goes after a while; in which order.

Every step is a transaction of a batch, so a kill leaves nothing half done, and the next one goes
on. No statistic changes because raw rows went.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from actionsight.retention import people, polls, webhooks
from actionsight.retention.early import make_room
from actionsight.retention.logs import LOGS
from actionsight.retention.rule import Rule, Source, remove
from actionsight.retention.steps import STEPS
from actionsight.settings import Settings

__all__ = ["LOGS", "RULES", "STEPS", "Rule", "due", "make_room", "remove"]

# In this order: a delivery leaves the ledger once nothing is read from it any more, and the record
# of a load once the load itself went.
RULES: tuple[Rule[Connection[Any]], ...] = (
    webhooks.PAYLOADS,
    webhooks.DEAD_LETTERS,
    webhooks.RUNS,
    webhooks.JOBS,
    webhooks.DELIVERIES,
    webhooks.REDELIVERIES,
    webhooks.LISTINGS,
    STEPS,
    polls.POLLS,
    polls.BATCHES,
    polls.LOADS,
    polls.DIRECT_LOADS,
    polls.BUILT_LOADS,
    people.AUDIT,
    people.SESSIONS,
    people.GRANTS,
    people.TOKENS,
    people.PEOPLE,
)


def due(
    rules: Iterable[Rule[Source]], settings: Settings, now: datetime
) -> Iterator[tuple[Rule[Source], datetime]]:
    """Each rule that something goes by, with the moment before which it does."""
    for rule in rules:
        days: int = getattr(settings, rule.days)
        if days:
            yield rule, now - timedelta(days=days)
