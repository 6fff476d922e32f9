"""Sessions are counted by person, wherever they are; what is no session, by address."""

from dataclasses import replace

import pytest
from flask import Flask

from actionsight.settings import Settings
from tests.api.sign_in.browser import Browser

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(settings: Settings, cache_url: str) -> Settings:
    return replace(settings, cache_url=cache_url)


def left(browser: Browser) -> str:
    """How the caller's quota stands after GET /me, without the time."""
    return browser.get("/me").headers["RateLimit"].rpartition(";")[0]


def test_a_person_is_counted_by_themselves_in_all_their_browsers(app: Flask) -> None:
    laptop, phone = Browser(app), Browser(app, address="192.0.2.2")
    other = Browser(app)
    for each, login in ((laptop, "ada"), (phone, "ada"), (other, "bob")):
        each.sign_in(login)
    assert left(laptop) == '"viewer";r=1199'
    assert left(phone) == '"viewer";r=1198'
    assert left(other) == '"viewer";r=1199'
    assert laptop.sign_out().headers["RateLimit"].startswith('"viewer";r=1197')


def test_what_is_no_session_counts_against_the_address(app: Flask) -> None:
    first, second, elsewhere = Browser(app), Browser(app), Browser(app, address="192.0.2.2")
    first.client.set_cookie("session", "made up" * 500)
    assert left(first) == '"stranger";r=299'
    assert left(second) == '"stranger";r=298'
    assert left(elsewhere) == '"stranger";r=299'


def test_sign_in_is_not_begun_more_than_thirty_times_a_minute_from_one_address(app: Flask) -> None:
    statuses = [Browser(app).post("/login").status_code for _ in range(31)]
    assert statuses == [303] * 30 + [429]
    elsewhere = Browser(app, address="192.0.2.2")
    elsewhere.sign_in("ada")
    statuses = [Browser(app).get("/login/github/authorized").status_code for _ in range(31)]
    assert 429 not in statuses[:30]
    assert statuses[30] == 429
