"""What collection costs, part by part; each can be measured alone.

    .venv/bin/python -m benchmarks.collection [PART]… [--attempts 5000] [--rounds 3] [--full]

`requests`, `latency`, `limits`, `cost`, `memory`, `steady`; all when none is named.
"""

import argparse
import os
import sys

from benchmarks.collection import first_load, incremental_poll, latency, memory, overhead
from benchmarks.collection.environment import Machine, machine

PARTS = ("requests", "latency", "limits", "cost", "memory", "steady")
# So many attempts need some 2,650 requests: two whole minutes of GitHub's limit.
FEWER = 2_500


def main() -> None:
    """Measure, and print as it goes."""
    sys.stdout.reconfigure(line_buffering=True)  # pyrefly: ignore[missing-attribute]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--attempts", type=int, default=5_000, help="of the history (5000)")
    parser.add_argument("--rounds", type=int, default=3, help="of what is compared in turns (3)")
    parser.add_argument(
        "--full", action="store_true", help=f"all attempts under GitHub's limits, not {FEWER:,}"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    with machine() as on:
        for part in PARTS:
            if part in arguments.parts or not arguments.parts:
                print(f"\n{part} (load of the machine {os.getloadavg()[0]:.1f})")
                _measure(part, on, arguments)


def _measure(part: str, on: Machine, arguments: argparse.Namespace) -> None:
    attempts, rounds = arguments.attempts, arguments.rounds
    if part == "requests":
        first_load.measure(on, attempts)
    elif part == "latency":
        latency.measure_lifted(on, attempts)
    elif part == "limits":
        latency.measure_limited(on, attempts if arguments.full else FEWER)
    elif part == "cost":
        overhead.measure(on, attempts, rounds)
    elif part == "memory":
        memory.measure(on, attempts)
    else:
        incremental_poll.measure(on, rounds)


if __name__ == "__main__":
    main()
