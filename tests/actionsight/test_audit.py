"""The audit log keeps who did what."""

import pytest

from actionsight import audit
from actionsight.database import connect

pytestmark = pytest.mark.integration


def test_an_action_is_kept_with_who_did_it_and_details(database_url: str) -> None:
    with connect(database_url) as connection:
        audit.record(connection, "repository.added", user_id=7, repository_id=9, name="octo/app")
        audit.record(connection, "token.created", token_id=3)
        newest, older = audit.newest(connection, 10)
        assert audit.newest(connection, 1) == [newest]
    assert (newest.action, newest.user_id, newest.token_id) == ("token.created", None, 3)
    assert (older.user_id, older.repository_id, older.details) == (7, 9, {"name": "octo/app"})
    assert older.line().endswith("user 7\trepository.added\trepository_id=9 name=octo/app")
