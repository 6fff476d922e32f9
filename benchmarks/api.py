"""What a warm cache and a 304 save of `GET /stats` over all workflows.

    .venv/bin/python -m benchmarks.api [--runs 100000] [--rounds 4] [--seconds 3]

The same question goes in turn to a server without a cache, which computes each answer; to one with
a warm cache; and to that one again with the tag, which answers 304. All as in production: granian
with two workers, embedded PostgreSQL and Valkey, rights and limits checked. The ratios within one
run are what can be compared between machines. The marts are the models' own tables, filled with a
made-up year of runs.
"""

import argparse
import statistics
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import requests

from actionsight.api_tokens import create_token
from actionsight.database import connect, with_database
from actionsight.local import PostgresqlServer, ValkeyServer, hold
from actionsight.local.valkey import CACHE
from actionsight.settings import Settings
from actionsight.settings import load as load_settings
from benchmarks import marts
from benchmarks.load import HOST, Load, Senders
from tests.support.granian import served
from tests.support.services import migrate

PATH = "/stats"
COMPUTED, WARM, NOT_MODIFIED = "computed", "warm cache", "304"
# A token may ask 600 times a minute; so many together bear what two cores can answer.
TOKENS = 300
# At once, in all: what waits in a queue says nothing about an answer.
CONNECTIONS = 1


def main() -> None:
    """Measure, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3, help="of each load")
    arguments = parser.parse_args()
    with installation(arguments.runs) as (settings, tokens, folder):
        without = replace(settings, cache_url=None)
        with (
            served("api.wsgi:app", settings.environment(), folder / "api.log") as cached,
            served("api.wsgi:app", without.environment(), folder / "without.log") as uncached,
        ):
            tag = first_answer(cached, tokens[0])
            ports = {COMPUTED: uncached, WARM: cached, NOT_MODIFIED: cached}
            loads = compare(ports, tokens, tag, arguments.rounds, arguments.seconds)
    report(loads)


@contextmanager
def installation(run_count: int) -> Generator[tuple[Settings, list[str], Path]]:
    """Both servers, marts with so many runs, and API tokens."""
    with tempfile.TemporaryDirectory(prefix="actionsight-api-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        server = PostgresqlServer(folder / "postgres")
        with (
            hold(server) as server_url,
            hold(ValkeyServer(folder / "cache", "the cache", CACHE)) as cache_url,
        ):
            with connect(server.admin_url(), autocommit=True) as connection:
                connection.execute("create database benchmark owner actionsight")
            url = with_database(server_url, "benchmark")
            migrate(url, folder / "migration")
            marts.build(url, folder)
            with connect(url, autocommit=True) as connection:
                marts.fill(connection, run_count)
                tokens = [create_token(connection, f"token {n}")[1] for n in range(TOKENS)]
            settings = replace(
                load_settings(environ={}),
                database_url=url,
                cache_url=cache_url,
                data_dir=folder / "data",
            )
            yield settings, tokens, folder


def first_answer(port: int, token: str) -> str:
    """Ask once, so that the cache is warm; gives the tag."""
    response = requests.get(
        f"http://{HOST}:{port}{PATH}", headers={"Authorization": f"Bearer {token}"}, timeout=60
    )
    response.raise_for_status()
    counted = response.json()["data"]
    print(
        f"{PATH} over {counted['run_count']:,} runs and {counted['jobs_listed']:,} jobs "
        f"of {marts.WORKFLOWS} workflows, {len(response.content):,} bytes\n"
    )
    return response.headers["ETag"]


def compare(
    ports: dict[str, int], tokens: Sequence[str], tag: str, rounds: int, seconds: float
) -> dict[str, list[Load]]:
    """Loads of each kind in turn, round after round; a first round only warms them up."""
    loads: dict[str, list[Load]] = {kind: [] for kind in ports}
    plain = prepare_requests(tokens)
    with (
        Senders(plain, status=200, connections=CONNECTIONS) as computed,
        Senders(plain, status=200, connections=CONNECTIONS) as warm,
        Senders(prepare_requests(tokens, tag), status=304, connections=CONNECTIONS) as unmodified,
    ):
        senders = {COMPUTED: computed, WARM: warm, NOT_MODIFIED: unmodified}
        for _ in range(rounds + 1):
            for kind, port in ports.items():
                loads[kind].append(senders[kind].load(port, seconds))
    return {kind: own[1:] for kind, own in loads.items()}


def prepare_requests(tokens: Sequence[str], tag: str | None = None) -> list[bytes]:
    """The same question by many tokens in turn."""
    condition = [f"If-None-Match: {tag}"] if tag else []
    return [
        "\r\n".join(
            [
                f"GET {PATH} HTTP/1.1",
                f"Host: {HOST}",
                f"Authorization: Bearer {token}",
                *condition,
                "",
                "",
            ]
        ).encode()
        for token in tokens
    ]


def report(loads: dict[str, list[Load]]) -> None:
    """A line for each kind: the medians of the rounds, and how it stands to computing."""
    for kind, own in loads.items():
        rates = [load.rate for load in own]
        ratios = [ours / base.rate for ours, base in zip(rates, loads[COMPUTED], strict=True)]
        latencies = [latency for load in own for latency in load.latencies]
        together = Load(statistics.median(rates), latencies)
        print(
            f"{kind:<12} {together.rate:8,.1f} /s   p50 {together.percentile(50) * 1e3:7.1f} ms   "
            f"p99 {together.percentile(99) * 1e3:7.1f} ms   "
            f"{statistics.median(ratios):6.0f} times (rounds: "
            f"{', '.join(f'{ratio:.0f}' for ratio in ratios)})"
        )


if __name__ == "__main__":
    main()
