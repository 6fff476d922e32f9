"""GET /metrics."""

import logging
from collections.abc import Iterable, Iterator
from itertools import chain

import psycopg
from flask import Blueprint, Response, current_app
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.auth.access import principal_if_any
from api.cache.backend import store_of
from api.database import current_database
from api.disk import disk_of
from api.endpoints import endpoint
from api.event_buffer import read_waiting
from api.prometheus import families
from api.prometheus.counters import counters_of
from api.prometheus.queries import Figures, read_figures

blueprint = Blueprint("metrics", __name__)
logger = logging.getLogger(__name__)


@blueprint.get("/metrics")
@endpoint(
    "Figures of this installation for Prometheus.",
    tag="installation",
    answer={"type": "string"},
    media_type="text/plain",
    has_freshness=False,
)
def get_metrics() -> Response:
    """In Prometheus' text format. Without a token or session it tells of the installation as a
    whole; of each repository that the viewer may see beside that; operators also see GitHub's
    limits by credential. While PostgreSQL or Redis is away the answer is still a 200 with what can
    be told, and `actionsight_database_up`, `actionsight_cache_up` or `actionsight_event_buffer_up`
    is 0."""
    given = chain(counters_of(current_app).collect(), _services())
    return Response(generate_latest(_Given(given)), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Given(Collector):
    """Families as they are."""

    def __init__(self, given: Iterable[Metric]) -> None:
        self._given = given

    def collect(self) -> Iterable[Metric]:
        return self._given


def _services() -> Iterator[Metric]:
    yield from families.of_buffer(read_waiting())
    yield from families.of_disk(disk_of(current_app).usage())
    if store := store_of(current_app):
        yield families.of_cache(store.is_up())
    if replica := current_database().replica:
        yield families.of_replica(replica.answers())
    figures = _figures()
    yield families.of_database(figures is not None)
    if figures is not None:
        yield from families.of_installation(figures)


def _figures() -> Figures | None:
    """What the database tells; None: it is away, or not migrated."""
    try:
        principal = principal_if_any()
        with current_database().snapshot() as connection:
            return read_figures(connection, principal)
    except psycopg.Error as error:
        logger.warning("the database did not answer for metrics: %s", error)
        return None
