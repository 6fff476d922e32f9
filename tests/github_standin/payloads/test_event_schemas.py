"""Every payload is valid under GitHub's published schemas."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings

from github_standin.webhooks.deliveries import Delivery, Hook, deliveries_between, ping
from github_standin.world.model import Account, make_job
from github_standin.world.world import World
from tests.github_standin.client import MONDAY, Clock
from tests.github_standin.schemas import payload_validator, webhooks_document
from tests.github_standin.strategies import worlds

pytestmark = pytest.mark.unit

EVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def validate(delivery: Delivery) -> None:
    payload_validator(delivery.event, delivery.action).validate(json.loads(delivery.body))


def eventful_world() -> World:
    """A world in which every event and action happens."""
    world = World(Clock())
    repository = world.add_repository("octo/app")
    waiting = make_job("deploy", MONDAY)
    waiting.waiting_status = "waiting"
    run = world.add_run(
        world.add_workflow(repository), MONDAY, [make_job("build", MONDAY), waiting]
    )
    world.add_attempt(run, MONDAY + timedelta(hours=1), [make_job("build", MONDAY)])
    world.rename_repository(repository, "octo/tool")
    world.privatize_repository(repository)
    world.publicize_repository(repository)
    world.archive_repository(repository)
    world.unarchive_repository(repository)
    people = world.people
    installation = people.install("octo", ["octo/tool"])
    people.unchoose(installation, repository)
    people.choose(installation, repository)
    people.suspend(installation)
    people.unsuspend(installation)
    people.revoke_authorization(people.add_user("ada"))
    people.uninstall(installation)
    world.transfer_repository(repository, "acme")
    return world


def test_every_event_and_action_of_the_subset_is_told_of_and_valid() -> None:
    world = eventful_world()
    [repository] = world.repositories.values()
    told = deliveries_between(world, *EVER, installation_id=3)
    told.append(ping(world, repository, Hook("http://127.0.0.1:1/hooks", "secret")))
    for delivery in told:
        validate(delivery)
    words = {f"{of.event}_{of.action}" if of.action else of.event for of in told}
    assert {word.replace("_", "-") for word in words} == set(webhooks_document()["webhooks"])


def test_a_users_repository_names_no_organization_and_is_valid() -> None:
    world = World(Clock())
    repository = world.add_repository("ada/app", owner=Account(5, "ada"))
    world.add_run(world.add_workflow(repository), MONDAY, [make_job("build", MONDAY)])
    for delivery in deliveries_between(world, *EVER):
        validate(delivery)
        assert "organization" not in json.loads(delivery.body)


def test_a_payload_that_breaks_the_schema_is_refused() -> None:
    for delivery in deliveries_between(eventful_world(), *EVER):
        payload = json.loads(delivery.body)
        validator = payload_validator(delivery.event, delivery.action)
        del payload["sender"]
        assert not validator.is_valid(payload)
        if delivery.event == "workflow_job":
            broken = payload["workflow_job"] | {"status": "happy"}
            assert not validator.is_valid(payload | {"workflow_job": broken})


@settings(max_examples=60, deadline=None)
@given(world=worlds())
def test_whatever_jobs_do_the_payloads_are_valid(world: World) -> None:
    for delivery in deliveries_between(world, *EVER):
        validate(delivery)


def test_a_sample_of_the_recordings_events_is_valid(
    recorded_world: World, recorded_deliveries: list[Delivery]
) -> None:
    small = {
        of.id for of in recorded_world.repositories.values() if of.full_name != "bitcoin/bitcoin"
    }
    of_small = [of for of in recorded_deliveries if of.repository_id in small]
    for delivery in of_small + recorded_deliveries[::150]:
        validate(delivery)


def test_the_run_of_a_deleted_workflow_has_none() -> None:
    world = World(Clock())
    workflow = world.add_workflow(world.add_repository("octo/app"))
    world.add_run(workflow, MONDAY, [make_job("build", MONDAY)])
    world.delete_workflow(workflow)
    [first, *_] = deliveries_between(world, *EVER)
    assert json.loads(first.body)["workflow"] is None
    validate(first)
