"""GET /branches/health and /branches/health/intervals against answers by hand."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.branches.queries import Branch, read_health
from api.database import current_database
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration

RANGE = "from=2026-01-02&to=2026-01-05"


@pytest.fixture
def history(marts: Marts) -> Marts:
    """A workflow that is red since its fourth run, one that recovered, one nobody decided."""
    marts.repository(1, "acme/widgets", observed_until="2026-01-04 00:00Z")
    for workflow_id, name in ((11, "Red"), (12, "Green"), (13, "Unknown")):
        marts.workflow(workflow_id, 1, name)

    def run(run_id: int, workflow_id: int, at: str, ended: list[str], **values: Any) -> None:
        group = values.pop("health_group", "default_branch")
        marts.run(run_id, workflow_id, at, ended_at=ended, health_group=group, **values)

    # The first two runs, green, then two that failed; the newest after a success of its own.
    run(101, 11, "2026-01-01 10:00", ["2026-01-01 10:10"])
    run(102, 11, "2026-01-02 10:00", ["2026-01-02 10:10"])
    run(103, 11, "2026-01-03 10:00", ["2026-01-03 10:10"], attempts=["cancelled"])
    run(104, 11, "2026-01-03 11:00", ["2026-01-03 12:00"], attempts=["failure"])
    run(
        105,
        11,
        "2026-01-03 13:00",
        ["2026-01-03 13:10", "2026-01-03 14:00"],
        attempts=["success", "timed_out"],
    )
    run(106, 11, "2026-01-03 15:00", [], attempts=[None])
    marts.job(1, 105, run_attempt=1, name="build", status="completed", conclusion="failure")
    marts.job(2, 105, run_attempt=2, name="test", status="completed", conclusion="timed_out")
    marts.job(3, 105, run_attempt=2, name="lint", status="completed", conclusion="success")
    marts.red_interval(11, (104, 1), "2026-01-03 12:00", (105, 1), "2026-01-03 13:10")
    marts.red_interval(11, (105, 2), "2026-01-03 14:00")
    # Red since before anything was known, green by a re-run.
    run(
        201,
        12,
        "2026-01-01 22:00",
        ["2026-01-01 23:00", "2026-01-02 01:00"],
        attempts=["failure", "success"],
    )
    run(202, 12, "2026-01-02 10:00", ["2026-01-02 11:00"], attempts=["failure"])
    run(203, 12, "2026-01-02 12:00", ["2026-01-02 13:00"])
    run(204, 12, "2026-01-02 14:00", ["2026-01-02 15:00"])
    run(
        205,
        12,
        "2026-01-02 14:00",
        ["2026-01-02 15:00"],
        attempts=["failure"],
        health_group="merge_queue",
        event="merge_group",
    )
    marts.red_interval(
        12, (201, 1), "2026-01-01 23:00", (201, 2), "2026-01-02 01:00", is_start_known=False
    )
    marts.red_interval(12, (202, 1), "2026-01-02 11:00", (203, 1), "2026-01-02 13:00")
    marts.red_interval(12, (205, 1), "2026-01-02 15:00", health_group="merge_queue")
    marts.run(301, 13, "2026-01-02 10:00", event="pull_request", actor_login="octocat")
    return marts


def rows(client: ValidatingClient, token: str, path: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = client.answer(path, token)["data"]
    return data


def test_a_red_branch_says_since_when_and_what_was_green(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    [row] = rows(client, token, f"/branches/health?{RANGE}&workflow=11&include=failing_jobs")
    health = row["health"]
    assert (health["state"], health["failure_streak"]) == ("red", 2)
    assert (health["since"]["run_id"], health["since"]["run_attempt"]) == (104, 1)
    assert health["since"]["created_at"] == "2026-01-03T11:00:00Z"
    assert (health["last_green"]["run_id"], health["last_green"]["run_attempt"]) == (102, 1)
    assert health["compare_url"] == (
        f"https://github.com/acme/widgets/compare/{102:040x}...{104:040x}"
    )
    assert [(job["job_id"], job["name"]) for job in row["failing_jobs"]] == [(2, "test")]
    # 12:00 to 13:10, and from 14:00 up to what was observed, ten hours later.
    assert row["red_seconds"] == 70 * 60 + 10 * 3600
    assert (row["interval_count"], row["breakage_count"]) == (2, 2)
    assert (row["recovery_count"], row["mttr_seconds"], row["recovery_p50_seconds"]) == (
        1,
        4200,
        4200,
    )
    # Of 102, 104 and 105; and two of two days are known.
    assert (row["decisive_count"], row["breakage_rate"]) == (3, 2 / 3)
    assert row["green_share"] == pytest.approx(1 - 40200 / (2 * 86400))
    assert row["head_branch"] == "main"


def test_a_green_branch_says_what_ended_the_last_red_interval(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    row, queue = rows(client, token, f"/branches/health?{RANGE}&workflow=12")
    health = row["health"]
    assert (health["state"], health["failure_streak"], health["compare_url"]) == ("green", 0, None)
    assert (health["since"]["run_id"], health["last_green"]["run_id"]) == (203, 204)
    # An hour of the first interval, and two hours of the second, whose start alone is known.
    assert (row["red_seconds"], row["interval_count"]) == (3 * 3600, 2)
    assert (row["breakage_count"], row["recovery_count"], row["mttr_seconds"]) == (1, 1, 7200)
    assert "failing_jobs" not in row
    assert (queue["health_group"], queue["health"]["state"]) == ("merge_queue", "red")
    assert (queue["head_branch"], queue["health"]["last_green"]) == (None, None)
    assert queue["health"]["compare_url"] is None


def test_what_was_never_decided_is_unknown(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    [row] = rows(client, token, f"/branches/health?{RANGE}&workflow=13")
    assert row["health"] == {
        "state": "unknown",
        "since": None,
        "failure_streak": 0,
        "last_green": None,
        "compare_url": None,
    }
    assert (row["green_share"], row["breakage_rate"], row["red_seconds"]) == (None, None, 0)


def test_state_and_filter_choose_branches_whenever_their_runs_were(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    def chosen(query: str) -> list[tuple[int, str]]:
        found = rows(client, token, f"/branches/health?{query}")
        return [(row["workflow_id"], row["health_group"]) for row in found]

    green, red, queue, unknown = (
        (12, "default_branch"),
        (11, "default_branch"),
        (12, "merge_queue"),
        (13, "default_branch"),
    )
    assert chosen("period=7d") == [red, green, queue, unknown]
    assert chosen("state=red") == [red, queue]
    assert chosen("state=green,unknown") == [green, unknown]
    assert chosen("event=merge_group") == [queue]
    assert chosen("actor=octocat") == []  # that run is of no health group
    assert chosen("run_number=7") == []
    walked, after = [], ""
    while True:
        page = client.answer(f"/branches/health?limit=1{after}", token)
        walked += [(row["workflow_id"], row["health_group"]) for row in page["data"]]
        if page["next"] is None:
            break
        after = f"&next={page['next']}"
    assert walked == [red, green, queue, unknown]


def test_an_open_interval_ends_with_what_is_known(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    path = f"/branches/health?{RANGE}&workflow=11"

    def observe(until: str | None) -> tuple[int | None, float | None]:
        history.connection.execute("update app.repositories set observed_until = %s", [until])
        [row] = rows(client, token, path)
        return row["red_seconds"], row["green_share"]

    assert observe("2026-01-03 15:00Z")[0] == 70 * 60 + 3600
    assert observe("2026-01-09 00:00Z")[0] == 70 * 60 + 58 * 3600
    assert observe(None) == (None, None)
    assert observe("2026-01-01 00:00Z") == (0, None)


def test_intervals_are_listed_newest_first(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    found = rows(client, token, f"/branches/health/intervals?{RANGE}")
    assert [
        (
            row["workflow_id"],
            row["first_failed"]["run_id"],
            row["recovered_by"] and row["recovered_by"]["run_id"],
            row["duration_seconds"],
            row["red_seconds"],
            row["is_start_known"],
        )
        for row in found
    ] == [
        (11, 105, None, None, 10 * 3600, True),
        (11, 104, 105, 4200, 4200, True),
        (12, 205, None, None, 33 * 3600, True),
        (12, 202, 203, 7200, 7200, True),
        (12, 201, 201, 7200, 3600, False),
    ]
    assert found[1]["recovered_by"]["run_attempt"] == 1
    [queue] = rows(client, token, f"/branches/health/intervals?{RANGE}&event=merge_group")
    assert queue["health_group"] == "merge_queue"
    assert rows(client, token, "/branches/health/intervals?from=2026-01-05&workflow=12") == [
        row | {"red_seconds": 0}
        for row in rows(client, token, "/branches/health/intervals?from=2026-01-05&workflow=12")
    ]
    walked, after = [], ""
    while True:
        page = client.answer(f"/branches/health/intervals?{RANGE}&limit=1{after}", token)
        walked += page["data"]
        if page["next"] is None:
            break
        after = f"&next={page['next']}"
    assert walked == found


def test_csv_has_a_line_for_each(history: Marts, client: ValidatingClient, token: str) -> None:
    for path, count in (("/branches/health", 4), ("/branches/health/intervals", 5)):
        headers = {**bearer(token), "Accept": "text/csv"}
        lines = client.get(f"{path}?{RANGE}", headers=headers).text.splitlines()
        assert len(lines) == 1 + count
        assert "run_id" in lines[0]


def test_several_branches_are_read_at_once(history: Marts, client: ValidatingClient) -> None:
    branches = [Branch(1, 11), Branch(1, 12), Branch(1, 12, "merge_queue"), Branch(1, 13)]
    with client.application.app_context(), current_database().reading() as connection:
        found = read_health(connection, branches)
    assert [found[branch]["state"] for branch in branches] == ["red", "green", "red", "unknown"]
    assert datetime(2026, 1, 3, 13, tzinfo=UTC) > found[branches[0]]["since"]["created_at"]
