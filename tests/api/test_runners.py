"""GET /runners and below against answers by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts, moment

pytestmark = pytest.mark.integration

RANGE = "from=2026-01-05&to=2026-01-05"


@pytest.fixture
def history(marts: Marts) -> Marts:
    """Two repositories that share runners, whose jobs meet at 10:10."""
    marts.repository(1, "acme/widgets", backfilled_from="2025-01-01Z")
    marts.repository(2, "acme/gadgets", backfilled_from="2025-01-01Z")
    marts.workflow(11, 1, "Build")
    marts.workflow(21, 2, "Test")
    marts.run(101, 11, "2026-01-05 10:00")
    marts.run(201, 21, "2026-01-05 10:00", actor_login="octocat")
    # Created, started, ended; the second begins when the first ends.
    ran(marts, 1, 101, "10:00", "10:01", "10:10")
    ran(marts, 2, 101, "10:05", "10:10", "10:30")
    ran(marts, 3, 201, "10:00", "10:05", "10:40", labels=["Linux", "self-hosted", "linux"])
    ran(marts, 4, 201, "10:00", "10:00", "10:05", labels=["ubuntu-latest"], runner_class="linux")
    marts.job(5, 201, labels=["self-hosted", "linux"], is_executed=False, created_at=at("10:00"))
    marts.job(6, 201, labels=["self-hosted", "linux"], is_executed=False, is_carried_over=True)
    return marts


def at(time: str) -> datetime:
    return moment(f"2026-01-05 {time}")


def ran(
    marts: Marts, job_id: int, run_id: int, created: str, started: str, ended: str, **values: Any
) -> None:
    marts.job(
        job_id,
        run_id,
        **{
            "labels": ["self-hosted", "Linux"],
            "runner_class": "self_hosted",
            "runner_name": f"runner {job_id}",
            "status": "completed",
            "conclusion": "success",
            "name": "build",
            "created_at": at(created),
            "started_at": at(started),
            "completed_at": at(ended),
            "queue_seconds": (at(started) - at(created)).total_seconds(),
            "duration_seconds": (at(ended) - at(started)).total_seconds(),
            **values,
        },
    )


def test_a_set_of_labels_has_its_waits_and_what_ran_at_once(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    own, hosted = client.answer(f"/runners?{RANGE}", token)["data"]
    assert (own["labels"], own["runner_class"]) == (["linux", "self-hosted"], "self_hosted")
    assert (own["run_count"], own["job_count"], own["jobs_executed"]) == (2, 4, 3)
    # Waits of 60, 300 and 300 s.
    assert (own["job_queue_count"], own["job_queue_p50_seconds"]) == (3, 300)
    assert (own["queue_within_count"], own["queue_within_rate"]) == (1, 1 / 3)
    assert own["busy_seconds"] == (9 + 20 + 35) * 60
    assert own["average_concurrency"] == pytest.approx(64 * 60 / 86400)
    # 1 and 3, then 2 and 3, since 1 ends when 2 begins; 1 and 3 wait from 10:00 on.
    assert (own["peak_jobs"], own["peak_queued"], own["runner_name_count"]) == (2, 2, 3)
    assert (hosted["labels"], hosted["peak_jobs"]) == (["ubuntu-latest"], 1)
    [narrow] = client.answer(f"/runners?{RANGE}&repository=1&within_seconds=300", token)["data"]
    assert (narrow["peak_jobs"], narrow["queue_within_rate"]) == (1, 1)
    [other] = client.answer(f"/runners?{RANGE}&actor=octocat&runner=self-hosted", token)["data"]
    assert other["jobs_executed"] == 1


def test_label_sets_are_paged_and_compared(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    whole = client.answer(f"/runners?{RANGE}&compare=previous", token)
    assert whole["compared"]["is_complete"] is True
    assert whole["data"][0]["previous"]["job_count"] == 0
    assert whole["data"][0]["previous"]["average_concurrency"] is None
    first = client.answer(f"/runners?{RANGE}&compare=previous&limit=1", token)
    rest = client.answer(f"/runners?{RANGE}&compare=previous&limit=1&next={first['next']}", token)
    assert first["data"] + rest["data"] == whole["data"]
    later = "from=2026-01-06&to=2026-01-06&compare=previous"
    assert client.answer(f"/runners?{later}", token)["data"] == []


def test_hours_add_up_and_their_peaks_are_computed_over_all_repositories(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    own = ["linux", "self-hosted"]
    history.runner_hour(
        1, own, "2026-01-05 10:00", job_count=2, queue_count=2, queue_seconds=360,
        longest_queue_seconds=300, queue_within_60_count=1, busy_seconds=1740, peak_jobs=1,
        peak_queued=1,
    )  # fmt: skip
    history.runner_hour(
        2, own, "2026-01-05 10:00", job_count=2, queue_count=1, queue_seconds=300,
        longest_queue_seconds=300, busy_seconds=2100, peak_jobs=1, peak_queued=1,
    )  # fmt: skip
    history.runner_hour(2, ["ubuntu-latest"], "2026-01-05 10:00", job_count=1, peak_jobs=7)
    history.runner_hour(2, own, "2026-01-06 00:00", job_count=9)
    path = f"/runners/hours?{RANGE}"
    rows = client.answer(path, token)["data"]
    [both] = client.answer(f"{path}&labels=Self-Hosted,linux", token)["data"]
    assert both in rows and len(rows) == 2
    assert both["hour"] == "2026-01-05T10:00:00Z"
    assert (both["job_count"], both["queue_count"], both["queue_seconds"]) == (4, 3, 660)
    assert (both["longest_queue_seconds"], both["queue_within_rate"]) == (300, 1 / 3)
    assert (both["busy_seconds"], both["peak_jobs"], both["peak_queued"]) == (3840, 2, 2)
    [alone] = client.answer(f"{path}&labels=ubuntu-latest&fields=peak_jobs", token)["data"]
    assert alone == {
        "labels": ["ubuntu-latest"],
        "hour": "2026-01-05T10:00:00Z",
        "peak_jobs": 7,
    }
    first = client.answer(f"{path}&limit=1", token)
    rest = client.answer(f"{path}&limit=1&next={first['next']}", token)
    assert first["data"] + rest["data"] == rows
    text = client.get(path, headers={**bearer(token), "Accept": "text/csv"}).text
    assert len(text.splitlines()) == 3


def test_now_tells_what_waits_and_what_is_usual_at_this_hour(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    since = datetime.now(UTC) - timedelta(minutes=3)
    history.run(301, 11, "2026-01-06 10:00", attempts=[None])
    waiting = {"labels": ["linux", "self-hosted"], "status": "queued", "is_executed": False}
    history.job(31, 301, created_at=since, **waiting)
    history.job(32, 301, created_at=since + timedelta(minutes=1), **waiting)
    history.job(33, 301, labels=["linux", "self-hosted"], status="in_progress")
    # Left behind by a run that is over.
    history.job(34, 101, created_at=since, **waiting)
    for number, (created, seconds) in enumerate(
        [
            (hour - timedelta(weeks=1), 100),
            (hour - timedelta(weeks=4) + timedelta(minutes=59), 300),
            (hour - timedelta(weeks=5), 9000),
            (hour - timedelta(weeks=1, hours=1), 9000),
        ]
    ):
        history.job(
            40 + number,
            101,
            labels=["self-hosted", "linux"],
            status="completed",
            created_at=created,
            queue_seconds=seconds,
        )
    [row] = client.answer("/runners/now", token)["data"]
    assert datetime.fromisoformat(row.pop("oldest_queued_at")) == since
    assert row == {
        "labels": ["linux", "self-hosted"],
        "queued_count": 2,
        "running_count": 1,
        "usual_job_queue_count": 2,
        "usual_job_queue_p95_seconds": 290,
    }
    assert client.answer("/runners/now?repository=2", token)["data"] == []


def test_a_runner_is_compared_with_others_that_ran_the_same_jobs(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    for number in range(40):
        ran(
            history,
            100 + number,
            101,
            "10:00",
            "10:00",
            "10:01",
            name="test",
            runner_name="bad" if number % 2 else "good",
            conclusion="failure" if number < 20 and (number % 2 or number < 4) else "success",
        )
    ran(history, 200, 101, "10:00", "10:00", "10:09", name="only here", runner_name="bad")
    path = f"/runners/names?{RANGE}&labels=self-hosted,linux"
    rows = {row["runner_name"]: row for row in client.answer(path, token)["data"]}
    bad, good = rows["bad"], rows["good"]
    # 10 of 20 failed on the bad one, 2 of 20 on the good one.
    assert (bad["job_count"], bad["failure_count"], bad["failure_rate"]) == (21, 10, 10 / 21)
    assert bad["failure_rate_lower_bound"] < 10 / 21 < bad["failure_rate_upper_bound"]
    assert bad["last_seen_at"] == "2026-01-05T10:09:00Z"
    assert (bad["compared_job_count"], bad["excess_failure_rate"]) == (20, pytest.approx(0.4))
    assert good["excess_failure_rate"] == pytest.approx(-0.4)
    assert rows["runner 1"]["excess_failure_rate"] is None
    assert "runner 4" not in rows
    whole = client.answer(path, token)["data"]
    walked, after = [], ""
    while True:
        page = client.answer(f"{path}&limit=1{after}", token)
        walked += page["data"]
        if page["next"] is None:
            break
        after = f"&next={page['next']}"
    assert walked == whole
