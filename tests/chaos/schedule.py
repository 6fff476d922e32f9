"""What happens when: drawn from a seed, and from nothing else."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SECONDS = 20
"""For so long there is traffic, and for so long faults begin."""

FEWEST, MOST = 3, 6
LARGEST_SKEW_SECONDS = 40

PROCESSES = (
    "API worker",
    "API",
    "receiver worker",
    "receiver",
    "webserver",
    "daemon",
    "code server",
    "run",
    "event buffer",
    "cache",
    "PostgreSQL backend",
    "PostgreSQL",
)
STALLED = (*PROCESSES, "up")
GITHUB_FAULTS = (
    "server_error",
    "html_with_200",
    "empty_body",
    "truncated_json",
    "connection_reset",
    "forbidden",
    "duplicate_rows",
    "wrong_total_count",
)


@dataclass(frozen=True)
class Fault:
    """One of `tests.chaos.faults`, by its name, with what it is told, and when it begins."""

    at_seconds: float
    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.at_seconds:4.1f} s  {self.name}({told})"


@dataclass(frozen=True)
class Schedule:
    """What one seed does; GitHub's clock is so many seconds ahead of ours."""

    seed: int
    clock_skew_seconds: int
    faults: tuple[Fault, ...]


def schedule(seed: int) -> Schedule:
    """The schedule of a seed, in the order in which its faults begin."""
    chance = random.Random(seed)  # noqa: S311
    names, weights = zip(*((name, weight) for name, (weight, _) in _KINDS.items()), strict=True)
    moments = sorted(
        round(chance.uniform(0, SECONDS), 1) for _ in range(chance.randint(FEWEST, MOST))
    )
    faults = []
    for moment in moments:
        [name] = chance.choices(names, weights)
        faults.append(Fault(moment, name, _KINDS[name][1](chance)))
    skew = chance.choice((0, chance.randint(-LARGEST_SKEW_SECONDS, LARGEST_SKEW_SECONDS)))
    return Schedule(seed, skew, tuple(faults))


def _lasting(shortest: float, longest: float) -> Callable[[random.Random], dict[str, Any]]:
    return lambda chance: {"seconds": round(chance.uniform(shortest, longest), 1)}


def _victim(chance: random.Random) -> dict[str, Any]:
    return {"victim": chance.choice(PROCESSES)}


def _stalled(chance: random.Random) -> dict[str, Any]:
    return {"victim": chance.choice(STALLED), **_lasting(1, 9)(chance)}


def _github_fault(chance: random.Random) -> dict[str, Any]:
    return {
        "kind": chance.choice(GITHUB_FAULTS),
        "share": round(chance.uniform(0.1, 1), 1),
        **_lasting(2, 10)(chance),
    }


def _nothing(_: random.Random) -> dict[str, Any]:
    return {}


# How often each is drawn, and what it is told.
_KINDS: dict[str, tuple[int, Callable[[random.Random], dict[str, Any]]]] = {
    "kill": (12, _victim),
    "stall": (7, _stalled),
    "kill_up": (3, _nothing),
    "deploy": (3, _nothing),
    "fill_disk": (3, _lasting(2, 8)),
    "github_away": (2, _lasting(2, 10)),
    "github_faults": (4, _github_fault),
    "github_refuses": (2, _lasting(2, 8)),
    "github_slow": (1, _lasting(3, 10)),
    "second_daemon": (2, _lasting(4, 10)),
    "two_syncs": (2, _nothing),
    "two_drains": (2, _nothing),
    "rerun_storm": (3, lambda chance: {"runs": chance.randint(1, 5)}),
    "privatize": (2, _nothing),
    "redeliveries": (2, lambda chance: {"count": chance.randint(20, 200)}),
}

NAMES = tuple(_KINDS)
