"""What webhooks take from people who signed in: at once, in the drain's transaction."""

from datetime import UTC, datetime
from typing import Any

import pytest

from actionsight.database import connect
from ingestion.webhooks.drain import DrainError
from tests.ingestion.webhooks.receiving import REPOSITORY_ID, Installation
from tests.ingestion.webhooks.signed_in import NEVER, sign_in, sign_ins

pytestmark = pytest.mark.integration

ADA, BOB = 11, 22
TAKING = [
    ("installation", {"action": "deleted"}),
    ("installation", {"action": "suspend"}),
    ("installation_repositories", {"action": "removed"}),
    ("repository", {"action": "privatized", "repository": {"id": REPOSITORY_ID}}),
    ("repository", {"action": "publicized", "repository": {"id": REPOSITORY_ID}}),
    ("repository", {"action": "deleted", "repository": {"id": REPOSITORY_ID}}),
]


@pytest.fixture(autouse=True)
def _people(webhooks: Installation) -> None:
    sign_in(webhooks, ADA, sessions=2)
    sign_in(webhooks, BOB)


def invalid_before(webhooks: Installation) -> list[datetime]:
    return [person["rights_invalid_before"] for person in sign_ins(webhooks)]


def open_sign_ins(webhooks: Installation) -> dict[int, tuple[int, int]]:
    return {
        person["user_id"]: (person["grant_count"], person["session_count"])
        for person in sign_ins(webhooks)
    }


@pytest.mark.parametrize(("event", "payload"), TAKING)
def test_rights_that_were_read_before_the_delivery_count_no_more(
    webhooks: Installation, event: str, payload: dict[str, Any]
) -> None:
    webhooks.send(event, payload)
    received_at = datetime.now(UTC)
    webhooks.drain()
    assert all(received_at < moment < datetime.now(UTC) for moment in invalid_before(webhooks))
    assert open_sign_ins(webhooks) == {ADA: (2, 2), BOB: (1, 1)}
    is_closed = (event, payload["action"]) in {
        ("repository", "privatized"),
        ("repository", "deleted"),
    }
    assert webhooks.repository()["visibility"] == ("private" if is_closed else "public")


def test_a_delivery_that_comes_during_the_transaction_is_later_than_the_rights(
    webhooks: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drain's transaction can be older than what it reads from the buffer."""
    claims = webhooks.buffer.claims
    moments: list[datetime] = []

    def claims_late(count: int) -> Any:
        if not moments:
            webhooks.send("installation", {"action": "suspend"})
            moments.append(datetime.now(UTC))
        return claims(count)

    webhooks.send("ping", {})
    monkeypatch.setattr(webhooks.buffer, "claims", claims_late)
    webhooks.drain()
    assert all(moment >= moments[0] for moment in invalid_before(webhooks))


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("installation", {"action": "created"}),
        ("installation", {"action": "unsuspend"}),
        ("installation_repositories", {"action": "added"}),
        ("repository", {"action": "privatized", "repository": {"id": 99}}),
        ("github_app_authorization", {"action": "revoked", "sender": {"id": 33}}),
    ],
)
def test_what_takes_nothing_from_them_leaves_their_rights(
    webhooks: Installation, event: str, payload: dict[str, Any]
) -> None:
    webhooks.send(event, payload)
    webhooks.drain()
    assert invalid_before(webhooks) == [NEVER, NEVER]
    assert open_sign_ins(webhooks) == {ADA: (2, 2), BOB: (1, 1)}


def test_a_revoked_authorization_ends_all_sign_ins_of_that_person_alone(
    webhooks: Installation,
) -> None:
    webhooks.send("github_app_authorization", {"action": "revoked", "sender": {"id": ADA}})
    webhooks.drain()
    assert open_sign_ins(webhooks) == {ADA: (0, 0), BOB: (1, 1)}
    kept = {person["user_id"]: person["token_count"] for person in sign_ins(webhooks)}
    assert kept == {ADA: 0, BOB: 1}, "her tokens are not kept, not even encrypted"
    of_ada, of_bob = invalid_before(webhooks)
    assert (of_ada > NEVER, of_bob) == (True, NEVER)
    assert [row["outcome"] for row in webhooks.ledger().values()] == ["applied"]


def test_a_delivery_that_comes_again_takes_nothing_twice(webhooks: Installation) -> None:
    revoked = {"action": "revoked", "sender": {"id": ADA}}
    webhooks.send("github_app_authorization", revoked, "d-1")
    webhooks.drain()
    sign_in(webhooks, ADA)
    webhooks.send("github_app_authorization", revoked, "d-1")
    webhooks.drain()
    assert open_sign_ins(webhooks)[ADA] == (1, 1)


def test_it_is_taken_with_the_ledger_s_row_or_not_at_all(webhooks: Installation) -> None:
    webhooks.send("installation", {"action": "suspend"})
    webhooks.execute(
        """
        create function raw.fail() returns trigger language plpgsql as $$
        begin raise exception using errcode = 'insufficient_privilege'; end $$
        """
    )
    webhooks.execute(
        """
        create trigger fail before insert on raw.webhook_batches
        for each row execute function raw.fail()
        """
    )
    with pytest.raises(DrainError):
        webhooks.drain()
    assert invalid_before(webhooks) == [NEVER, NEVER]
    webhooks.execute("drop trigger fail on raw.webhook_batches")
    webhooks.drain()
    assert all(moment > NEVER for moment in invalid_before(webhooks))


def test_two_writers_of_people_do_not_wait_for_each_other(webhooks: Installation) -> None:
    """A sign-in under way holds its person's row only as a key: the drain goes on."""
    webhooks.send("installation", {"action": "suspend"})
    with connect(webhooks.database_url) as signing_in:
        signing_in.execute(
            "insert into app.sign_in_grants (user_id, access_token) values (%s, '')", [BOB]
        )
        webhooks.drain()
    assert all(moment > NEVER for moment in invalid_before(webhooks))
