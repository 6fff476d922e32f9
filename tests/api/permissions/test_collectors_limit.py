"""The collector's limits at GitHub hold for what the API asks as the collector: before collection,
never for long, and apart from what people ask in their own name."""

import time
from contextlib import suppress

import pytest

from actionsight.github.credential_router import CredentialRouter
from actionsight.github.errors import RateLimitError
from actionsight.github.rate_limit.models import Priority
from actionsight.github.retries import INTERACTIVE
from actionsight.settings import Settings
from github_standin.world.people import User
from tests.api.permissions.installation import COLLECTOR, Caller, Installation, told

pytestmark = pytest.mark.integration

# Less than a person would call waiting for an hour.
SOON_SECONDS = INTERACTIVE.total_seconds


def asked_as_collector(installation: Installation) -> int:
    """How many requests GitHub got from the collector."""
    tokens = [each.headers.get("authorization") for each in installation.github.requests]
    return tokens.count(f"Bearer {COLLECTOR}")


def use_up(installation: Installation, settings: Settings, priority: Priority) -> int:
    """Ask as collection does until its share is used up; gives how often."""
    before = asked_as_collector(installation)
    router = CredentialRouter(settings, retry_policy=INTERACTIVE)
    client = router.client("octo/open", priority)
    with suppress(RateLimitError):
        while True:
            client.get("/repos/octo/open")
    router.close()
    return asked_as_collector(installation) - before


def test_a_limit_that_is_used_up_is_a_503_at_once_and_nothing_is_asked(
    installation: Installation, operator: Caller
) -> None:
    installation.github.rate_limit = 1
    added = operator.add("octo/spare")
    assert (added.status_code, told(added)["webhook"]["status"]) == (201, "not_created")
    assert told(added)["webhook"]["reason"] == "GitHub could not be asked."
    asked, began = asked_as_collector(installation), time.monotonic()
    refused = operator.add("octo/open")
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert told(refused)["detail"] == "GitHub could not be asked. Try again in a moment."
    assert time.monotonic() - began < SOON_SECONDS
    assert asked_as_collector(installation) == asked == 1


def test_what_collection_leaves_is_for_people(
    installation: Installation, operator: Caller, settings: Settings
) -> None:
    installation.github.rate_limit = 50
    assert use_up(installation, settings, Priority.HEAD) == 45
    assert operator.add("octo/spare").status_code == 201
    assert use_up(installation, settings, Priority.HEAD) == 0, "what is left is not collection's"


def test_a_person_s_own_requests_are_not_the_collector_s(
    installation: Installation, reader: User, open_id: int, closed_id: int
) -> None:
    installation.github.rate_limit = 50
    browser = installation.signed_in(reader)
    assert browser.visible() == {open_id, closed_id}
    assert installation.asked() == 1
    assert asked_as_collector(installation) == 0
