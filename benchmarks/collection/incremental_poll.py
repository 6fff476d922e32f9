"""A poll with 100 changed runs, beside little history and beside ten times as much."""

import statistics
from contextlib import ExitStack
from typing import Any

from actionsight.database import connect
from actionsight.settings import Settings
from benchmarks.collection import history
from benchmarks.collection.environment import (
    ATTEMPTS_PER_RUN,
    Machine,
    Standin,
    in_a_process,
    standin,
)
from benchmarks.collection.first_load import POLL, load_first

SIZES = (10_000, 100_000)
CHANGED_RUNS = 100
# The others are new.
REOPENED = 50
GROWN = 6


def measure(on: Machine, rounds: int) -> None:
    """Both sizes in turns."""
    result: dict[int, list[dict[str, Any]]] = {size: [] for size in SIZES}
    with ExitStack() as held:
        github = held.enter_context(standin(round(CHANGED_RUNS * ATTEMPTS_PER_RUN)))
        settings = {size: held.enter_context(on.installation(github)) for size in SIZES}
        for size in SIZES:
            load_first(settings[size], github)
            history.fill(settings[size], size // CHANGED_RUNS)
        # The first round warms everything up.
        for number in range(rounds + 1):
            for size in SIZES[:: -1 if number % 2 else 1]:
                result[size].append(_poll(settings[size], github))
    for size in SIZES:
        del result[size][0]
        _line(size, result[size])
    for name, label in (("seconds", "time"), ("sql_seconds", "SQL time")):
        few, many = ([each[name] for each in result[size]] for size in SIZES)
        ratios = [after / before for before, after in zip(few, many, strict=True)]
        print(
            f"  {label} at {SIZES[1]:,} ÷ at {SIZES[0]:,}: {statistics.median(ratios):.2f} "
            f"(rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)})"
        )
    print("  statements that differ most (milliseconds a poll, few and many):")
    at_few, at_many = (_statements(result[size]) for size in SIZES)
    grown = sorted(at_many, key=lambda text: at_many[text] - at_few.get(text, 0.0), reverse=True)
    for text in grown[:GROWN]:
        print(f"    {at_few.get(text, 0.0) * 1e3:7.1f} {at_many[text] * 1e3:7.1f}  {text}")


def _poll(settings: Settings, github: Standin) -> dict[str, Any]:
    """Let 100 runs have changed since, and poll."""
    history.change(settings, REOPENED)
    before, count = _sql_seconds(settings), github.request_count()
    result = in_a_process("collect", POLL, settings)
    result["sql_seconds"] = _sql_seconds(settings) - before
    result["counted"] = github.request_count() - count
    return result


def _line(size: int, result: list[dict[str, Any]]) -> None:
    seconds = statistics.median(each["seconds"] for each in result)
    sql_seconds = statistics.median(each["sql_seconds"] for each in result)
    changed = result[0]["changed"]
    print(
        f"steady: {size:,} stored runs, {CHANGED_RUNS} changed ({changed}): {seconds:.2f} s, "
        f"{result[0]['counted']} requests, {sql_seconds:.3f} s in PostgreSQL, "
        f"{result[0]['loads']} loads"
    )


def _statements(result: list[dict[str, Any]]) -> dict[str, float]:
    labels = {label for each in result for label in each["watches"] if label.startswith("sql ")}
    return {
        label: statistics.median(each["watches"].get(label, [0.0])[0] for each in result)
        for label in labels
    }


def _sql_seconds(settings: Settings) -> float:
    """What all sessions of the database that have ended spent on statements, dlt's too."""
    assert settings.database_url is not None
    with connect(settings.database_url) as connection:
        row = connection.execute(
            "select active_time / 1000 from pg_stat_database where datname = current_database()"
        ).fetchone()
    assert row is not None
    return float(row[0])
