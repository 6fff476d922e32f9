"""Every answer says how fresh it is, by the repositories that it is about."""

import pytest

from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("path", "as_of", "newest_observation_at"),
    [
        ("/stats", "unknown", "2026-01-09T08:00:00Z"),
        ("/stats?repository=1", "2026-01-07T10:00:00Z", "2026-01-07T09:30:00Z"),
        ("/stats?repository=1,2", "2026-01-07T09:00:00Z", "2026-01-09T08:00:00Z"),
        ("/stats?repository=1,3", "unknown", "2026-01-07T09:30:00Z"),
        ("/stats?repository=3", "unknown", "unknown"),
        ("/stats?workflow=11", "2026-01-07T10:00:00Z", "2026-01-07T09:30:00Z"),
        ("/stats?repository=1&group_by=day", "2026-01-07T10:00:00Z", "2026-01-07T09:30:00Z"),
        ("/workflows", "unknown", "2026-01-09T08:00:00Z"),
        ("/workflows?repository=1", "2026-01-07T10:00:00Z", "2026-01-07T09:30:00Z"),
        ("/workflows/11", "2026-01-07T10:00:00Z", "2026-01-07T09:30:00Z"),
        ("/repositories?repository=1", "2026-01-07T10:00:00Z", "2026-01-07T09:30:00Z"),
        ("/repositories?repository=3", "unknown", "unknown"),
        ("/repositories/1", "2026-01-07T10:00:00Z", "2026-01-07T09:30:00Z"),
    ],
)
def test_freshness_is_of_the_repositories_of_the_answer_alone(
    marts: Marts,
    client: ValidatingClient,
    token: str,
    path: str,
    as_of: str,
    newest_observation_at: str,
) -> None:
    """Up to when all can be trusted is the earliest; when something was last seen, the newest."""
    marts.repository(
        1,
        "acme/a",
        observed_until="2026-01-07 11:00+01",
        newest_observation_at="2026-01-07 10:30+01",
    )
    marts.repository(
        2,
        "acme/b",
        observed_until="2026-01-07 09:00Z",
        newest_observation_at="2026-01-09 08:00Z",
    )
    marts.repository(3, "acme/new")
    marts.workflow(11, 1, "Build")
    response = client.get(path, headers=bearer(token))
    assert response.headers["Actionsight-As-Of"] == as_of
    assert response.headers["Actionsight-Newest-Observation-At"] == newest_observation_at
    again = {**bearer(token), "If-None-Match": response.headers["ETag"]}
    known = client.get(path, headers=again)
    assert (known.status_code, known.headers["Actionsight-As-Of"]) == (304, as_of)
