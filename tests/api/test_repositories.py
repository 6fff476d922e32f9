"""GET /repositories."""

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


def test_a_backfill_shows_how_far_it_is_and_when_it_ends(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    def progress() -> dict[str, Any]:
        (row,) = client.answer("/repositories", token)["data"]
        return {"state": row["state"], **row["progress"]}

    marts.repository(
        1,
        "acme/widgets",
        backfill_target="2025-10-03 00:00Z",
        backfill_windows=5,
        backfill_windows_completed=2,
        backfill_estimated_end="2025-12-04 10:30Z",
    )
    assert progress() == {
        "state": "backfilling",
        "backfill_target": "2025-10-03T00:00:00Z",
        "backfilled_from": None,
        "windows": 5,
        "windows_completed": 2,
        "job_listings_owed": 0,
        "estimated_end": "2025-12-04T10:30:00Z",
    }
    marts.connection.execute(
        """
        update app.repositories
        set backfilled_from = backfill_target, backfill_estimated_end = null
        """
    )
    assert (progress()["state"], progress()["estimated_end"]) == ("collecting", None)
