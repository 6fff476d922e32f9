"""Deliveries that GitHub could not make, and was asked in vain to make again.

`ingestion.webhooks.recovery` asks; `doctor`, `actionsight status`, GET /readyz and GET /metrics
tell of what it gave up.
"""

from datetime import timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import scalar_row

# How long GitHub keeps deliveries.
HISTORY = timedelta(days=3)


def count_given_up(connection: Connection[Any]) -> int:
    """How many deliveries were given up within the last three days.

    What they told is found by polls and by the sweep, and nobody can take them back: they are news
    of a receiver that is not reached, and no list of what is to be done.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        counted: int = cursor.execute(
            "select count(*) from raw.webhook_redeliveries where given_up_at > now() - %s",
            [HISTORY],
        ).fetchall()[0]
        return counted
