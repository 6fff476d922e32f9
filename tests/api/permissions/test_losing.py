"""What takes rights at once: webhooks, and the refusal of a token."""

from collections.abc import Callable

import pytest

from github_standin.world.people import User
from tests.api.permissions.installation import Caller, Installation, fails

pytestmark = pytest.mark.integration


HEARD: list[tuple[str, Callable[[Installation], None]]] = [
    ("installation", lambda installation: installation.hear("installation", action="suspend")),
    ("deleted", lambda installation: installation.hear("installation", action="deleted")),
    (
        "removed",
        lambda installation: installation.hear(
            "installation_repositories",
            action="removed",
            repositories_removed=[{"id": installation.identity("octo/closed")}],
        ),
    ),
]


@pytest.mark.parametrize("hear", [each for _, each in HEARD], ids=[name for name, _ in HEARD])
def test_what_webhooks_took_is_gone_at_once_also_while_github_is_away(
    installation: Installation,
    browser: Caller,
    reader: User,
    open_id: int,
    closed_id: int,
    hear: Callable[[Installation], None],
) -> None:
    assert browser.visible() == {open_id, closed_id}
    installation.world.people.set_role(reader, "octo/closed", "none")
    hear(installation)
    installation.github.fault = fails
    assert browser.visible() == {open_id}
    installation.github.fault = None
    installation.world.people.set_role(reader, "octo/closed", "read")
    assert browser.visible() == {open_id}, "until GitHub is asked again"
    installation.age(5)
    browser.read("/stats")
    installation.settle()
    assert browser.visible() == {open_id, closed_id}


def test_what_is_taken_from_others_lets_nobody_ask_github_again(
    installation: Installation, browser: Caller, open_id: int, closed_id: int
) -> None:
    """An App that is taken off many repositories one by one tells so each time."""
    removed_id = installation.monitor("octo/removed")
    for _ in range(20):
        installation.hear(
            "installation_repositories",
            action="removed",
            repositories_removed=[{"id": removed_id}],
        )
        assert browser.visible() == {open_id, closed_id}
    assert installation.asked() == 1


def test_what_was_made_private_is_gone_at_once(
    installation: Installation, browser: Caller, open_id: int, closed_id: int
) -> None:
    assert browser.visible() == {open_id, closed_id}
    installation.privatize(open_id)
    assert browser.visible() == {closed_id}


def test_a_token_that_github_refuses_ends_the_session_and_its_grant(
    installation: Installation, browser: Caller, reader: User
) -> None:
    other = installation.signed_in(reader)
    installation.world.people.revoke_authorization(reader)
    for path in ("/stats", "/repositories"):
        response = browser.get(path)
        assert response.status_code == 401
        assert "sign in" in response.text
    assert installation.asked() == 1, "the session is known to have ended"
    assert installation.connection.execute(
        "select count(*) from app.sign_in_grants where revoked_at is null"
    ).fetchone() == (1,)
    assert other.get("/stats").status_code == 401


def test_a_revocation_that_github_tells_ends_sessions_at_once(
    installation: Installation, browser: Caller, reader: User
) -> None:
    browser.read("/stats")
    asked = len(installation.github.requests)
    installation.hear(
        "github_app_authorization", action="revoked", sender={"id": reader.account.id}
    )
    assert browser.get("/stats").status_code == 401
    assert len(installation.github.requests) == asked
