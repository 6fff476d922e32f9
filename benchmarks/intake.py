"""How webhooks are taken in: by the receiver, by the drain, and both beside everything else.

    .venv/bin/python -m benchmarks.intake [--parts receiver drain beside backlog]

`receiver`: signed real payloads go in turn to it and to a bare Flask view that makes the same XADD,
under granian of the same size; the event buffer is the embedded Valkey, which has each event on
disk before it answers. Then what the parts of a delivery cost by themselves.
`drain`: 20,000 events, in turn with bare COPYs of the very rows that it wrote, as many at once; and
the bytes of its tables.
`beside`: 200 events a second to the receiver of a whole installation, which drains and builds them.
`backlog`: 100,000 events that wait there are drained and built while 35 a second come; memory.

The ratios within one run are what can be compared between machines.
"""

import argparse
import statistics
import tempfile
import time
import uuid
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any, LiteralString, NamedTuple

import orjson
import psutil  # pyrefly: ignore[untyped-import]
import redis
from psycopg import Connection, sql

from actionsight.api_server import RECEIVER, RECEIVER_SIZE
from actionsight.database import connect
from actionsight.event_buffer import (
    COMPRESSION_LEVEL,
    DRAIN_TIMEOUT_SECONDS,
    STREAM,
    EventBuffer,
)
from actionsight.local import PostgresqlServer, ValkeyServer, hold
from actionsight.local.valkey import EVENT_BUFFER
from actionsight.locks import WEBHOOK_LOCK
from actionsight.settings import Settings
from actionsight.settings import load as load_settings
from benchmarks.breakdown import print_breakdown
from benchmarks.events import (
    FIRST_ID,
    Event,
    events_of,
    headers_of,
    read_deliveries,
    requests_of,
)
from benchmarks.idle import MEGABYTE, label_of, processes_of
from benchmarks.installation import REPOSITORY_IDS, Installation, installation
from benchmarks.load import Load, Senders
from ingestion.webhooks.drain import drain
from tests.support.granian import served
from tests.support.services import migrate

PARTS = ("receiver", "drain", "beside", "backlog")
SECRET = "a secret of the benchmark"  # noqa: S105 it protects nothing
REQUEST_COUNT = 1_000
PACE = 200  # requests a second
ROUNDS = 4
SECONDS = 3.0
DRAINED = 20_000
BESIDE_SECONDS = 60
BACKLOG = 100_000
NEW = 35  # events a second
TOGETHER = 500
LEDGER = "webhook_deliveries"
OBSERVATIONS = ("webhook_runs", "webhook_jobs")
TABLES = (LEDGER, "webhook_payloads", *OBSERVATIONS)


class BareCopy(NamedTuple):
    """In which form rows are copied, and whether their tables have keys (foreign ones, too) and
    indexes."""

    form: LiteralString
    has_keys: bool


# In the form that the drain sends, and in text, which takes PostgreSQL longer.
BARE_COPIES = {
    "COPY, keys and indexes": BareCopy("binary", has_keys=True),
    "COPY as text, the same": BareCopy("text", has_keys=True),
    "COPY, neither": BareCopy("binary", has_keys=False),
}


