"""How the questions of all routes are answered over generated marts: in a few statements, and by
indexes. What it takes on a large history is measured by `python -m benchmarks.api`.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from actionsight.database import connect, options_of
from api.database import READ_SETTINGS
from api.search.queries import RECENT_RUNS
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import make_indexes, make_marts
from tests.support.crossings import crossings
from tests.support.generated_marts import Size, fill
from tests.support.questions import Statement, of_the_answer, questions, recorded
from tests.support.services import Databases

pytestmark = pytest.mark.integration

# Of an answer, with who asks and what they may see.
MOST_STATEMENTS = 20
# Questions with a limit of fifty rows.
OF_ROWS = {
    "workflows",
    "workflow's jobs",
    "runs",
    "jobs",
    "health",
    "flaky jobs",
    "runners",
    "changes",
    "repositories",
}
# What grows with history; what is asked of it has a bound.
LARGE = {
    "workflow_runs",
    "workflow_run_attempts",
    "jobs",
    "steps",
    "flaky_job_occurrences",
    "job_statistics_by_day",
    "runner_statistics_by_hour",
}


# What is spread over nodes, where there are several (docs/scaling.md).
SPREAD = frozenset(
    {*LARGE, "workflow_statistics_by_day", "branch_health_intervals", "level_changes"}
)


SMALL = Size(20_000, workflows=100, repositories=25, days_with_steps=400)
MILLION = pytest.param(Size(1_000_000), marks=pytest.mark.thorough)


@pytest.fixture(scope="module", params=[SMALL, MILLION], ids=["small", "million"])
def generated(postgres_server: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    with postgres_server.migrated() as url:
        make_marts(url)
        with connect(url, autocommit=True) as connection:
            make_indexes(connection)
            fill(connection, request.param)
        yield url


@pytest.fixture
def database_url(generated: str) -> str:
    return generated


def test_answers_take_few_statements_which_read_nothing_whole_that_grows_with_history(
    connection: psycopg.Connection[Any],
    client: ValidatingClient,
    token: str,
    database_url: str,
) -> None:
    read_whole = set()
    crossing = set()
    with psycopg.connect(database_url, options=options_of(READ_SETTINGS)) as reading:
        for name, path in questions(connection).items():
            statements = _statements(client, token, path)
            assert len(statements) <= MOST_STATEMENTS, name
            # One row takes as many; a search ends with the kind of which it has enough.
            one = f"{path}{'&' if '?' in path else '?'}limit=1"
            answering = of_the_answer(statements)
            # What comes before is asked anew after any transaction, one of autovacuum, too.
            if name in OF_ROWS:
                of_one = of_the_answer(_statements(client, token, one))
                assert len(of_one) == len(answering), name
            for statement in answering:
                crossing |= {(name, tables) for tables in crossings(statement.text, SPREAD)}
                query = f"explain (format json) {statement.text}".encode()
                [[[plan]]] = reading.execute(query, statement.parameters).fetchall()
                read_whole |= {(name, table) for table in _read_whole(plan["Plan"])}
    [[run_count]] = connection.execute("select count(*) from marts.workflow_runs").fetchall()
    if run_count <= RECENT_RUNS:  # a search may read as many, which are all that there are here
        read_whole -= {(name, "workflow_runs") for name, _ in read_whole if "search" in name}
    assert read_whole == set()
    assert crossing == set()


def test_what_a_branch_is_told_of_is_found_and_its_other_attempts_are_not_read(
    connection: psycopg.Connection[Any],
    client: ValidatingClient,
    token: str,
    database_url: str,
) -> None:
    statements = of_the_answer(_statements(client, token, questions(connection)["health"]))
    [health] = [each for each in statements if "failure_streak" in each.text]
    with psycopg.connect(database_url, options=options_of(READ_SETTINGS)) as reading:
        query = f"explain (analyze, timing off, format json) {health.text}".encode()
        [[[plan]]] = reading.execute(query, health.parameters).fetchall()
    # Intervals of the merge queue beside those of the default branch are; attempts would be 3,050.
    assert max(_left_out(plan["Plan"])) < 1500


def _left_out(node: dict[str, Any]) -> Iterator[float]:
    """Rows that were read and are none of the answer's, by each part of a plan."""
    yield node.get("Rows Removed by Filter", 0) * node["Actual Loops"]
    for child in node.get("Plans", []):
        yield from _left_out(child)


def _statements(client: ValidatingClient, token: str, path: str) -> list[Statement]:
    with recorded() as statements:
        response = client.get(path, headers=bearer(token))
    assert response.status_code == 200, (path, response.text)
    return statements


def _read_whole(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE:
        yield node["Relation Name"]
    for child in node.get("Plans", []):
        yield from _read_whole(child)
