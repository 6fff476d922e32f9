"""What more processes bring: of collection, of the receiver, of the API.

    .venv/bin/python -m benchmarks.processes [--parts collection receiver api] [--processes 1 2 4]

`collection`: installations of a GitHub App, each of which may ask 15 times a second as at GitHub,
which the stand-in enforces; so many workers, each with a folder of its own, collect a shard each.
First one worker collects one installation, then four whose answers take 100 ms, then sixteen whose
answers take 1 s, so that the 32 requests that a process has under way are the bound and not this
machine. Counted from the first request to the last.
`receiver`: signed webhooks a second at a receiver of so many processes. What they buffer is drained
by one at a time, whatever else there is (`benchmarks.intake`, its part `drain`).
`api`: answers a second of an API of so many processes, of questions that are computed each time.

Read each rate beside that of one process. All processes share this machine's cores, its PostgreSQL
and its Redis, and whoever asks does, too.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import redis

from actionsight.api_server import RECEIVER, RECEIVER_SIZE, SIZE
from actionsight.api_tokens import create_token
from actionsight.database import connect
from actionsight.github.rate_limit.models import Limits
from actionsight.local import ValkeyServer, hold
from actionsight.local.valkey import EVENT_BUFFER
from actionsight.repositories import add_selections
from actionsight.settings import Settings
from actionsight.settings import load as load_settings
from actionsight.shards import Shard, shards
from benchmarks.collection.environment import Machine, machine
from benchmarks.events import events_of, requests_of
from benchmarks.installation import REPOSITORY_IDS
from benchmarks.intake import SECRET, settings_of
from benchmarks.load import HOST, Senders
from benchmarks.store import generated_store
from github_standin.server.latency import Latency
from github_standin.server.secondary_limits import SecondaryLimits, Traffic
from github_standin.server.server import Server, serving
from github_standin.world.world import World
from tests.ingestion.factories import run, workflow
from tests.ingestion.shard_processes import FastTime, as_app, owners_of, worker
from tests.support.generated_marts import Size
from tests.support.granian import served
from tests.support.questions import questions

PARTS = ("collection", "receiver", "api")
# Minutes of six seconds, in which as much may be asked as GitHub allows in six: 15 times a second.
SPEED = 10
LIMITS = Limits(points_per_minute=90)
SECONDS = 4.0
TOKENS = 200


def main() -> None:
    """Measure, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--jobs", type=int, default=200_000, help="of the API's history")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="actionsight-processes-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        if "collection" in arguments.parts:
            with machine() as on:
                measure_collection(on, arguments.processes)
        if "receiver" in arguments.parts:
            measure_receiver(folder, arguments.processes)
        if "api" in arguments.parts:
            measure_api(folder, arguments.processes, arguments.jobs)


@dataclass
class Report:
    """Rates a second as they are measured, each beside the first."""

    what: str
    first: float | None = None

    def __post_init__(self) -> None:
        print(f"\n{self.what}")

    def add(self, label: str, rate: float, note: str = "") -> None:
        """Print one."""
        self.first = self.first or rate
        print(f"  {label:<44}{rate:9,.1f} /s{rate / self.first:7.2f} times  {note}", flush=True)


@dataclass(frozen=True)
class Case:
    """Installations, runs of the repository of each, and the median seconds of an answer."""

    installations: int
    runs: int
    latency_seconds: float

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.installations} at {self.latency_seconds} s"


def measure_collection(on: Machine, counts: Sequence[int]) -> None:
    """Print requests a second of one installation, and of several by so many workers."""
    report = Report("collection: requests")
    for case, processes in (
        (Case(1, 450, 0.1), [1]),
        (Case(4, 450, 0.1), counts),
        (Case(16, 40, 1.0), counts),
    ):
        with serving(
            World(lambda: datetime.now(UTC)),
            rate_limit=100_000,
            latency=Latency(case.latency_seconds),
        ) as github:
            settings = _history(on, github, case)
            for count in processes:
                rate, note = _collect(on, github, settings, case, shards(count))
                report.add(f"{case.name}, {_label('collection', count)}", rate, note)


