"""Without an App or a key nobody signs in, and the answer says what is missing."""

from dataclasses import replace
from typing import Any

import pytest

from actionsight.settings import Settings
from tests.api.client import app_of
from tests.api.sign_in.browser import Browser

pytestmark = pytest.mark.integration

NAMES = {
    "github_client_id": "ACTIONSIGHT_GITHUB_CLIENT_ID",
    "github_client_secret": "ACTIONSIGHT_GITHUB_CLIENT_SECRET",
    "secret_key": "ACTIONSIGHT_SECRET_KEY",
}


@pytest.mark.parametrize(
    "missing", [["github_client_id"], ["github_client_secret"], ["secret_key"], [*NAMES]]
)
def test_every_missing_setting_is_named(settings: Settings, missing: list[str]) -> None:
    without: dict[str, Any] = dict.fromkeys(missing)
    with app_of(replace(settings, **without)) as app:
        browser = Browser(app)
        answers = [
            browser.post("/login"),
            browser.get("/login/github/authorized?code=a&state=b"),
            browser.get("/me"),
            browser.post("/logout"),
        ]
        for response in answers:
            assert response.status_code == 503
            assert "Retry-After" not in response.headers, "waiting does not help"
            for attribute, name in NAMES.items():
                assert (name in response.text) is (attribute in missing)
        assert browser.get("/healthz").status_code == 200


def test_an_operator_is_told_so(settings: Settings) -> None:
    with app_of(replace(settings, operators=(1001,))) as app:
        for login, is_operator in (("ada", True), ("bob", False)):
            browser = Browser(app)
            browser.sign_in(login)
            assert browser.me()["is_operator"] is is_operator
