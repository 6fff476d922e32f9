"""What webhooks tell, in any order, changes nothing of what polling knows in the end, only when;
and nothing that was known changes once what they told goes, whatever is built afterwards.

The property tests hold many independent cases in one database, each with a repository,
runs and a shuffle of its own; a failure names the seed of its case. More of them on demand, and one
alone by its seed:

    ACTIONSIGHT_TEST_CASES=1000 ACTIONSIGHT_TEST_SEED=7 pytest tests/transform/test_newest_state.py
"""

import os
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import psycopg
import pytest

from actionsight.retention import RULES, STEPS, remove, rule
from tests.transform import marts
from tests.transform.raw_rows import Row, deliver, load
from tests.transform.rendered_builds import EmptyDatabases, RenderedBuilds
from tests.transform.timeline_generator import ABOUT_SEEING, Case

pytestmark = pytest.mark.integration

CASE_COUNT = int(os.environ.get("ACTIONSIGHT_TEST_CASES", "30"))
FIRST_SEED = int(os.environ.get("ACTIONSIGHT_TEST_SEED", "1000"))
STEP_COUNT = 4
# Only durations of steps are known for so many days.
LOSSLESS = [each for each in RULES if each is not STEPS]


def test_polls_and_webhooks_in_any_order_give_what_polls_alone_give(
    databases: EmptyDatabases,
) -> None:
    cases = {
        number: Case(FIRST_SEED + number, number, STEP_COUNT) for number in range(1, CASE_COUNT + 1)
    }
    with databases.builds() as builds:
        for step in range(STEP_COUNT):
            polled = _together(cases, "polls", step)
            load(builds.database, f"poll {step}", polled, commit=False)
        builds.run()
        alone = _by_case(builds.database)
    with databases.builds() as builds:
        for step in range(STEP_COUNT):
            told = _together(cases, "webhooks", step)
            deliver(builds.database, f"webhooks {step}", **told)
            if step % 2 == 0:
                builds.run()
            polled = _together(cases, "polls", step)
            load(builds.database, f"poll {step}", polled, commit=False)
            builds.run()
        both = _by_case(builds.database)

    assert len(alone) == CASE_COUNT
    assert [
        f"seed {cases[number].seed}: {difference}"
        for number in cases
        for difference in _differences(alone[number], both.get(number, {}))
    ] == []


def test_once_all_went_that_may_nothing_is_known_otherwise(databases: EmptyDatabases) -> None:
    cases = {
        # It builds three times as often.
        number: Case(FIRST_SEED + number, number, STEP_COUNT)
        for number in range(1, CASE_COUNT // 3 + 1)
    }

    def go_on(builds: RenderedBuilds, step: int) -> None:
        deliver(builds.database, f"webhooks {step}", **_together(cases, "webhooks", step))
        load(builds.database, f"poll {step}", _together(cases, "polls", step), commit=False)
        builds.run()

    with databases.builds() as builds:
        for step in range(STEP_COUNT):
            go_on(builds, step)
        expected = _rows(builds.database)
        told = _told(builds.database)
    with databases.builds() as builds:
        for step in range(STEP_COUNT):
            go_on(builds, step)
            _let_go(builds.database)
        assert _told(builds.database) < told / 2
        assert _unlike(expected, builds.database) == []
        for step in range(STEP_COUNT):
            # So late that the ledger knows none of these deliveries any more.
            deliver(builds.database, f"again {step}", **_together(cases, "webhooks", step))
        builds.run()
        assert _unlike(expected, builds.database) == []
        with mock.patch.object(rule, "BATCH", 20):
            for each in LOSSLESS:  # as a kill leaves it
                each.remove(builds.database, datetime.now(UTC) + timedelta(days=1))
        builds.refresh()
        assert _unlike(expected, builds.database) == []
        _let_go(builds.database)
        builds.refresh()
        assert _unlike(expected, builds.database) == []

        steps = expected.pop("steps")
        assert remove(STEPS, builds.database, datetime.now(UTC)) > 0
        builds.run()
        assert _unlike(expected, builds.database) == []
        left = _rows(builds.database)["steps"]
        assert left.items() <= steps.items()
        failures = {"failure", "timed_out"}
        assert {key for key, step in steps.items() if step["conclusion"] in failures} <= left.keys()
        assert len(left) < len(steps)
        builds.refresh()
        assert _unlike({**expected, "steps": left}, builds.database) == []


def _let_go(database: psycopg.Connection[Any]) -> None:
    """Remove all that retention may but steps, now that jobs are listed."""
    database.execute("delete from raw.owed_job_listings")
    database.execute(
        "analyze raw.webhook_runs, raw.webhook_jobs, raw.workflow_runs, raw.workflow_jobs"
    )
    before = datetime.now(UTC) + timedelta(days=1)
    for each in LOSSLESS:
        assert each.count(database, before) == remove(each, database, before), each.what


def _told(database: psycopg.Connection[Any]) -> int:
    [(count,)] = database.execute(
        "select (select count(*) from raw.webhook_runs) + (select count(*) from raw.webhook_jobs)"
    ).fetchall()
    return int(count)


def _rows(database: psycopg.Connection[Any]) -> dict[str, dict[Any, Row]]:
    """`{mart: {key: row}}`."""
    return {
        mart: {tuple(row[name] for name in keys): row for row in marts.read_dicts(database, mart)}
        for mart, keys in marts.KEYS.items()
    }


def _unlike(expected: dict[str, dict[Any, Row]], database: psycopg.Connection[Any]) -> list[str]:
    found = _rows(database)
    return [
        f"{mart} {key}: {rows.get(key)} and not {found[mart].get(key)}"
        for mart, rows in expected.items()
        for key in rows.keys() | found[mart].keys()
        if rows.get(key) != found[mart].get(key)
    ]


def _together(cases: dict[int, Case], way: str, step: int) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for case in cases.values():
        for table, seen in getattr(case, way)[step].items():
            rows[table] += seen
    return dict(rows)


Marts = dict[str, dict[Any, Row]]


def _by_case(connection: psycopg.Connection[Any]) -> dict[int, Marts]:
    """`{case: {mart: {key: row}}}`, without what is about ways of seeing."""
    compared = {mart: keys for mart, keys in marts.KEYS.items() if mart not in ABOUT_SEEING}
    found: dict[int, Marts] = defaultdict(lambda: {mart: {} for mart in compared})
    for mart, keys in compared.items():
        for row in marts.read_dicts(connection, mart):
            key = tuple(row[name] for name in keys)
            found[row["repository_id"]][mart][key] = {
                name: value for name, value in row.items() if name not in ABOUT_SEEING
            }
    return found


def _differences(alone: Marts, both: Marts) -> list[str]:
    found = []
    for mart, rows in alone.items():
        others = both.get(mart, {})
        for key in sorted(rows.keys() | others.keys()):
            row, other = rows.get(key), others.get(key)
            if row is None or other is None:
                found.append(f"{mart} {key}: only {'with' if row is None else 'without'} webhooks")
                continue
            found += [
                f"{mart} {key} {column}: alone {row[column]!r}, with webhooks {other[column]!r}"
                for column in row
                if row[column] != other[column]
            ]
    return found
