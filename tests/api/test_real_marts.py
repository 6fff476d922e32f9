"""The API over the marts that dbt builds: its daily groups are the daily mart's rows, all others
what the reference counts."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from psycopg.rows import dict_row

from actionsight.api_tokens import create_token
from actionsight.database import connect
from api.stats import metrics
from api.stats.groups import GROUPS
from tests.api.client import ValidatingClient
from tests.transform.reference.by_day import workflow_statistics_by_day
from tests.transform.reference.jobs import label_set
from tests.transform.reference.raw import Row
from tests.transform.reference.rows import grouped

pytestmark = pytest.mark.integration

METRICS = [metric.name for metric in metrics.METRICS]
OF_RUNS: dict[str, Callable[[Row], Any]] = {
    "month": lambda run: str(run["day"].replace(day=1)),
    "hour_of_week": lambda run: run["day"].weekday() * 24 + run["created_at"].hour,
    "repository": lambda run: run["repository_id"],
    "branch": lambda run: run["head_branch"],
    "event": lambda run: run["event"],
    "actor": lambda run: run["actor_login"],
    "conclusion": lambda run: run["conclusion"],
}
OF_JOBS: dict[str, Callable[[Row], set[Any]]] = {
    "job_name": lambda job: {job["name"]},
    "runner": lambda job: set(label_set(job["labels"])),
}


@pytest.fixture
def database_url(history_database_url: str) -> str:
    return history_database_url


def pages(client: ValidatingClient, token: str, path: str) -> list[dict[str, Any]]:
    """The groups that have runs, from the most of them on."""
    rows: list[dict[str, Any]] = []
    after = ""
    while True:
        page = client.answer(f"{path}&limit=500{after}", token)
        rows += [row for row in page["data"] if row["run_count"]]
        if page["next"] is None or not page["data"][-1]["run_count"]:
            return rows
        after = f"&next={page['next']}"


def test_daily_groups_are_the_daily_mart_and_every_route_answers(
    client: ValidatingClient, database_url: str
) -> None:
    with connect(database_url, autocommit=True) as connection:
        token = create_token(connection, "test")[1]
        with connection.cursor(row_factory=dict_row) as cursor:
            stored = {
                (str(row["day"]), row["repository_id"], row["workflow_id"]): {
                    name: float(row[name]) if isinstance(row[name], Decimal) else row[name]
                    for name in METRICS
                }
                for row in cursor.execute("select * from marts.workflow_statistics_by_day")
            }
    # A range of whole days is answered by that table, any other by the runs and jobs themselves.
    for begin in ("", "&from=2008-01-01", "&from=2008-01-01T00:00:01Z"):
        fields = f"&fields={','.join(METRICS)}"
        path = f"/stats?group_by=workflow,day{begin}&sort=-run_count{fields}"
        answered = pages(client, token, path)
        computed = {
            (row["day"], row["repository_id"], row["workflow_id"]): {
                name: row[name] for name in METRICS
            }
            for row in answered
        }
        assert computed.keys() == stored.keys()
        for key, expected in stored.items():
            # The mart keeps costs to a millionth.
            assert computed[key] == pytest.approx(expected, abs=5e-7), (begin, key)
    assert len(stored) > 5

    assert client.get("/readyz").status_code == 200
    repositories = client.answer("/repositories", token)["data"]
    assert sum(row["run_count"] for row in repositories) == sum(
        row["run_count"] for row in answered
    )
    for workflow in client.answer("/workflows", token)["data"]:
        path = f"/workflows/{workflow['workflow_id']}?repository={workflow['repository_id']}"
        path += "&branch=@default&event=push"
        assert client.answer(path, token)["data"]["latest_run"] == workflow["latest_run"]


def test_every_group_is_what_the_reference_counts(
    client: ValidatingClient, database_url: str
) -> None:
    with connect(database_url, autocommit=True) as connection:
        token = create_token(connection, "test")[1]
        connection.execute("set time zone 'UTC'")
        with connection.cursor(row_factory=dict_row) as cursor:
            runs = cursor.execute("select * from marts.workflow_runs").fetchall()
            attempts = cursor.execute("select * from marts.workflow_run_attempts").fetchall()
            jobs = cursor.execute("select * from marts.jobs").fetchall()
    for row in (*runs, *attempts):
        # A commit is one in a workflow, whatever else is in its group.
        if row["head_sha"] is not None:
            row["head_sha"] = (row["repository_id"], row["workflow_id"], row["head_sha"])
    for job in jobs:
        job["is_ended"] = job["billable_minutes"] is not None
    fields = ",".join(METRICS)
    for groups in (*((name,) for name in (*OF_RUNS, *OF_JOBS)), ("job_name", "branch")):
        path = f"/stats?group_by={','.join(groups)}&sort=-run_count&fields={fields}"
        answered = {
            tuple(row[GROUPS[name].key] for name in groups): {name: row[name] for name in METRICS}
            for row in pages(client, token, path)
        }
        expected = _counted(runs, attempts, jobs, groups)
        assert answered.keys() == expected.keys(), groups
        for key, row in expected.items():
            assert answered[key] == pytest.approx(row, abs=5e-7), (groups, key)


def _counted(
    runs: Sequence[Row], attempts: Sequence[Row], jobs: Sequence[Row], groups: Sequence[str]
) -> dict[Any, Row]:
    """The metrics of each group, as if it were a workflow's day; a run is in each group of which
    it has an executed job."""

    def keys_of(run: Row, job: Row) -> set[Any]:
        values = [
            OF_JOBS[name](job) if name in OF_JOBS else {OF_RUNS[name](run)} for name in groups
        ]
        return set(product(*values))

    def filed(row: Row, key: Any) -> Row:
        return {**row, "repository_id": None, "workflow_id": key, "day": None}

    jobs_of = grouped(jobs, "run_id")
    filed_runs, filed_jobs = [], []
    for run in runs:
        own = jobs_of.get((run["run_id"],), [])
        telling = [job for job in own if job["is_executed"]] if {*groups} & {*OF_JOBS} else [{}]
        keys = {key for job in telling for key in keys_of(run, job)}
        filed_runs += [filed(run, key) for key in keys]
        filed_jobs += [filed(job, key) for job in own for key in keys & keys_of(run, job)]
    return {
        row["workflow_id"]: {
            name: float(row[name]) if isinstance(row[name], Decimal) else row[name]
            for name in METRICS
        }
        for row in workflow_statistics_by_day(filed_runs, attempts, filed_jobs)
    }


def test_health_flakiness_costs_and_runners_agree_with_their_marts(
    client: ValidatingClient, database_url: str
) -> None:
    with connect(database_url, autocommit=True) as connection:
        token = create_token(connection, "test")[1]
        with connection.cursor(row_factory=dict_row) as cursor:
            [stored] = cursor.execute(
                """
                select
                    (select count(*) from marts.flaky_job_occurrences) as occurrences,
                    (select sum(estimated_cost_usd)::float8 from marts.cost_by_day) as cost,
                    (select sum(job_count)::bigint from marts.cost_by_day) as jobs_with_cost,
                    (select count(*) from marts.jobs where not is_carried_over) as jobs,
                    (select count(*) from marts.branch_health_intervals) as intervals,
                    (
                        select count(*) from marts.branch_health_intervals where ended_at is null
                    ) as red_branches
                """
            )
    always = "from=2008-01-01&limit=500"

    def rows(path: str) -> list[dict[str, Any]]:
        answer = client.answer(path, token)
        assert answer["next"] is None
        found: list[dict[str, Any]] = answer["data"]
        return found

    flaky = rows(f"/flaky-jobs?{always}")
    assert sum(row["occurrence_count"] for row in flaky) == stored["occurrences"]
    assert len(rows(f"/flaky-jobs/occurrences?{always}")) == stored["occurrences"]
    costs = client.answer("/costs?from=0001-01-01", token)[
        "data"
    ]  # some began in no year that can be
    assert costs["estimated_cost_usd"] == pytest.approx(stored["cost"])
    assert costs["job_count"] == stored["jobs_with_cost"]
    assert sum(row["job_count"] for row in rows(f"/runners?{always}")) == stored["jobs"]
    assert len(rows(f"/branches/health?{always}&state=red")) == stored["red_branches"]
    assert len(rows(f"/branches/health/intervals?{always}")) == stored["intervals"]
    for path in ("/costs/unpriced", "/runners/hours", "/runners/names", "/changes"):
        client.answer(f"{path}?from=2008-01-01", token)
    client.answer("/runners/now", token)