def main() -> None:
    """Measure, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parts = parser.parse_args().parts
    with tempfile.TemporaryDirectory(prefix="actionsight-intake-") as name:
        Path(name).chmod(0o755)
        if "receiver" in parts:
            measure_receiver(Path(name))
        if "drain" in parts:
            measure_drain(Path(name))
    if "beside" in parts:
        with installation() as live:
            measure_beside(live)
    if "backlog" in parts:
        with installation() as live:
            measure_backlog(live)


def measure_receiver(folder: Path) -> None:
    """Print what it takes a second and how long a delivery waits, beside the bare view."""
    with hold(ValkeyServer(folder / "valkey", "the event buffer", EVENT_BUFFER)) as url:
        settings = settings_of(url)
        environment = settings.environment()
        events = list(islice(events_of(REPOSITORY_IDS), REQUEST_COUNT))
        with (
            Senders(requests_of(events, SECRET.encode())) as senders,
            served(RECEIVER, environment, folder / "receiver.log") as receiver,
            served(
                "benchmarks.bare:app", environment, folder / "bare.log", size=RECEIVER_SIZE
            ) as bare,
        ):
            received, bared = compare(senders, (receiver, bare), url)
            paced = senders.load(receiver, 2 * SECONDS, PACE)
        print_load("receiver", together(received))
        print_load("bare view", together(bared))
        print_ratios(
            "receiver ÷ bare view",
            [ours.rate / theirs.rate for ours, theirs in zip(received, bared, strict=True)],
        )
        print_load(f"receiver at {PACE} a second", paced)
        print("\nby itself, the median of one call after the other:")
        print_breakdown([body for _, body in read_deliveries()], settings, folder)


def settings_of(redis_url: str) -> Settings:
    """A receiver's settings; its database does not exist, since none is asked."""
    return replace(
        load_settings(environ={}),
        database_url="postgresql://nobody@127.0.0.1:1/nothing",
        redis_url=redis_url,
        github_webhook_secret=(SECRET,),
    )


def compare(senders: Senders, ports: Sequence[int], url: str) -> list[list[Load]]:
    """Loads of each server in turn, round after round; a first round only warms them up."""
    loads: list[list[Load]] = [[] for _ in ports]
    with redis.Redis.from_url(url) as client:
        for number in range(ROUNDS + 1):
            for port, own in zip(ports, loads, strict=True):
                own.append(senders.load(port, SECONDS if number else 0.5))
                client.flushall()
    return [own[1:] for own in loads]


def together(loads: Sequence[Load]) -> Load:
    """All rounds as one: the median of their rates, the latencies of all."""
    rate = statistics.median(each.rate for each in loads)
    return Load(rate, [latency for each in loads for latency in each.latencies])


def print_load(label: str, load: Load) -> None:
    """One line of the report."""
    print(
        f"{label:<30} {load.rate:7,.0f} /s   p50 {load.percentile(50) * 1e3:6.1f} ms   "
        f"p99 {load.percentile(99) * 1e3:6.1f} ms",
        flush=True,
    )


def print_ratios(label: str, ratios: Sequence[float]) -> None:
    """The median of the rounds, and each."""
    rounds = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"{label:<30} {statistics.median(ratios):7.2f}      (rounds: {rounds})", flush=True)


def measure_drain(folder: Path) -> None:
    """Print how many events it drains a second, beside bare COPYs of what came of them."""
    seconds = defaultdict[str, list[float]](list)
    bytes_each: dict[str, float] = {}
    with (
        hold(PostgresqlServer(folder / "postgres")) as database_url,
        hold(ValkeyServer(folder / "buffer", "the event buffer", EVENT_BUFFER)) as redis_url,
    ):
        migrate(database_url, folder)
        buffer = EventBuffer(redis_url, timeout_seconds=DRAIN_TIMEOUT_SECONDS)
        with connect(database_url, autocommit=True) as connection:
            connection.execute(
                "insert into app.repositories (repository_id, full_name) "
                "select unnest(%s::bigint[]), 'octo/app'",
                [list(REPOSITORY_IDS)],
            )
            for _ in range(ROUNDS):
                fill(redis_url, islice(events_of(REPOSITORY_IDS), DRAINED))
                began = time.perf_counter()
                result = drain(database_url, buffer)
                seconds["drain"].append(time.perf_counter() - began)
                assert result.new_count == DRAINED, result
                for label, bare in BARE_COPIES.items():
                    batches = _copied_out(connection, result.batch_ids, bare.form)
                    seconds[label].append(_copy_in(connection, batches, bare))
                bytes_each = _bytes_each(connection)
                connection.execute("truncate raw.webhook_deliveries, raw.webhook_payloads cascade")
        buffer.close()
    print(f"\n{DRAINED:,} events")
    for label, taken in seconds.items():
        print(f"{label:<30} {DRAINED / statistics.median(taken):7,.0f} /s")
    for label in BARE_COPIES:
        pairs = zip(seconds[label], seconds["drain"], strict=True)
        print_ratios(f"drain ÷ {label}", [bare / ours for bare, ours in pairs])
    for table, size in bytes_each.items():
        print(f"{table:<30} {size:7,.0f} bytes an event, indexes included")


