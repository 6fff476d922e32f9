"""A token opens what its scope says: /metrics alone, what answers, or also what changes."""

import pytest

from github_standin.world.people import User
from tests.api.permissions.installation import Caller, Installation

pytestmark = pytest.mark.integration


def test_each_scope_opens_what_the_ones_before_it_open(
    installation: Installation, open_id: int
) -> None:
    opened = {
        "metrics": (200, 403, 403, 403),
        "read": (200, 200, 403, 403),
        "manage": (200, 200, 200, 204),
    }
    for scope in ("metrics", "read", "manage"):
        caller = installation.with_token(None, scope)
        answers = [
            caller.get("/metrics"),
            caller.get("/stats"),
            caller.add("octo/open"),
            caller.delete(open_id),
        ]
        assert tuple(answer.status_code for answer in answers) == opened[scope], scope
        refused = [answer for answer in answers if answer.status_code == 403]
        for answer, needed in zip(reversed(refused), ("manage", "manage", "read"), strict=False):
            assert f"scope {needed}" in answer.text
            assert (
                f'error="insufficient_scope", scope="{needed}"'
                in (answer.headers["WWW-Authenticate"])
            )


def test_a_token_of_a_person_reads_what_they_may_and_changes_nothing(
    installation: Installation, reader: User, browser: Caller, open_id: int, closed_id: int
) -> None:
    installation.monitor("octo/removed")
    caller = installation.with_token(reader, "read")
    assert caller.visible() == browser.visible() == {open_id, closed_id}
    assert caller.add("octo/open").status_code == 403


def test_tokens_that_were_made_before_there_were_scopes_go_on_reading(
    installation: Installation, open_id: int
) -> None:
    caller = installation.with_token(None)
    installation.connection.execute("update app.api_tokens set scopes = '{read,metrics}'")
    assert caller.visible() == {open_id}
    assert caller.get("/metrics").status_code == 200
    assert caller.delete(open_id).status_code == 403
