"""GET /repositories."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration


def test_a_repository_says_what_is_known_of_it_and_how_its_collection_does(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    marts.repository(
        1,
        "acme/widgets",
        visibility="public",
        added_at="2026-01-01 00:00Z",
        backfilled_from="2025-10-03 00:00Z",
        observed_until="2026-01-07 12:30:00.5Z",
        newest_observation_at="2026-01-07 14:31:00+02:00",
        trouble="502 Bad Gateway",
        trouble_since="2026-01-08 00:00Z",
        failure_count=3,
        next_try_at="2026-01-08 00:40Z",
        backfill_target="2025-10-03 00:00Z",
        backfill_windows=4,
        backfill_windows_completed=4,
        job_listings_owed=7,
    )
    marts.workflow(11, 1, "Build")
    marts.workflow(12, 1, "Deploy")
    marts.statistics_by_day(11, "2026-01-01", runs=3, jobs=30)
    marts.statistics_by_day(12, "2026-01-01", runs=1, jobs=1)
    marts.statistics_by_day(11, "2026-01-02", runs=2, jobs=20)
    response = client.get("/repositories", headers=bearer(token))
    assert response.headers["Actionsight-As-Of"] == "2026-01-07T12:30:00.500000Z"
    assert response.json == {
        "data": [
            {
                "repository_id": 1,
                "full_name": "acme/widgets",
                "visibility": "public",
                "state": "trouble",
                "default_branch": "main",
                "is_archived": False,
                "html_url": "https://github.com/acme/widgets",
                "workflow_count": 2,
                "run_count": 6,
                "jobs_listed": 51,
                "added_at": "2026-01-01T00:00:00Z",
                "backfilled_from": "2025-10-03T00:00:00Z",
                "observed_until": "2026-01-07T12:30:00.500000Z",
                "newest_observation_at": "2026-01-07T12:31:00Z",
                "trouble": "502 Bad Gateway",
                "trouble_since": "2026-01-08T00:00:00Z",
                "unreachable_since": None,
                "failure_count": 3,
                "next_try_at": "2026-01-08T00:40:00Z",
                "progress": {
                    "backfill_target": "2025-10-03T00:00:00Z",
                    "backfilled_from": "2025-10-03T00:00:00Z",
                    "windows": 4,
                    "windows_completed": 4,
                    "job_listings_owed": 7,
                    "estimated_end": None,
                },
            }
        ],
        "next": None,
        "filter": {},
    }


def test_a_repository_that_was_just_added_is_shown_before_its_first_build(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    marts.connection.execute(
        "insert into app.repositories (repository_id, full_name) values (7, 'acme/new')"
    )
    (row,) = client.answer("/repositories?repository=acme/New", token)["data"]
    assert (row["full_name"], row["run_count"], row["default_branch"]) == ("acme/new", 0, None)
    assert (row["observed_until"], row["newest_observation_at"]) == (None, None)


def test_the_end_of_a_backfill_is_estimated_from_its_windows_of_the_last_hour(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    def progress() -> dict[str, Any]:
        (row,) = client.answer("/repositories", token)["data"]
        return {"state": row["state"], **row["progress"]}

    def complete(start: str, minutes_ago: int | None) -> None:
        marts.connection.execute(
            """
            insert into raw.backfill_windows (repository_id, starts_at, ends_at, completed_at)
            values (1, %(start)s, %(start)s::timestamptz + interval '1 day',
                date_trunc('minute', now()) - %(ago)s * interval '1 minute')
            on conflict (repository_id, starts_at)
            do update set completed_at = excluded.completed_at
            """,
            {"start": start, "ago": minutes_ago},
        )
        marts.connection.execute(
            """
            update app.repositories set (backfill_windows, backfill_windows_completed) = (
                select count(*) + 4, count(completed_at) from raw.backfill_windows
            )
            """
        )

    marts.connection.execute("truncate raw.backfill_windows")
    marts.repository(1, "acme/widgets", backfill_target="2025-10-03 00:00Z")
    complete("2025-10-03Z", None)
    assert progress() == {
        "state": "backfilling",
        "backfill_target": "2025-10-03T00:00:00Z",
        "backfilled_from": None,
        "windows": 5,
        "windows_completed": 0,
        "job_listings_owed": 0,
        "estimated_end": None,
    }
    complete("2025-12-03Z", 90)
    complete("2025-12-02Z", 30)
    assert progress()["estimated_end"] is None, "one window has no pace"
    complete("2025-12-01Z", 10)
    now = marts.connection.execute("select date_trunc('minute', now())").fetchall()[0][0]
    shown = datetime.fromisoformat(progress()["estimated_end"])
    # Five windows are left, at 20 minutes each since the last one.
    assert abs(shown - (now + timedelta(minutes=90))) <= timedelta(minutes=1)
    marts.connection.execute("update app.repositories set backfilled_from = backfill_target")
    assert (progress()["state"], progress()["estimated_end"]) == ("collecting", None)
