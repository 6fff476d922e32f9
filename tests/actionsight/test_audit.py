"""The audit log keeps who did what."""

import pytest

from actionsight import audit
from actionsight.database import connect

pytestmark = pytest.mark.integration


def test_an_action_is_kept_with_who_did_it_and_details(database_url: str) -> None:
    with connect(database_url) as connection:
        audit.record(connection, "repository.added", user_id=7, repository_id=9, name="octo/app")
        rows = connection.execute(
            "select action, user_id, token_id, repository_id, details from app.audit_log"
        ).fetchall()
    assert rows == [("repository.added", 7, None, 9, {"name": "octo/app"})]
