"""What webhooks tell, in any order, changes nothing of what polling knows in the end, only when.

The property test holds many independent cases in one pair of databases, each with a repository,
runs and a shuffle of its own; a failure names the seed of its case. More of them on demand, and one
alone by its seed:

    ACTIONSIGHT_TEST_CASES=1000 ACTIONSIGHT_TEST_SEED=7 pytest tests/transform/test_newest_state.py
"""

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import psycopg
import pytest

from actionsight.database import connect
from tests.support.dbt_project import Project, built_database
from tests.support.services import Databases
from tests.transform import marts
from tests.transform.factories import job_row, repository, run_row, workflow
from tests.transform.raw_rows import Row, deliver, load
from tests.transform.timeline_generator import ABOUT_SEEING, Case

pytestmark = pytest.mark.integration

CASE_COUNT = int(os.environ.get("ACTIONSIGHT_TEST_CASES", "30"))
FIRST_SEED = int(os.environ.get("ACTIONSIGHT_TEST_SEED", "1000"))
STEP_COUNT = 4


def test_polls_and_webhooks_in_any_order_give_what_polls_alone_give(
    postgres_server: Databases, services_folder: Path
) -> None:
    cases = {
        number: Case(FIRST_SEED + number, number, STEP_COUNT) for number in range(1, CASE_COUNT + 1)
    }
    project = Project()
    with (
        built_database(postgres_server, services_folder) as url,
        connect(url, autocommit=True) as database,
    ):
        for step in range(STEP_COUNT):
            load(database, f"poll {step}", _together(cases, "polls", step))
        project.run()
        alone = _by_case(database)
    with (
        built_database(postgres_server, services_folder) as url,
        connect(url, autocommit=True) as database,
    ):
        for step in range(STEP_COUNT):
            deliver(database, f"webhooks {step}", **_together(cases, "webhooks", step))
            if step % 2 == 0:
                project.run()
            load(database, f"poll {step}", _together(cases, "polls", step))
            project.run()
        both = _by_case(database)

    assert len(alone) == CASE_COUNT
    assert [
        f"seed {cases[number].seed}: {difference}"
        for number in cases
        for difference in _differences(alone[number], both.get(number, {}))
    ] == []


def test_a_run_and_its_job_that_only_webhooks_tell_of_stand_on_stubs_until_polling_lists_them(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    run = run_row(1, 1, "2026-03-01T10:00:00Z", path=".github/workflows/ci.yml@main")
    job = job_row(11, 1, "2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z", run_attempt=None)
    deliver(database, "batch 1", runs=[run], jobs=[job])
    project.run()
    names = (
        "select workflows.name, workflows.is_stub, repositories.full_name, jobs.billable_minutes "
    )
    names += "from marts.jobs inner join marts.workflows using (repository_id, workflow_id) "
    names += "inner join marts.repositories on jobs.repository_id = repositories.repository_id"
    stubs = database.execute(names).fetchall()

    load(
        database,
        "load 1",
        {"repositories": [repository(101, "public")], "workflows": [workflow(202, 101)]},
    )
    load(database, "load 2", {"workflows": [{**workflow(201, 101), "name": "CI"}]})
    project.run()

    assert stubs == [(".github/workflows/ci.yml", True, None, 10)]
    assert database.execute(names).fetchall() == [("CI", False, "owner/repository-101", 10)]


@pytest.mark.parametrize("first", ["webhook", "poll"])
def test_a_job_appears_as_soon_as_its_run_is_known(
    project: Project, database: psycopg.Connection[Any], first: str
) -> None:
    run = run_row(1, 1, "2026-03-01T10:00:00Z")
    job = job_row(11, 1, "2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z")
    if first == "webhook":
        deliver(database, "batch 1", jobs=[job])
    else:
        load(database, "load 1", {"workflow_jobs": [job]})
    project.run()
    without_run = [len(rows) for rows in marts.read(database).values()]

    if first == "webhook":
        load(database, "load 1", {"workflow_runs": [run]})
    else:
        deliver(database, "batch 1", runs=[run])
    project.run()

    assert without_run == [0] * len(marts.KEYS)
    counts = {mart: len(rows) for mart, rows in marts.read(database).items()}
    # Nothing flaked, was red or became slower, no poll told of steps or of the repository.
    nothing = {
        *("flaky_job_occurrences", "branch_health_intervals", "level_changes"),
        *("steps", "repository_history"),
    }
    assert counts == {mart: 0 if mart in nothing else 1 for mart in marts.KEYS}
    assert marts.differences(database) == []


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
