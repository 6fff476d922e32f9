"""What the receiver has counted, as an application without a database can tell it."""

from collections.abc import Callable

from flask import Flask

from api.prometheus.counters import counters_of
from tests.api.prometheus.exposition import Exposition

Counted = Callable[[], dict[str, dict[str, float]]]


def counts_of(app: Flask) -> dict[str, dict[str, float]]:
    """`accepted` by event and `refused` by reason, as far as something was counted."""
    return counts_in(Exposition({each.name: each for each in counters_of(app).collect()}))


def counts_in(exposition: Exposition) -> dict[str, dict[str, float]]:
    """The same of a scrape."""
    accepted = exposition.by("actionsight_webhook_deliveries_total", "event")
    refused = exposition.by("actionsight_webhook_refusals_total", "reason")
    return {
        "accepted": {event: count for event, count in accepted.items() if count},
        "refused": {reason: count for reason, count in refused.items() if count},
    }