def _bytes_each(connection: Connection[Any]) -> dict[str, float]:
    """What an event takes in each table; one whose payloads lie in partitions is all of them."""
    rows = connection.execute(
        """
        select
            name,
            pg_total_relation_size(kept) + coalesce(
                (select sum(pg_total_relation_size(relid)) from pg_partition_tree(kept)), 0
            )
        from unnest(%s::text[]) as name, to_regclass('raw.' || name) as kept
        """,
        [list(TABLES)],
    )
    return {table: float(size) / DRAINED for table, size in rows}


def fill(redis_url: str, events: Iterator[Event]) -> None:
    """Buffer events as the receiver would, many with one flush to disk."""
    with redis.Redis.from_url(redis_url) as client:
        while some := list(islice(events, TOGETHER)):
            with client.pipeline(transaction=False) as pipeline:
                for event in some:
                    headers = headers_of(str(uuid.uuid4()), event, b"")
                    del headers["X-Hub-Signature-256"]
                    pipeline.xadd(
                        STREAM,
                        {
                            "headers": orjson.dumps({k.lower(): v for k, v in headers.items()}),
                            "body": zlib.compress(event.body, COMPRESSION_LEVEL),
                        },
                    )
                pipeline.execute()


def _copied_out(
    connection: Connection[Any], batch_ids: Sequence[str], form: LiteralString
) -> list[dict[str, bytes]]:
    """What each batch wrote into each table."""
    batches = []
    for batch_id in batch_ids:
        batch = {}
        for table in TABLES:
            statement = sql.SQL(
                "copy (select * from {} where delivery_id in (select delivery_id from {}"
                " where batch_id = {})) to stdout (format {})"
            ).format(
                sql.Identifier("raw", table),
                sql.Identifier("raw", LEDGER),
                sql.Literal(batch_id),
                sql.SQL(form),
            )
            with connection.cursor().copy(statement) as copy:
                batch[table] = b"".join(bytes(data) for data in copy)
        batches.append(batch)
    return batches


def _copy_in(
    connection: Connection[Any], batches: Sequence[dict[str, bytes]], bare: BareCopy
) -> float:
    """Seconds of the same into empty tables, a transaction a batch."""
    connection.execute("drop schema if exists bare cascade")
    connection.execute("create schema bare")
    like = sql.SQL("including all" if bare.has_keys else "including storage")
    for table in TABLES:
        connection.execute(
            sql.SQL("create table {} (like {} {})").format(
                sql.Identifier("bare", table), sql.Identifier("raw", table), like
            )
        )
    if bare.has_keys:
        for table in OBSERVATIONS:
            connection.execute(
                sql.SQL("alter table {} add foreign key (delivery_id) references {}").format(
                    sql.Identifier("bare", table), sql.Identifier("bare", LEDGER)
                )
            )
    began = time.perf_counter()
    for batch in batches:
        with connection.transaction():
            for table, data in batch.items():
                statement = sql.SQL("copy {} from stdin (format {})").format(
                    sql.Identifier("bare", table), sql.SQL(bare.form)
                )
                with connection.cursor().copy(statement) as copy:
                    copy.write(data)
    return time.perf_counter() - began


def measure_beside(live: Installation) -> None:
    """Print how long deliveries wait while the same installation drains and builds them."""
    count = BESIDE_SECONDS * PACE
    events = islice(events_of(REPOSITORY_IDS), count)
    with Senders(requests_of(events, live.secret)) as senders:
        began_at = datetime.now(UTC)
        load = senders.load(live.receiver_port, BESIDE_SECONDS, PACE)
    print_load(f"\nbeside drains and builds, {PACE}", load)
    with connect(live.database_url) as connection:
        row = connection.execute(
            """
            select count(*), coalesce(sum(event_count), 0),
                (select count(*) from marts.built_loads where built_at >= %(since)s)
            from raw.webhook_batches where drained_at >= %(since)s
            """,
            {"since": began_at},
        ).fetchone()
    print("meanwhile {} batches of {} events were drained, {} built".format(*row or ()))


