"""How many webhooks a second the receiver takes, beside a bare Flask view on the same server.

    .venv/bin/python -m benchmarks.receiver [--rounds 4] [--seconds 1.5]

Signed real payloads go to both in turn, under granian with two workers of four threads each; the
event buffer is the embedded Valkey, which has each event on disk before it answers. The ratio
within one run is what can be compared between machines. Then: latencies at ten times the rate of
the largest organisation, and what the parts of a delivery cost by themselves.
"""

import argparse
import gzip
import statistics
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import redis

from actionsight.local import ValkeyServer, hold
from actionsight.local.valkey import EVENT_BUFFER
from actionsight.settings import ROOT, Settings
from actionsight.settings import load as load_settings
from api.webhooks.signature import sign
from benchmarks.breakdown import print_breakdown
from benchmarks.load import Load, Senders
from tests.support.granian import served

PAYLOADS = ROOT / "tests/data/webhooks/octokit-webhooks/payloads.jsonl.gz"
EVENTS = ("workflow_run", "workflow_job")
SECRET = "a secret of the benchmark"  # noqa: S105 it protects nothing
REQUEST_COUNT = 1_000
PACE = 350  # requests a second


def main() -> None:
    """Measure, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each load")
    arguments = parser.parse_args()
    deliveries = read_deliveries()
    with (
        tempfile.TemporaryDirectory(prefix="actionsight-receiver-") as name,
        hold(ValkeyServer(Path(name) / "valkey", "the event buffer", EVENT_BUFFER)) as url,
    ):
        folder = Path(name)
        settings = settings_of(url)
        environment = settings.environment()
        with (
            Senders(prepare_requests(deliveries)) as senders,
            served("api.wsgi:app", environment, folder / "receiver.log") as receiver,
            served("benchmarks.bare:app", environment, folder / "bare.log") as bare,
        ):
            received, bared = compare(
                senders, (receiver, bare), url, arguments.rounds, arguments.seconds
            )
            paced = senders.load(receiver, 2 * arguments.seconds, PACE)
        print_load("receiver", together(received))
        print_load("bare view", together(bared))
        ratios = [ours.rate / theirs.rate for ours, theirs in zip(received, bared, strict=True)]
        print(
            f"{'receiver ÷ bare view':<30} {statistics.median(ratios):7.2f}      "
            f"(rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)})"
        )
        print_load(f"receiver at {PACE} a second", paced)
        print("\nby itself, the median of one call after the other:")
        print_breakdown([body for _, body in deliveries], settings, folder)


def read_deliveries() -> list[tuple[str, bytes]]:
    """Every real payload of a run or a job: its event and its body."""
    with gzip.open(PAYLOADS, "rb") as lines:
        payloads = [orjson.loads(line) for line in lines]
    return [(each["event"], each["body"].encode()) for each in payloads if each["event"] in EVENTS]


def settings_of(redis_url: str) -> Settings:
    """A receiver's settings; its database does not exist, since none is asked."""
    return replace(
        load_settings(environ={}),
        database_url="postgresql://nobody@127.0.0.1:1/nothing",
        redis_url=redis_url,
        github_webhook_secret=(SECRET,),
    )


def prepare_requests(deliveries: Sequence[tuple[str, bytes]]) -> list[bytes]:
    """Whole signed requests, each with a delivery id of its own."""
    requests = []
    for number in range(REQUEST_COUNT):
        event, body = deliveries[number % len(deliveries)]
        lines = (
            "POST /webhooks/github HTTP/1.1",
            "Host: 127.0.0.1",
            "Accept: */*",
            "User-Agent: GitHub-Hookshot/0000000",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            f"X-GitHub-Event: {event}",
            f"X-GitHub-Delivery: {uuid.uuid4()}",
            "X-GitHub-Hook-ID: 1",
            "X-GitHub-Hook-Installation-Target-ID: 1",
            "X-GitHub-Hook-Installation-Target-Type: organization",
            f"X-Hub-Signature-256: {sign(SECRET.encode(), body).decode()}",
        )
        requests.append("\r\n".join([*lines, "", ""]).encode() + body)
    return requests


def compare(
    senders: Senders, ports: Sequence[int], url: str, rounds: int, seconds: float
) -> list[list[Load]]:
    """Loads of each server in turn, round after round; a first round only warms them up."""
    loads: list[list[Load]] = [[] for _ in ports]
    with redis.Redis.from_url(url) as client:
        for number in range(rounds + 1):
            for port, own in zip(ports, loads, strict=True):
                own.append(senders.load(port, seconds if number else 0.5))
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
        f"p99 {load.percentile(99) * 1e3:6.1f} ms"
    )


if __name__ == "__main__":
    main()
