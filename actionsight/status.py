"""`actionsight status`: whether everything that an installation is made of does its work now.

Looks only, within a second or two, at what can fail while nobody looks; how an installation is set
up is `actionsight doctor`'s. It asks what `GET /readyz` and `GET /metrics` tell of, so that the
three agree.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import requests

from actionsight import doctor, loopback
from actionsight.database import connect
from actionsight.disk import Disk
from actionsight.findings import Finding
from actionsight.local.dagster_client import DagsterClient
from actionsight.local.installation import find_running
from actionsight.repositories import MonitoredRepository, list_monitored
from actionsight.settings import Settings

# As the alerts have it (docs/operators.md).
STALE = timedelta(hours=1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at each part: fine, worth a look (a warning), or not doing its work (wrong)."""
    running = find_running(settings)
    found = doctor.with_running_servers(settings)
    if running is None:
        yield Finding("Actionsight", "not running: `make up` starts it", is_wrong=True)
        return
    found = replace(found, receiver_port=running.receiver_port)
    yield from _core(found)
    if found.runs_broker_url is not None:
        yield doctor.worker_finding(found.runs_broker_url)
    yield _api(found)
    yield _receiver(found)
    yield _webserver(found)
    yield _disk(found)
    yield from _collection(found.database_url)
    yield from doctor.lost_webhook_findings(found)


def is_well(settings: Settings) -> bool:
    """Whether the servers serve, webhooks are drained, and Dagster's daemon works."""
    return not any(finding.is_wrong for finding in _core(settings))


def summary(settings: Settings) -> str:
    """The same in a line: what is wrong or worth a look, or that nothing is."""
    noticed = [each for each in examine(settings) if each.is_wrong or each.is_warning]
    return "; ".join(each.line() for each in noticed) or "all is well"


def _core(settings: Settings) -> Iterator[Finding]:
    """What collection rests on: without one of these data is late or lost."""
    yield _postgresql(settings.database_url)
    yield from doctor.event_buffer_findings(settings.redis_url, is_up=True)
    yield doctor.redis_finding("Cache", settings.cache_url, is_up=True)
    yield _daemon(settings)


def _postgresql(url: str | None) -> Finding:
    if url is None:
        return Finding("PostgreSQL", "not running", is_wrong=True)
    try:
        with connect(url, connect_timeout=5) as connection:
            connection.execute("select 1")
    except psycopg.Error as error:
        return Finding("PostgreSQL", f"cannot be reached: {str(error).strip()}", is_wrong=True)
    return Finding("PostgreSQL", "answers")


def _daemon(settings: Settings) -> Finding:
    if DagsterClient(settings.dagster_port, settings.dagster_host).daemons_are_healthy():
        return Finding("Dagster's daemon", "works")
    return Finding(
        "Dagster's daemon",
        "has sent no heartbeat, so nothing is polled, drained or built (logs/dagster-daemon.log)",
        is_wrong=True,
    )


def _webserver(settings: Settings) -> Finding:
    dagster = DagsterClient(settings.dagster_port, settings.dagster_host)
    if dagster.location_is_loaded():
        return Finding("Dagster's pages", dagster.url)
    return Finding(
        "Dagster's pages",
        f"do not answer on port {settings.dagster_port}, or the code server does not "
        "(logs/code-server.log)",
        is_wrong=True,
    )


def _api(settings: Settings) -> Finding:
    root = loopback.root_of(settings.host, settings.api_port)
    try:
        answer = loopback.get(f"{root}/readyz", headers=loopback.OUR_NAME)
        body: dict[str, Any] = answer.json()
    except requests.RequestException as error:
        return Finding(
            "API", f"does not answer on port {settings.api_port}: {error}", is_wrong=True
        )
    if body.get("type", "").endswith("not-built"):
        return Finding("API", "has no statistics before the first build", is_warning=True)
    if not answer.ok:
        return Finding("API", body.get("detail", answer.reason), is_wrong=True)
    return Finding("API", root)


def _receiver(settings: Settings) -> Finding:
    root = loopback.root_of(settings.host, settings.receiver_port or 0)
    try:
        answer = loopback.get(f"{root}/healthz", headers=loopback.OUR_NAME)
        answer.raise_for_status()
    except requests.RequestException as error:
        return Finding("Receiver of webhooks", f"does not answer: {error}", is_wrong=True)
    return Finding("Receiver of webhooks", f"{root}/webhooks/github")


def _disk(settings: Settings) -> Finding:
    usage = Disk(settings).measure()
    what = usage.line()
    if usage.is_full:
        what += ", and webhooks are refused: make room, or raise ACTIONSIGHT_DISK_GB"
    elif usage.is_nearly_full:
        what += ", and payloads of webhooks go early: make room, or raise ACTIONSIGHT_DISK_GB"
    return Finding("Disk", what, is_wrong=usage.is_full, is_warning=usage.is_nearly_full)


def _collection(url: str | None) -> Iterator[Finding]:
    """What is monitored: in trouble or not, how fresh it is, and what waits for a person."""
    try:
        with connect(str(url), connect_timeout=5) as connection:
            monitored = list_monitored(connection)
            dead_letters = doctor.count_dead_letters(connection)
    except psycopg.Error:
        return  # told above
    yield _repositories(monitored)
    yield _freshness(monitored)
    yield Finding(
        "Dead letters",
        f"{dead_letters:,}: `actionsight dead-letters list`" if dead_letters else "none",
        is_warning=bool(dead_letters),
    )


def _repositories(monitored: list[MonitoredRepository]) -> Finding:
    troubled = [
        repository.name
        for repository in monitored
        if repository.trouble or repository.unreachable_since
    ]
    if troubled:
        return Finding(
            "Repositories",
            f"{len(troubled):,} of {len(monitored):,} in trouble: {', '.join(troubled[:3])}"
            + (" …" if len(troubled) > 3 else "")
            + " (`actionsight repositories list`)",
            is_warning=True,
        )
    return Finding("Repositories", f"{len(monitored):,} monitored, none in trouble")


def _freshness(monitored: list[MonitoredRepository]) -> Finding:
    observed = [repository.observed_until for repository in monitored]
    if not observed or None in observed:
        return Finding("Freshness", "the first collection is under way", is_warning=not observed)
    oldest = min(filter(None, observed))
    age = datetime.now(UTC) - oldest
    return Finding(
        "Freshness",
        f"all is observed until {oldest:%Y-%m-%d %H:%M} UTC"
        + (": see Dagster's failed runs" if age > STALE else ""),
        is_warning=age > STALE,
    )
