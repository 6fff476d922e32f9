"""What happens to installations and authorizations is told to the App's hook."""

import json
from datetime import timedelta
from typing import Any

import pytest

from github_standin.webhooks.deliveries import Delivery, Hook, deliveries_between
from github_standin.webhooks.sender import Sender
from github_standin.world.model import make_job
from github_standin.world.people import APP_ID
from tests.github_standin.client import MONDAY
from tests.github_standin.receiver import receiving
from tests.github_standin.schemas import payload_validator
from tests.github_standin.world_with_people import CLIENT, Peopled

pytestmark = pytest.mark.unit

MINUTE = timedelta(minutes=1)


@pytest.fixture
def peopled() -> Peopled:
    made = Peopled()
    made.clock.now += MINUTE
    return made


def told(peopled: Peopled, **asked: Any) -> list[tuple[Delivery, Any]]:
    """What has happened since the world was made, valid under the schemas."""
    found = deliveries_between(peopled.world, MONDAY, peopled.clock.now, **asked)
    pairs = [(delivery, json.loads(delivery.body)) for delivery in found]
    for delivery, payload in pairs:
        payload_validator(delivery.event, delivery.action).validate(payload)
    return pairs


def test_a_revoked_authorization_tells_only_whose_it_was(peopled: Peopled) -> None:
    peopled.people.revoke_authorization(peopled.ada)
    [(delivery, payload)] = told(peopled)
    assert (delivery.event, delivery.action) == ("github_app_authorization", "revoked")
    assert delivery.repository_id is None
    assert set(payload) == {"action", "sender"}
    assert payload["sender"]["id"] == peopled.ada.account.id


def test_a_grant_that_the_app_itself_ends_is_not_told(peopled: Peopled) -> None:
    peopled.end("grant", peopled.token(peopled.ada))
    assert told(peopled) == []


def test_an_installation_is_told_of_as_it_was_at_that_moment(peopled: Peopled) -> None:
    people, of = peopled.people, peopled.installation
    people.suspend(of)
    people.unsuspend(of)
    people.uninstall(of)
    people.install("octo")
    happened = told(peopled)
    assert [(d.event, d.action) for d, _ in happened] == [
        ("installation", action) for action in ("suspend", "unsuspend", "deleted", "created")
    ]
    suspended, unsuspended, deleted, created = (payload for _, payload in happened)
    assert suspended["installation"]["suspended_at"] == "2025-09-08T12:01:00Z"
    assert suspended["installation"]["client_id"] == CLIENT["client_id"]
    assert unsuspended["installation"]["suspended_at"] is None
    assert [of["full_name"] for of in deleted["repositories"]] == ["octo/app", "octo/secret"]
    assert created["installation"]["repository_selection"] == "all"
    assert len(created["repositories"]) == 3
    assert len({d.delivery_id for d, _ in happened}) == 4


def test_chosen_repositories_are_told_when_they_change(peopled: Peopled) -> None:
    peopled.people.choose(peopled.installation, peopled.hidden)
    peopled.people.unchoose(peopled.installation, peopled.secret)
    (added, first), (removed, second) = told(peopled)
    assert added.event == removed.event == "installation_repositories"
    assert [of["id"] for of in first["repositories_added"]] == [peopled.hidden.id]
    assert [of["id"] for of in second["repositories_removed"]] == [peopled.secret.id]
    assert first["repositories_removed"] == second["repositories_added"] == []
    assert first["repositories_added"][0]["private"] is True


def test_payloads_name_the_installation_on_their_repository(peopled: Peopled) -> None:
    peopled.world.archive_repository(peopled.secret)
    peopled.world.archive_repository(peopled.hidden)
    (_, covered), (_, uncovered) = told(peopled)
    assert covered["installation"]["id"] == peopled.installation.id
    assert "installation" not in uncovered
    [(_, own)] = told(peopled, repository_id=peopled.secret.id)
    assert "installation" not in own


def test_an_app_hears_nothing_of_repositories_while_it_is_suspended(peopled: Peopled) -> None:
    workflow = peopled.world.add_workflow(peopled.secret)
    peopled.world.add_run(workflow, MONDAY, [make_job("build", MONDAY + 2 * MINUTE)])
    peopled.people.suspend(peopled.installation)
    peopled.clock.now += 10 * MINUTE
    assert [d.action for d, _ in told(peopled)] == ["suspend"]
    own = told(peopled, repository_id=peopled.secret.id)
    assert {d.event for d, _ in own} == {"workflow_job", "workflow_run"}


def test_they_travel_through_a_sender_as_the_apps(peopled: Peopled) -> None:
    with receiving() as receiver:
        sender = Sender(peopled.world, Hook(receiver.url, "secret"), look_seconds=0.01)
        sender.start()
        peopled.clock.now += MINUTE
        peopled.people.revoke_authorization(peopled.ben)
        [received] = receiver.wait_for(1)
        sender.stop()
    assert received.headers["x-github-event"] == "github_app_authorization"
    assert received.headers["x-github-hook-installation-target-type"] == "integration"
    assert received.headers["x-github-hook-installation-target-id"] == str(APP_ID)
