"""What takes rights at once: webhooks, and the refusal of a token."""

from collections.abc import Callable

import pytest

from github_standin.world.people import User
from tests.api.rights.installation import Caller, House, fails

pytestmark = pytest.mark.integration


HEARD: list[tuple[str, Callable[[House], None]]] = [
    ("installation", lambda house: house.hear("installation", action="suspend")),
    ("deleted", lambda house: house.hear("installation", action="deleted")),
    (
        "removed",
        lambda house: house.hear(
            "installation_repositories",
            action="removed",
            repositories_removed=[{"id": house.identity("octo/closed")}],
        ),
    ),
]


@pytest.mark.parametrize("hear", [each for _, each in HEARD], ids=[name for name, _ in HEARD])
def test_what_webhooks_took_is_gone_at_once_also_while_github_is_away(
    house: House,
    browser: Caller,
    reader: User,
    open_id: int,
    closed_id: int,
    hear: Callable[[House], None],
) -> None:
    assert browser.visible() == {open_id, closed_id}
    house.world.people.set_role(reader, "octo/closed", "none")
    hear(house)
    house.github.fault = fails
    assert browser.visible() == {open_id}
    house.github.fault = None
    house.world.people.set_role(reader, "octo/closed", "read")
    assert browser.visible() == {open_id}, "until GitHub is asked again"
    house.age(5)
    browser.read("/stats")
    house.settle()
    assert browser.visible() == {open_id, closed_id}


def test_what_is_taken_from_others_lets_nobody_ask_github_again(
    house: House, browser: Caller, open_id: int, closed_id: int
) -> None:
    """An App that is taken off many repositories one by one tells so each time."""
    removed_id = house.monitor("octo/removed")
    for _ in range(20):
        house.hear(
            "installation_repositories",
            action="removed",
            repositories_removed=[{"id": removed_id}],
        )
        assert browser.visible() == {open_id, closed_id}
    assert house.asked() == 1


def test_what_was_made_private_is_gone_at_once(
    house: House, browser: Caller, open_id: int, closed_id: int
) -> None:
    assert browser.visible() == {open_id, closed_id}
    house.privatize(open_id)
    assert browser.visible() == {closed_id}


def test_a_token_that_github_refuses_ends_the_session_and_its_grant(
    house: House, browser: Caller, reader: User
) -> None:
    other = house.signed_in(reader)
    house.world.people.revoke_authorization(reader)
    for path in ("/stats", "/repositories"):
        response = browser.get(path)
        assert response.status_code == 401
        assert "sign in" in response.text
    assert house.asked() == 1, "the session is known to have ended"
    assert house.connection.execute(
        "select count(*) from app.sign_in_grants where revoked_at is null"
    ).fetchone() == (1,)
    assert other.get("/stats").status_code == 401


def test_a_revocation_that_github_tells_ends_sessions_at_once(
    house: House, browser: Caller, reader: User
) -> None:
    browser.read("/stats")
    asked = len(house.github.requests)
    house.hear("github_app_authorization", action="revoked", sender={"id": reader.account.id})
    assert browser.get("/stats").status_code == 401
    assert len(house.github.requests) == asked
