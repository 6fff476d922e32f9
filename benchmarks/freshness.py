"""How long until a webhook shows: from its 202 to `GET /runs/{id}`, under all of `make up`.

    .venv/bin/python -m benchmarks.freshness [--rate 35] [--minutes 10]

Starts the demonstration in a folder of its own, waits for its first build, then delivers signed
events at a rate, 35 a second as in the largest organisation (real payloads of fifty runs beside
each other, which begin, go through their jobs and end), while the demonstration's own polls,
webhooks and builds go on. For the first and the last event of every run it measures

    202 → drained (its ledger row committed) → visible

The bound that is wanted is 8 s from 202 to visible, for 95 of 100.
"""

import argparse
import http
import statistics
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from actionsight.database import connect
from actionsight.migrations import with_dagster_database
from benchmarks.events import Event, events_of
from benchmarks.idle import cpu_seconds
from benchmarks.installation import (
    PATIENCE_SECONDS,
    REPOSITORY_IDS,
    Installation,
    installation,
)

LOOK_SECONDS = 0.2
WATCHED = ("requested", "completed")
SLOWEST = 5


@dataclass
class Watched:
    """An event that is waited for: when it was accepted, and when it was served first."""

    delivery_id: str
    event: Event
    accepted_at: datetime
    visible_at: datetime | None = None

    @property
    def seconds(self) -> float:
        """From 202 to visible."""
        assert self.visible_at is not None
        return (self.visible_at - self.accepted_at).total_seconds()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=35, help="events a second (35)")
    parser.add_argument("--minutes", type=float, default=10, help="for how long (10)")
    arguments = parser.parse_args()
    with installation() as live:
        used, began = cpu_seconds(live.process), time.monotonic()
        watched = _deliver_and_watch(live, arguments.rate, arguments.minutes * 60)
        seconds = time.monotonic() - began
        _report(live, watched)
        print("\nCPU, % of a core:")
        for label, after in sorted(cpu_seconds(live.process).items()):
            print(f"{label:<40}{(after - used[label]) / seconds:8.1%}")


def _deliver_and_watch(live: Installation, rate: float, seconds: float) -> Sequence[Watched]:
    waiting: deque[Watched] = deque()
    seen: list[Watched] = []
    is_over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(live, waiting, seen, is_over))
    watcher.start()
    try:
        began = time.monotonic()
        for number, event in enumerate(events_of(REPOSITORY_IDS)):
            due = began + number / rate
            if due > began + seconds:
                break
            time.sleep(max(0.0, due - time.monotonic()))
            delivery_id = str(uuid.uuid4())
            live.deliver(delivery_id, event)
            if event.name == "workflow_run" and event.action in WATCHED:
                waiting.append(Watched(delivery_id, event, datetime.now(UTC)))
    finally:
        is_over.set()
        watcher.join()
    if waiting:
        raise SystemExit(f"run {waiting[0].event.run_id} does not show")
    return seen


def _watch(
    live: Installation,
    waiting: deque[Watched],
    seen: list[Watched],
    is_over: threading.Event,
) -> None:
    """Look for the first that waits, then for the next: they show in the order in which they came,
    and one that does not would be told late, never early."""
    while waiting or not is_over.is_set():
        first = waiting[0] if waiting else None
        if first is not None and _is_visible(live, first.event):
            first.visible_at = datetime.now(UTC)
            seen.append(waiting.popleft())
            continue
        if first is not None:
            waited = (datetime.now(UTC) - first.accepted_at).total_seconds()
            if waited > PATIENCE_SECONDS:
                return
        time.sleep(LOOK_SECONDS)


def _is_visible(live: Installation, event: Event) -> bool:
    status, body = live.get(f"/runs/{event.run_id}")
    return status == http.HTTPStatus.OK and (
        event.action == "requested" or body["data"]["status"] == "completed"
    )


def _report(live: Installation, watched: Sequence[Watched]) -> None:
    drained = _drained(live.database_url, [each.delivery_id for each in watched])
    stages: dict[str, list[float]] = {
        "202 → drained": [
            (drained[each.delivery_id] - each.accepted_at).total_seconds() for each in watched
        ],
        "drained → visible": [
            (each.visible_at - drained[each.delivery_id]).total_seconds()
            for each in watched
            if each.visible_at is not None
        ],
        "202 → visible": [each.seconds for each in watched],
    }
    print(f"{len(watched)} events watched, seconds")
    print(f"{'':<30}{'p50':>8}{'p90':>8}{'p95':>8}{'p99':>8}{'max':>8}")
    for name, values in stages.items():
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        percentiles = "".join(f"{cuts[percent - 1]:>8.1f}" for percent in (50, 90, 95, 99))
        print(f"{name:<30}{percentiles}{max(values):>8.1f}")

    print("\nthe slowest, accepted at (UTC):")
    for each in sorted(watched, key=lambda each: -each.seconds)[:SLOWEST]:
        waited = (drained[each.delivery_id] - each.accepted_at).total_seconds()
        print(
            f"{each.accepted_at:%H:%M:%S}  drained after {waited:.1f} s, "
            f"visible after {each.seconds:.1f} s"
        )
    print("\nruns of Dagster's meanwhile:")
    runs = _runs(live.database_url, watched[0].accepted_at)
    for name, count in Counter(name for name, _, _ in runs).items():
        lengths = [seconds for other, _, seconds in runs if other == name and seconds]
        longest = f", {statistics.median(lengths):.0f} s in the median" if lengths else ""
        print(f"{name:<30}{count:>8}{longest}")
    print(f"{'passes of builds':<30}{_passes(live.database_url, watched[0].accepted_at):>8}")
    builds = [f"{moment:%H:%M:%S}" for name, moment, _ in runs if name == "build"]
    print("builds began at: " + ", ".join(builds))


def _drained(database_url: str, delivery_ids: list[str]) -> dict[str, datetime]:
    with connect(database_url) as connection:
        rows = connection.execute(
            """
            select delivery_id, drained_at
            from raw.webhook_events
            inner join raw.webhook_batches using (batch_id)
            where delivery_id = any(%s)
            """,
            [delivery_ids],
        ).fetchall()
    return dict(rows)


def _passes(database_url: str, since: datetime) -> int:
    with connect(database_url) as connection:
        row = connection.execute(
            "select count(distinct built_at) from marts.built_loads where built_at >= %s", [since]
        ).fetchone()
    return row[0] if row else 0


def _runs(database_url: str, since: datetime) -> list[tuple[str, datetime, float | None]]:
    """Runs since a moment: of which job, when their process began to work, and how long it did."""
    with psycopg.connect(with_dagster_database(database_url)) as connection:
        rows = connection.execute(
            "select pipeline_name, start_time, end_time - start_time from runs "
            "where start_time >= %s order by start_time",
            [since.timestamp()],
        ).fetchall()
    return [(name, datetime.fromtimestamp(start, UTC), seconds) for name, start, seconds in rows]


if __name__ == "__main__":
    main()
