"""What webhooks take from people who signed in: at once, in the drain's transaction."""

from datetime import UTC, datetime
from typing import Any

import pytest

from actionsight.database import connect
from ingestion.webhooks.drain import DrainError
from tests.ingestion.webhooks.factories import REPOSITORY_ID, Installation
from tests.ingestion.webhooks.sign_ins import NEVER, sign_in, sign_ins

pytestmark = pytest.mark.integration

ADA, BOB = 11, 22
OTHER_ID = REPOSITORY_ID + 1
REMOVED = {
    "action": "removed",
    "installation": {"id": 1, "account": {"id": 2, "login": "Octo"}},
    "repositories_removed": [{"id": REPOSITORY_ID, "full_name": "octo/app"}],
}
# Rights to which of the repositories end: to that of octo, to that of another owner.
TAKING: list[tuple[str, dict[str, Any], bool]] = [
    ("installation", {"action": "deleted"}, True),
    ("installation", {"action": "suspend", "installation": REMOVED["installation"]}, False),
    ("installation", {"action": "suspend", "installation": {"account": None}}, True),
    ("installation", {"action": "deleted", "repositories": [{"id": REPOSITORY_ID}]}, False),
    ("installation_repositories", {"action": "removed"}, True),
    ("installation_repositories", {**REMOVED, "repositories_removed": []}, False),
    ("installation_repositories", {**REMOVED, "repositories_removed": [{"id": "x"}]}, False),
    ("installation_repositories", REMOVED, False),
    ("repository", {"action": "privatized", "repository": {"id": REPOSITORY_ID}}, False),
    ("repository", {"action": "publicized", "repository": {"id": REPOSITORY_ID}}, False),
    ("repository", {"action": "deleted", "repository": {"id": REPOSITORY_ID}}, False),
]


@pytest.fixture(autouse=True)
def _people(webhooks: Installation) -> None:
    sign_in(webhooks, ADA, sessions=2)
    sign_in(webhooks, BOB)
    with connect(webhooks.database_url, autocommit=True) as connection:
        connection.execute(
            "insert into app.repositories (repository_id, full_name) values (%s, 'hub/lib')",
            [OTHER_ID],
        )


def closed_at(webhooks: Installation) -> dict[int, datetime | None]:
    """Since when rights to each repository end that were read before."""
    with connect(webhooks.database_url) as connection:
        return dict(
            connection.execute(
                "select repository_id, rights_invalid_before from app.repositories"
            ).fetchall()
        )


def invalid_before(webhooks: Installation) -> list[datetime]:
    return [person["rights_invalid_before"] for person in sign_ins(webhooks)]


def open_sign_ins(webhooks: Installation) -> dict[int, tuple[int, int]]:
    return {
        person["user_id"]: (person["grant_count"], person["session_count"])
        for person in sign_ins(webhooks)
    }


@pytest.mark.parametrize(("event", "payload", "is_other_closed"), TAKING)
def test_rights_to_its_repositories_that_were_read_before_the_delivery_count_no_more(
    webhooks: Installation, event: str, payload: dict[str, Any], is_other_closed: bool
) -> None:
    webhooks.send(event, payload)
    received_at = datetime.now(UTC)
    webhooks.drain()
    moments = closed_at(webhooks)
    moment = moments[REPOSITORY_ID]
    assert moment is not None and received_at < moment < datetime.now(UTC)
    assert (moments[OTHER_ID] is not None) is is_other_closed
    assert invalid_before(webhooks) == [NEVER, NEVER], "nobody's other rights are asked for again"
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
    moment = closed_at(webhooks)[REPOSITORY_ID]
    assert moment is not None and moment >= moments[0]


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
    assert closed_at(webhooks) == {REPOSITORY_ID: None, OTHER_ID: None}
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
    assert closed_at(webhooks)[REPOSITORY_ID] is None
    webhooks.execute("drop trigger fail on raw.webhook_batches")
    webhooks.drain()
    assert closed_at(webhooks)[REPOSITORY_ID] is not None


def test_two_writers_of_people_do_not_wait_for_each_other(webhooks: Installation) -> None:
    """A sign-in under way holds its person's row only as a key: the drain goes on."""
    webhooks.send("github_app_authorization", {"action": "revoked", "sender": {"id": BOB}})
    with connect(webhooks.database_url) as signing_in:
        signing_in.execute(
            "insert into app.sign_in_grants (user_id, access_token) values (%s, '')", [BOB]
        )
        webhooks.drain()
    of_ada, of_bob = invalid_before(webhooks)
    assert (of_ada, of_bob > NEVER) == (NEVER, True)
