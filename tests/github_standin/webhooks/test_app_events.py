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
from tests.github_standin.world_with_people import CLIENT, WorldWithPeople

pytestmark = pytest.mark.unit

MINUTE = timedelta(minutes=1)


@pytest.fixture
def github() -> WorldWithPeople:
    made = WorldWithPeople()
    made.clock.now += MINUTE
    return made


def told(github: WorldWithPeople, **asked: Any) -> list[tuple[Delivery, Any]]:
    """What has happened since the world was made, valid under the schemas."""
    found = deliveries_between(github.world, MONDAY, github.clock.now, **asked)
    pairs = [(delivery, json.loads(delivery.body)) for delivery in found]
    for delivery, payload in pairs:
        payload_validator(delivery.event, delivery.action).validate(payload)
    return pairs


def test_a_revoked_authorization_tells_only_whose_it_was(github: WorldWithPeople) -> None:
    github.people.revoke_authorization(github.ada)
    [(delivery, payload)] = told(github)
    assert (delivery.event, delivery.action) == ("github_app_authorization", "revoked")
    assert delivery.repository_id is None
    assert set(payload) == {"action", "sender"}
    assert payload["sender"]["id"] == github.ada.account.id


def test_a_grant_that_the_app_itself_ends_is_not_told(github: WorldWithPeople) -> None:
    github.end("grant", github.token(github.ada))
    assert told(github) == []


def test_an_installation_is_told_of_as_it_was_at_that_moment(github: WorldWithPeople) -> None:
    people, of = github.people, github.installation
    people.suspend(of)
    people.unsuspend(of)
    people.uninstall(of)
    people.install("octo")
    happened = told(github)
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


def test_chosen_repositories_are_told_when_they_change(github: WorldWithPeople) -> None:
    github.people.choose(github.installation, github.hidden)
    github.people.unchoose(github.installation, github.secret)
    (added, first), (removed, second) = told(github)
    assert added.event == removed.event == "installation_repositories"
    assert [of["id"] for of in first["repositories_added"]] == [github.hidden.id]
    assert [of["id"] for of in second["repositories_removed"]] == [github.secret.id]
    assert first["repositories_removed"] == second["repositories_added"] == []
    assert first["repositories_added"][0]["private"] is True


def test_payloads_name_the_installation_on_their_repository(github: WorldWithPeople) -> None:
    github.world.archive_repository(github.secret)
    github.world.archive_repository(github.hidden)
    (_, covered), (_, uncovered) = told(github)
    assert covered["installation"]["id"] == github.installation.id
    assert "installation" not in uncovered
    [(_, own)] = told(github, repository_id=github.secret.id)
    assert "installation" not in own


def test_an_app_hears_nothing_of_repositories_while_it_is_suspended(
    github: WorldWithPeople,
) -> None:
    workflow = github.world.add_workflow(github.secret)
    github.world.add_run(workflow, MONDAY, [make_job("build", MONDAY + 2 * MINUTE)])
    github.people.suspend(github.installation)
    github.clock.now += 10 * MINUTE
    assert [d.action for d, _ in told(github)] == ["suspend"]
    own = told(github, repository_id=github.secret.id)
    assert {d.event for d, _ in own} == {"workflow_job", "workflow_run"}


def test_they_travel_through_a_sender_as_the_apps(github: WorldWithPeople) -> None:
    with receiving() as receiver:
        sender = Sender(github.world, Hook(receiver.url, "secret"), look_seconds=0.01)
        sender.start()
        github.clock.now += MINUTE
        github.people.revoke_authorization(github.ben)
        [received] = receiver.wait_for(1)
        sender.stop()
    assert received.headers["x-github-event"] == "github_app_authorization"
    assert received.headers["x-github-hook-installation-target-type"] == "integration"
    assert received.headers["x-github-hook-installation-target-id"] == str(APP_ID)
