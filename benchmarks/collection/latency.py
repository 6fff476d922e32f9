"""The time of a first load when every answer takes 100 ms, without GitHub's limits and with."""

import statistics
import time
from collections.abc import Sequence

import httpx

from benchmarks.collection.environment import TOKEN, Machine, standin
from benchmarks.collection.first_load import load_first

MEDIAN_SECONDS = 0.1
SAMPLE = 300
POINTS_A_MINUTE = 900


def measure_lifted(on: Machine, attempts: int) -> None:
    """No limits: against the same requests one after another."""
    record = on.folder / "requests"
    with (
        standin(attempts, latency=MEDIAN_SECONDS) as github,
        on.installation(github) as settings,
    ):
        result = load_first(settings, github, record=record)
        urls = record.read_text().splitlines()
        sample = urls[:: max(1, len(urls) // SAMPLE)]
        times = _one_after_another(sample)
        serial = statistics.mean(times) * len(urls)
        most = github.status()["requests"]["most_at_once"]
    print(
        f"latency of {MEDIAN_SECONDS * 1e3:.0f} ms, limits lifted: {result['counted']:,} requests "
        f"in {result['seconds']:.1f} s, at most {most} at once\n"
        f"  one after another: {serial:,.0f} s (from {len(times)} of them, "
        f"{statistics.mean(times) * 1e3:.0f} ms each)\n"
        f"  {serial / result['seconds']:.1f} times faster"
    )


def measure_limited(on: Machine, attempts: int) -> None:
    """GitHub's limits on, and enforced: against what they dictate."""
    with (
        standin(
            attempts, latency=MEDIAN_SECONDS, secondary_limits=True, rate_limit=100_000
        ) as github,
        on.installation(github) as settings,
    ):
        result = load_first(settings, github)
        requests = github.status()["requests"]
    count, seconds = result["counted"], result["seconds"]
    dictated = max(0, count - POINTS_A_MINUTE) / POINTS_A_MINUTE * 60
    # Whoever asks all that is allowed at once waits whole minutes.
    stepwise = (count - 1) // POINTS_A_MINUTE * 60
    refused = {k: v for k, v in requests["by_status"].items() if k in ("403", "429")}
    print(
        f"latency of {MEDIAN_SECONDS * 1e3:.0f} ms, 900 points a minute and 100 at once enforced: "
        f"{count:,} requests in {seconds:.1f} s\n"
        f"  the minute's limit dictates {dictated:.0f} s (requests beyond the first 900 ÷ 900 a "
        f"minute): {seconds / max(dictated, 1):.3f} times that; in whole minutes, as a sliding "
        f"minute gives them back, {stepwise} s: {seconds / max(stepwise, 1):.3f} times\n"
        f"  at most {requests['most_at_once']} at once, refused: "
        f"{sum(refused.values())} {refused or ''} {requests['refusals'] or ''}"
    )


def _one_after_another(urls: Sequence[str]) -> list[float]:
    times = []
    headers = {"Authorization": f"Bearer {TOKEN}", "User-Agent": "plain"}
    with httpx.Client(headers=headers) as client:
        for url in urls:
            began = time.perf_counter()
            client.get(url).raise_for_status()
            times.append(time.perf_counter() - began)
    return times
