"""The time of a first load that is ours: no latency, against a plain loop of the same requests."""

import os
import statistics
from typing import Any

from benchmarks.collection.environment import Machine, in_a_process, standin
from benchmarks.collection.first_load import load_first

SLOWEST = 12


def measure(on: Machine, attempts: int, rounds: int) -> None:
    """Both in turns, round after round; the order changes."""
    record = on.folder / "requests"
    ours: list[dict[str, Any]] = []
    baseline: list[dict[str, Any]] = []
    with standin(attempts) as github:
        with on.installation(github) as settings:
            load_first(settings, github, record=record)
        for number in range(rounds):
            with on.installation(github) as settings:
                # Each is the first in every other round.
                if number % 2:
                    baseline.append(in_a_process("baseline", [str(record)], settings))
                ours.append(load_first(settings, github))
                if not number % 2:
                    baseline.append(in_a_process("baseline", [str(record)], settings))
    ratios = [our["seconds"] / its["seconds"] for our, its in zip(ours, baseline, strict=True)]
    print(f"own cost, no latency, {rounds} rounds in turns (load {os.getloadavg()[0]:.1f}):")
    _line("collection", ours)
    _line("plain httpx + COPY", baseline)
    print(
        f"  ratio {statistics.median(ratios):.2f} "
        f"(rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)})"
    )
    middle = sorted(ours, key=lambda result: result["seconds"])[len(ours) // 2]
    print(
        f"  imports before that: {middle['import_seconds']:.1f} s; stages: repositories "
        f"{middle['collect_repositories_seconds']:.1f} s, runs "
        f"{middle['collect_runs_seconds']:.1f} s, jobs {middle['collect_jobs_seconds']:.1f} s"
    )
    print(f"  dlt: {middle['loads']} loads, {_watched(middle)}")
    print("  where the time goes (seconds, calls; http overlaps):")
    for label, (seconds, calls) in list(middle["watches"].items())[:SLOWEST]:
        print(f"    {seconds:7.2f} {calls:7,}  {label}")


def _watched(result: dict[str, Any]) -> str:
    return ", ".join(
        f"{step} {result['watches'][f'dlt {step}'][0]:.1f} s"
        for step in ("extract", "normalize", "load")
    )


def _line(label: str, result: list[dict[str, Any]]) -> None:
    seconds = [each["seconds"] for each in result]
    cpu = statistics.median(each["cpu_seconds"] for each in result)
    print(
        f"  {label:<20} {statistics.median(seconds):7.1f} s for {result[0]['requests']:,} requests,"
        f" {cpu:.1f} s of CPU (rounds: {', '.join(f'{each:.1f}' for each in seconds)})"
    )
