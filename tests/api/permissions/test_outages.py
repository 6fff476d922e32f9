"""Rights while GitHub, or the cache server, is away: for minutes what was known, then nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from werkzeug.wrappers import Request, Response

from actionsight.github.retries import INTERACTIVE
from actionsight.loopback import HOST
from actionsight.settings import Settings
from github_standin.server.server import Break, Fault
from github_standin.world.people import User
from tests.api.client import app_of
from tests.api.permissions.installation import Caller, Installation, fails
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


def is_away(_: Request) -> Break:
    return Break()


def is_limited(_: Request) -> Response:
    return Response('{"message": "API rate limit exceeded"}', 403)


def is_nonsense(_: Request) -> Response:
    return Response("<html>", 200)


FAULTS = [fails, is_away, is_limited, is_nonsense]


@pytest.mark.parametrize("fault", FAULTS)
def test_while_github_cannot_be_asked_rights_serve_for_fifteen_minutes_and_then_are_closed(
    installation: Installation, browser: Caller, open_id: int, closed_id: int, fault: Fault
) -> None:
    assert browser.visible() == {open_id, closed_id}
    installation.github.fault = fault
    installation.age(14.8)
    assert browser.visible() == {open_id, closed_id}
    installation.settle()
    installation.age(0.3)
    assert browser.visible() == {open_id}
    installation.github.fault = None
    installation.forget_pauses()
    assert browser.visible() == {open_id, closed_id}


@pytest.mark.parametrize("fault", FAULTS)
def test_without_known_rights_and_without_github_only_what_is_public_is_there(
    installation: Installation, browser: Caller, open_id: int, fault: Fault
) -> None:
    installation.github.fault = fault
    assert browser.visible() == {open_id}


def test_a_github_that_fails_is_not_asked_by_every_request(
    installation: Installation, browser: Caller, open_id: int
) -> None:
    installation.github.fault = fails
    for _ in range(5):
        assert browser.visible() == {open_id}
    assert installation.asked() == INTERACTIVE.tries


@pytest.fixture
def without_cache(settings: Settings, installation: Installation) -> Any:
    """The same, its cache server away."""
    address = f"redis://{HOST}:{free_port()}/0"
    with app_of(replace(settings, cache_url=address)) as app:
        yield app


def test_without_the_cache_server_requests_do_not_wait_for_each_other(
    installation: Installation, reader: User, without_cache: Flask, open_id: int, closed_id: int
) -> None:
    browser = replace(installation, app=without_cache).signed_in(reader)
    # GitHub answers once all of them have asked, and else fails.
    together = Barrier(4)

    def answers_all_at_once(request: Request) -> Response | None:
        if request.path == "/user/installations":
            together.wait(timeout=5)
        return None

    installation.github.fault = answers_all_at_once
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(lambda _: browser.visible(), range(4)))
    assert seen == [{open_id, closed_id}] * 4


def test_without_the_cache_server_github_is_asked_each_time_and_fails_closed(
    installation: Installation, reader: User, without_cache: Flask, open_id: int, closed_id: int
) -> None:
    browser = replace(installation, app=without_cache).signed_in(reader)
    for count in (1, 2):
        assert browser.visible() == {open_id, closed_id}
        assert installation.asked() == count
    installation.github.fault = fails
    assert browser.visible() == {open_id}