def _history(on: Machine, github: Server, case: Case) -> Settings:
    """Owners of a repository each, one in each shard of so many, on whom the App is installed;
    gives the settings of who asks as it."""
    with on.databases.migrated() as url, connect(url) as connection:
        names = owners_of(connection, shards(case.installations))
    for name in names:
        of = workflow(github.world, f"{name}/app")
        for number in range(1, case.runs + 1):
            run(of, github.world, datetime.now(UTC) - number * timedelta(minutes=30))
    return replace(
        as_app(load_settings(environ={}), github.world, names),
        cache_url=on.cache_url,
        github_api_url=github.url,
        repositories=tuple(f"{name}/app" for name in names),
        backfill_days=30,
    )


def _collect(
    on: Machine, github: Server, settings: Settings, case: Case, parts: Sequence[Shard]
) -> tuple[float, str]:
    """Requests a second of a first load of all repositories, and what else was seen.

    Raises:
        SystemExit: not everything came.
    """
    fast = FastTime(time.time(), SPEED)
    github.traffic = Traffic(fast.clock)
    github.secondary_limits = SecondaryLimits(points=LIMITS.points_per_minute)
    with redis.Redis.from_url(on.cache_url) as cache:
        cache.flushall()
    with (
        on.databases.migrated() as url,
        tempfile.TemporaryDirectory() as folder,
        connect(url, autocommit=True) as connection,
    ):
        add_selections(connection, settings.repositories)
        own = replace(settings, database_url=url)
        workers = [worker(own, Path(folder), part, fast, limits=LIMITS) for part in parts]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
        row = connection.execute("select count(*) from raw.workflow_jobs").fetchone()
    if row != (2 * case.runs * case.installations,):
        raise SystemExit(f"stored are {row} jobs of {case}")
    count, seconds = len(github.requests), _seconds(github)
    refused = sum(github.refusals.values())
    github.requests.clear()
    return count / seconds, f"{count:,} requests in {seconds:.1f} s, {refused} refused"


def _seconds(github: Server) -> float:
    return (github.requests[-1].at - github.requests[0].at).total_seconds()


def measure_receiver(folder: Path, counts: Sequence[int]) -> None:
    """Print what a receiver of so many processes accepts a second."""
    report = Report("webhooks accepted")
    with hold(ValkeyServer(folder / "buffer", "the event buffer", EVENT_BUFFER)) as redis_url:
        environment = settings_of(redis_url).environment()
        events = list(islice(events_of(REPOSITORY_IDS), 1_000))
        with Senders(requests_of(events, SECRET.encode())) as senders:
            for count in counts:
                size = RECEIVER_SIZE._replace(workers=count)
                with served(RECEIVER, environment, folder / f"receiver {count}", size=size) as port:
                    report.add(_label("receiver", count), _rate(senders, port))


def measure_api(folder: Path, counts: Sequence[int], jobs: int) -> None:
    """Print answers a second, computed each time, of an API of so many processes."""
    with generated_store(folder / "store", Size(jobs)) as url:
        settings = replace(load_settings(environ={}), database_url=url, data_dir=folder / "data")
        with connect(url, autocommit=True) as connection:
            tokens = [create_token(connection, f"token {n}")[1] for n in range(TOKENS)]
            paths = questions(connection)
        for name in ("runs", "workflows"):
            report = Report(f"API, {paths[name]}")
            requests = [
                f"GET {paths[name]} HTTP/1.1\r\nHost: {HOST}\r\n"
                f"Authorization: Bearer {token}\r\nAccept-Encoding: gzip\r\n\r\n".encode()
                for token in tokens
            ]
            with Senders(requests, status=200, has_addresses=True) as senders:
                for count in counts:
                    size = SIZE._replace(workers=count)
                    log_file = folder / f"api {count}"
                    with served(
                        "api.wsgi:app", settings.environment(), log_file, size=size
                    ) as port:
                        report.add(_label("API", count), _rate(senders, port))


def _label(what: str, count: int) -> str:
    return f"{what} of {count} process{'es' if count > 1 else ''}"


def _rate(senders: Senders, port: int) -> float:
    """The median of three loads, after one that warms up."""
    return statistics.median([senders.load(port, SECONDS).rate for _ in range(4)][1:])


if __name__ == "__main__":
    main()