@dataclass
class Peak:
    """The most that one process of a kind held at a look, and all processes together did."""

    resident: dict[str, int] = field(default_factory=dict)
    proportional: dict[str, int] = field(default_factory=dict)
    together: int = 0

    def look(self, first: psutil.Process) -> None:
        """Look at a process and all that descend from it."""
        total = 0
        for process in processes_of(first):
            try:
                label, held = label_of(process), process.memory_full_info()
            except psutil.NoSuchProcess:
                continue
            self.resident[label] = max(self.resident.get(label, 0), held.rss)
            self.proportional[label] = max(self.proportional.get(label, 0), held.pss)
            total += held.pss
        self.together = max(self.together, total)

    def keep_looking(self, first: psutil.Process, is_over: Flag) -> None:
        """Once a second, until it is over."""
        while not is_over.wait(1):
            self.look(first)


def measure_backlog(live: Installation) -> None:
    """Print how long a backlog takes while new events come, and what memory that takes."""
    events = events_of(REPOSITORY_IDS)
    before = Peak()
    before.look(live.process)
    with connect(live.database_url) as connection:
        # As a drain would: no other one begins.
        connection.execute("select pg_advisory_xact_lock(%s)", [WEBHOOK_LOCK])
        fill(live.redis_url, islice(events, BACKLOG))
    buffer = EventBuffer(live.redis_url)
    peak, is_over = Peak(), Flag()
    looking = Thread(target=peak.keep_looking, args=(live.process, is_over))
    looking.start()
    filled_at = datetime.now(UTC)
    drained_at = None
    with connect(live.database_url, autocommit=True) as connection:
        wanted = 0
        for number in range(NEW * 1_800):
            due = filled_at.timestamp() + number / NEW
            time.sleep(max(0.0, due - time.time()))
            live.deliver(str(uuid.uuid4()), next(events))
            if number % NEW:
                continue
            oldest = buffer.freshness().oldest_received_at
            if drained_at is None and (oldest is None or oldest > filled_at):
                drained_at = datetime.now(UTC)
                wanted = _jobs_told(connection, filled_at)
            if drained_at and _jobs_built(connection) >= wanted:
                break
    is_over.set()
    looking.join()
    buffer.close()
    assert drained_at is not None
    built = (datetime.now(UTC) - filled_at).total_seconds()
    print(
        f"\n{BACKLOG:,} events drained after {(drained_at - filled_at).total_seconds():.0f} s and "
        f"built after {built:.0f} s, while {number:,} more came"
    )
    print(f"{'MB':<40}{'before':>10}{'most: RSS':>12}{'PSS':>8}")
    for label, most in sorted(peak.resident.items(), key=lambda item: -item[1]):
        print(
            f"{label:<40}{before.resident.get(label, 0) / MEGABYTE:>10,.0f}"
            f"{most / MEGABYTE:>12,.0f}{peak.proportional[label] / MEGABYTE:>8,.0f}"
        )
    print(f"{'all, PSS':<40}{before.together / MEGABYTE:>10,.0f}{peak.together / MEGABYTE:>20,.0f}")


def _jobs_told(connection: Connection[Any], until: datetime) -> int:
    row = connection.execute(
        "select count(*) from raw.webhook_jobs where status = 'completed' and received_at <= %s "
        "and run_id >= %s",
        [until, FIRST_ID],
    ).fetchone()
    return row[0] if row else 0


def _jobs_built(connection: Connection[Any]) -> int:
    row = connection.execute(
        "select count(*) from marts.jobs where status = 'completed' and run_id >= %s",
        [FIRST_ID],
    ).fetchone()
    return row[0] if row else 0


if __name__ == "__main__":
    main()
