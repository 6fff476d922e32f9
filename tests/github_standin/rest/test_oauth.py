"""A person consents, the App gets tokens, and tokens end."""

import hashlib
from base64 import urlsafe_b64encode
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qs

import pytest
import requests

from github_standin.server.server import serving
from github_standin.world.world import World
from tests.github_standin.world_with_people import (
    ACCESS_TOKEN,
    AUTHORIZE,
    CALLBACK,
    CLIENT,
    WorldWithPeople,
    told,
)

pytestmark = pytest.mark.unit

VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}


@pytest.fixture
def github() -> WorldWithPeople:
    return WorldWithPeople()


class Form(HTMLParser):
    """The one form of a page: its hidden fields, and its buttons by their text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.buttons: dict[str, dict[str, str]] = {}
        self._open: dict[str, str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            assert given["method"] == "post"
            self.action = given["action"]
        elif tag == "input":
            self.fields[given["name"]] = given["value"]
        elif tag == "button":
            self._open = {given["name"]: given["value"]}

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.buttons[data.strip()] = self._open
            self._open = None


def test_a_person_signs_in_by_the_page_over_real_http() -> None:
    with serving(World()) as server:
        people = server.world.people
        ada = people.add_user("ada", name='Ada "<b>"')
        people.add_user("ben")
        people.register_app(**CLIENT, redirect_uris=[CALLBACK])
        query = {"client_id": CLIENT["client_id"], "redirect_uri": CALLBACK, "state": '"&<', **PKCE}
        page = requests.get(server.url + AUTHORIZE, params=query, timeout=5)
        form = Form(page.text)
        assert list(form.buttons) == ['Sign in as ada (Ada "<b>")', "Sign in as ben", "Refuse"]
        chosen = form.fields | form.buttons['Sign in as ada (Ada "<b>")']
        back = requests.post(
            server.url + form.action, data=chosen, allow_redirects=False, timeout=5
        )
        location = back.headers["Location"]
        assert location.startswith(f"{CALLBACK}&code=")
        said = parse_qs(location.partition("?")[2])
        assert said["state"] == ['"&<']
        fields = {**CLIENT, "code": said["code"][0], "code_verifier": VERIFIER}
        tokens = requests.post(
            server.url + ACCESS_TOKEN,
            json=fields,
            headers={"Accept": "application/json"},
            timeout=5,
        ).json()
        assert tokens["access_token"].startswith("ghu_")
        assert tokens["refresh_token"].startswith("ghr_")
        assert (tokens["expires_in"], tokens["token_type"], tokens["scope"]) == (
            28800,
            "bearer",
            "",
        )
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        user = requests.get(f"{server.url}/user", headers=bearer, timeout=5).json()
        assert (user["id"], user["login"]) == (ada.account.id, "ada")


def test_whoever_refuses_is_sent_back_with_an_error_and_the_state(github: WorldWithPeople) -> None:
    form = Form(github.authorize().get_data(as_text=True))
    refused = told(github.client.post(form.action, data=form.fields | form.buttons["Refuse"]))
    assert (refused["error"], refused["state"]) == ("access_denied", "s t")
    assert "code" not in refused


def test_nobody_is_sent_to_an_address_that_is_not_registered(github: WorldWithPeople) -> None:
    for wrong in (f"{CALLBACK}x", CALLBACK.partition("?")[0], "http://evil.example/<b>"):
        page = github.authorize(redirect_uri=wrong, login="ada")
        assert page.status_code == 400
        assert "Location" not in page.headers
        assert "<b>" not in page.get_data(as_text=True)
    assert github.authorize(client_id="other").status_code == 404


def test_without_an_address_the_first_registered_one_is_taken(github: WorldWithPeople) -> None:
    query = {"client_id": CLIENT["client_id"], "login": "ada"}
    assert "code" in told(github.client.get(AUTHORIZE, query_string=query))


def test_the_page_needs_no_user_agent_and_counts_as_no_request(github: WorldWithPeople) -> None:
    page = github.client.get(AUTHORIZE, query_string={"client_id": CLIENT["client_id"]})
    assert page.status_code == 200
    assert "X-RateLimit-Used" not in page.headers


def test_a_code_is_used_once(github: WorldWithPeople) -> None:
    code = github.code()
    assert "access_token" in github.exchange(code=code, redirect_uri=CALLBACK)
    assert github.exchange(code=code)["error"] == "bad_verification_code"


def test_a_code_lives_ten_minutes(github: WorldWithPeople) -> None:
    young, old = github.code(), github.code()
    github.clock.now += timedelta(minutes=9, seconds=59)
    assert "access_token" in github.exchange(code=young)
    github.clock.now += timedelta(seconds=1)
    assert github.exchange(code=old)["error"] == "bad_verification_code"


def test_a_challenge_must_be_answered(github: WorldWithPeople) -> None:
    assert "access_token" in github.exchange(code=github.code(**PKCE), code_verifier=VERIFIER)
    for wrong in ({}, {"code_verifier": "w" * 43}, {"code_verifier": CHALLENGE}):
        given = github.exchange(code=github.code(**PKCE), **wrong)
        assert given["error"] == "bad_verification_code"


@pytest.mark.parametrize(
    "wrong",
    [
        {"code_challenge": CHALLENGE},
        {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
        {"code_challenge": "short", "code_challenge_method": "S256"},
    ],
)
def test_a_challenge_is_made_by_s256_only(github: WorldWithPeople, wrong: dict[str, str]) -> None:
    assert told(github.authorize(login="ada", **wrong))["error"] == "invalid_request"


def test_errors_of_the_exchange_are_worded_as_github_words_them(github: WorldWithPeople) -> None:
    code = github.code()
    for wrong in ({"client_id": "x"}, {"client_secret": "ä"}):
        answer = github.exchange(code=code, **wrong)
        assert answer["error"] == "incorrect_client_credentials"
        assert answer["error_description"]
    mismatch = github.exchange(code=code, redirect_uri="http://127.0.0.1:9/other")
    assert mismatch["error"] == "redirect_uri_mismatch"
    assert github.exchange(code=code, grant_type="magic")["error"] == "unsupported_grant_type"
    assert github.exchange()["error"] == "bad_verification_code"


def test_without_accepting_json_the_answer_is_a_form_and_basic_auth_names_the_client(
    github: WorldWithPeople,
) -> None:
    answer = github.client.post(
        ACCESS_TOKEN, data={"code": github.code()}, auth=tuple(CLIENT.values())
    )
    assert answer.mimetype == "application/x-www-form-urlencoded"
    assert parse_qs(answer.get_data(as_text=True))["token_type"] == ["bearer"]


def test_a_token_lives_eight_hours_and_can_be_refreshed_once(github: WorldWithPeople) -> None:
    first = github.exchange(code=github.code())
    github.clock.now += timedelta(hours=7, minutes=59)
    assert github.ask(first["access_token"], "/user").status_code == 200
    github.clock.now += timedelta(minutes=1)
    expired = github.ask(first["access_token"], "/user")
    assert (expired.status_code, expired.get_json()["message"]) == (401, "Bad credentials")
    renew = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = github.exchange(**renew)
    assert github.ask(second["access_token"], "/user").get_json()["login"] == "ada"
    assert github.exchange(**renew)["error"] == "bad_refresh_token"
    assert second["refresh_token"] != first["refresh_token"]


def test_refreshing_ends_a_token_that_still_lives(github: WorldWithPeople) -> None:
    first = github.people.issue_token(github.ada)
    github.exchange(grant_type="refresh_token", refresh_token=first.refresh_token)
    assert github.ask(first.access_token, "/user").status_code == 401


def test_a_refresh_token_lives_half_a_year_and_is_no_credential(github: WorldWithPeople) -> None:
    token = github.people.issue_token(github.ada)
    assert github.ask(token.refresh_token, "/repos/octo/app").status_code == 401
    github.clock.now += timedelta(days=184)
    answer = github.exchange(grant_type="refresh_token", refresh_token=token.refresh_token)
    assert answer["error"] == "bad_refresh_token"


def test_a_test_can_let_tokens_expire_and_refresh_them_then(github: WorldWithPeople) -> None:
    token = github.people.issue_token(github.ada)
    github.people.expire_tokens(github.ada)
    assert github.ask(token.access_token, "/user").status_code == 401
    answer = github.exchange(grant_type="refresh_token", refresh_token=token.refresh_token)
    assert github.ask(answer["access_token"], "/user").status_code == 200


def test_the_app_ends_one_token_or_all_of_a_person(github: WorldWithPeople) -> None:
    one, two, three, bens = (
        github.token(of) for of in (github.ada, github.ada, github.ada, github.ben)
    )
    assert github.end("token", one).status_code == 204
    assert github.ask(one, "/user").status_code == 401
    assert github.ask(two, "/user").status_code == 200
    assert github.end("grant", two).status_code == 204
    assert [github.ask(of, "/user").status_code for of in (two, three)] == [401, 401]
    assert github.ask(bens, "/user").status_code == 200


@pytest.mark.parametrize("what", ["token", "grant"])
def test_only_the_app_ends_tokens_and_only_those_that_there_are(
    github: WorldWithPeople, what: str
) -> None:
    token = github.token(github.ada)
    assert github.end(what, token, client_secret="wrong").status_code == 401
    assert github.end(what, "ghu_unknown").status_code == 404
    assert github.end(what, None).status_code == 422
    unnamed = github.ask(token, f"/applications/{CLIENT['client_id']}/{what}", "DELETE", {})
    assert unnamed.status_code == 401
    assert github.ask(token, "/user").status_code == 200


def test_whoever_revokes_the_authorization_ends_tokens_and_codes(github: WorldWithPeople) -> None:
    token, code = github.people.issue_token(github.ada), github.code()
    github.people.revoke_authorization(github.ada)
    assert github.ask(token.access_token, "/user").status_code == 401
    assert github.exchange(code=code)["error"] == "bad_verification_code"
    refreshed = github.exchange(grant_type="refresh_token", refresh_token=token.refresh_token)
    assert refreshed["error"] == "bad_refresh_token"


def test_tokens_are_not_shown() -> None:
    github = WorldWithPeople()
    token = github.people.issue_token(github.ada)
    assert token.access_token not in repr(token)
    assert CLIENT["client_secret"] not in repr(github.people.app)
