"""GET /changes and the levels of a workflow against answers by hand."""

from typing import Any

import pytest

from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration

# 14 days, and the 14 before.
RANGE = "from=2026-01-15&to=2026-01-28"


@pytest.fixture
def history(marts: Marts) -> Marts:
    """A workflow whose runs take 300 s instead of 100, whose job `test` does, too, and which fails
    more often; and one that stays as it was."""
    marts.repository(1, "acme/widgets", backfilled_from="2025-01-01Z")
    marts.repository(2, "acme/late", backfilled_from="2026-01-10Z")
    for workflow_id, repository_id in ((11, 1), (12, 1), (21, 2)):
        marts.workflow(workflow_id, repository_id, f"Workflow {workflow_id}")
    for number in range(40):
        is_later = number >= 20
        day = f"2026-01-{(15 if is_later else 1) + number % 14:02} 10:00"
        has_failed = is_later and number % 2 == 0
        for place, workflow_id in enumerate((11, 12, 21)):
            run_id = 1000 * (place + 1) + number
            is_slow = is_later and workflow_id != 12
            marts.run(
                run_id,
                workflow_id,
                day,
                attempts=["failure" if has_failed and workflow_id != 12 else "success"],
                duration_seconds=300 if is_slow else 100,
            )
            if workflow_id == 11:
                marts.job(
                    run_id,
                    run_id,
                    name="test",
                    status="completed",
                    conclusion="success",
                    duration_seconds=250 if is_later else 50,
                    estimated_cost_usd=0.5 if is_later else 0.25,
                )
    marts.level_change(11, 1020, "2026-01-15 10:00", (100, 300))
    marts.level_change(11, 1005, "2026-01-06 10:00", (400, 100), still_holds=False)
    marts.level_change(11, 1021, "2026-01-16 10:00", (50, 250), job_name="test")
    marts.add_up_days()
    marts.add_up_job_days()
    return marts


def test_only_clear_changes_are_told_those_of_most_impact_first(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    answer = client.answer(f"/changes?{RANGE}", token)
    assert answer["compared"]["is_complete"] is False  # of the other repository
    rows = answer["data"]
    assert {row["repository_id"] for row in rows} == {1}
    assert [
        (row["subject"], row["measure"], row["direction"], row["before"], row["after"])
        for row in rows
    ] == [
        # 5 dollars are 50,000 seconds, for which a Linux runner is had.
        ("workflow", "estimated_cost_usd", "up", 5, 10),
        ("job", "success_duration_p50_seconds", "up", 50, 250),
        ("workflow", "success_rate", "down", 1, 0.5),
        ("workflow", "success_duration_p50_seconds", "up", 100, 300),
    ]
    cost, job, rate, duration = rows
    # 14 days count twice in 28: 200 s for each of 10 and of 20, 300 s for each of 10 that fail.
    assert (cost["impact_usd"], cost["impact_seconds"]) == (10, None)
    assert [row["impact_seconds"] for row in (job, rate, duration)] == [8000, 6000, 4000]
    assert (duration["before_count"], duration["after_count"]) == (20, 10)
    assert all(row["is_worse"] for row in rows)
    assert (duration["since"]["run_id"], duration["still_holds"]) == (1020, True)
    assert (job["job_name"], job["since"]["run_id"]) == ("test", 1021)
    assert (cost["since"], rate["still_holds"]) == (None, None)
    first = client.answer(f"/changes?{RANGE}&limit=3", token)
    assert first["data"] == rows[:3]
    rest = client.answer(f"/changes?{RANGE}&limit=3&next={first['next']}", token)
    assert (rest["data"], rest["next"]) == (rows[3:], None)
    text = client.get(f"/changes?{RANGE}", headers={**bearer(token), "Accept": "text/csv"}).text
    assert len(text.splitlines()) == 5


def test_a_change_began_with_a_commit_of_the_default_branch(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    history.level_change(11, 1025, "2026-01-20 10:00", (100, 300), health_group=None)
    rows = client.answer(f"/changes?{RANGE}", token)["data"]
    [duration] = [
        row
        for row in rows
        if (row["subject"], row["measure"]) == ("workflow", "success_duration_p50_seconds")
    ]
    assert duration["since"]["run_id"] == 1020


def test_jobs_without_a_name_are_not_taken_for_the_runs(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    # As slow as the runs: all that tells the two apart is what they are of.
    history.connection.execute(
        """
        update marts.jobs set
            name = null, job_name_key = md5('')::uuid,
            duration_seconds = case duration_seconds when 250 then 300 else 100 end
        """
    )
    history.connection.execute("update marts.workflow_runs set conclusion = 'success'")
    rows: list[Any] = []
    after = ""
    while not rows or after:
        page = client.answer(f"/changes?{RANGE}&limit=1{after}", token)
        rows += page["data"]
        after = f"&next={page['next']}" if page["next"] else ""
    assert [
        (row["subject"], row["job_name"], row["since"] and row["since"]["run_id"])
        for row in rows
        if row["measure"] == "success_duration_p50_seconds"
    ] == [("job", None, None), ("workflow", None, 1020)]


def test_a_job_that_became_flaky_is_told(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    for number in range(20, 30):
        run_id = 1000 + number
        history.job(run_id * 10, run_id, name="flaky", status="completed", conclusion="failure")
        history.job(
            run_id * 10 + 1,
            run_id,
            run_attempt=2,
            name="flaky",
            status="completed",
            conclusion="success",
        )
        history.flaky_job(run_id * 10, run_id * 10 + 1, lost_seconds=600)
    for number in range(20):
        history.job(5000 + number, 1000 + number, name="flaky", status="completed")
    history.connection.execute("delete from marts.job_statistics_by_day")
    history.add_up_job_days()
    rows = client.answer(f"/changes?{RANGE}&job_name=flaky", token)["data"]
    [row] = [row for row in rows if row["measure"] == "flaky_rate"]
    assert (row["job_name"], row["before"], row["after"]) == ("flaky", 0, 1)
    assert (row["before_count"], row["after_count"]) == (20, 10)
    assert row["impact_seconds"] == 2 * 10 * 600


def test_a_workflow_has_its_levels_and_its_health(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    history.level_change(11, 1030, "2026-01-25 10:00", (200, 100), health_group=None)
    data = client.answer(f"/workflows/11?{RANGE}&include=levels,health&fields=run_count", token)
    levels = data["data"]["levels"]
    assert [
        (
            level["health_group"],
            level["from"],
            level["to"],
            level["median_seconds"],
            level["first_run"] and level["first_run"]["run_id"],
            level["is_current"],
        )
        for level in levels
    ] == [
        ("default_branch", None, "2026-01-06T10:00:00Z", 400, None, False),
        ("default_branch", "2026-01-06T10:00:00Z", "2026-01-15T10:00:00Z", 100, 1005, False),
        ("default_branch", "2026-01-15T10:00:00Z", None, 300, 1020, True),
        (None, None, "2026-01-25T10:00:00Z", 200, None, False),
        (None, "2026-01-25T10:00:00Z", None, 100, 1030, True),
    ]
    assert data["data"]["health"]["state"] == "unknown"
    assert data["filter"]["include"] == ["levels", "health"]
    assert client.answer("/workflows/12?include=levels", token)["data"]["levels"] == []
    assert "levels" not in client.answer("/workflows/12", token)["data"]


def test_changes_need_a_beginning(history: Marts, client: ValidatingClient, token: str) -> None:
    assert client.get("/changes?to=2026-01-01", headers=bearer(token)).status_code == 400
