"""The App in its own name, its installations' tokens, their reach and their budgets; owners."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from werkzeug.test import TestResponse

from github_standin.server.secondary_limits import SecondaryLimits
from github_standin.webhooks.deliveries import Hook
from github_standin.webhooks.sender import Sender
from github_standin.world.model import Account
from github_standin.world.people import APP_ID, PERMISSIONS, Installation
from tests.github_standin.keys import keys
from tests.github_standin.schemas import error_validator, validator
from tests.github_standin.world_with_people import CLIENT, WorldWithPeople

pytestmark = pytest.mark.unit

APP = "/repos/octo/app"
SECRET = "/repos/octo/secret"
HIDDEN = "/repos/octo/hidden"

# The tokens of an App follow the real time; its tests bring their own.
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def assertion(key: str = "", **claims: Any) -> str:
    now = int(NOW.timestamp())
    usual = {"iat": now - 60, "exp": now + 540, "iss": str(APP_ID)}
    kept = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode(kept, key or keys()[0], algorithm="RS256")


class Scene(WorldWithPeople):
    """The App signs, and its clock stands."""

    def __init__(self, **server: Any) -> None:
        super().__init__(**server)
        self.now = NOW
        self.people.tokens.clock = lambda: self.now
        self.people.register_app(**CLIENT, redirect_uris=[], public_key=keys()[1])

    def as_app(self, path: str, method: str = "GET", body: Any = None) -> TestResponse:
        return self.ask(assertion(), path, method, body)

    def new_token(self, of: Installation | None = None, **body: Any) -> Any:
        number = (of or self.installation).id
        made = self.as_app(f"/app/installations/{number}/access_tokens", "POST", body or None)
        assert made.status_code == 201, made.get_data(as_text=True)
        return made.get_json()

    def statuses(self, token: str | None, *paths: str) -> list[int]:
        return [self.ask(token, path).status_code for path in paths]


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/app", "/app"),
        ("/app/installations/60000001", "/app/installations/{installation_id}"),
        (f"{APP}/installation", "/repos/{owner}/{repo}/installation"),
        ("/orgs/octo/installation", "/orgs/{org}/installation"),
        ("/users/octo/installation", "/users/{username}/installation"),
    ],
)
def test_what_the_app_asks_in_its_own_name_is_valid(scene: Scene, path: str, template: str) -> None:
    answer = scene.as_app(path)
    assert answer.status_code == 200
    validator(template).validate(answer.get_json())


def test_the_apps_installations_are_listed(scene: Scene) -> None:
    scene.people.install("acme")
    first = scene.as_app("/app/installations?per_page=1")
    second = scene.as_app("/app/installations?per_page=1&page=2")
    # The published schema of the list wants an account to be a user and an enterprise at once.
    for of in (*first.get_json(), *second.get_json()):
        validator("/app/installations/{installation_id}").validate(of)
    assert [of["account"]["login"] for of in second.get_json()] == ["acme"]
    assert 'rel="next"' in first.headers["Link"]


def test_where_the_app_is_not_installed_is_a_404(scene: Scene) -> None:
    for path in (f"{HIDDEN}/installation", "/orgs/acme/installation", "/app/installations/1"):
        answer = scene.as_app(path)
        assert answer.status_code == 404
        error_validator().validate(answer.get_json())


BROKEN: dict[str, Callable[[], str]] = {
    "decoded": lambda: "eyJ.no.token",
    "could not be decoded": lambda: assertion(keys(1)[0]),
    "Issued at": lambda: assertion(iat=int(NOW.timestamp()) + 1),
    "('iat')": lambda: assertion(iat=None),
    "Expiration time": lambda: assertion(exp=int(NOW.timestamp())),
    "too far": lambda: assertion(exp=int(NOW.timestamp()) + 601),
    "not found": lambda: assertion(iss="1"),
    "be decoded": lambda: jwt.encode({"iss": str(APP_ID)}, "k" * 32, algorithm="HS256"),
}


@pytest.mark.parametrize("words", BROKEN)
def test_what_the_app_did_not_sign_well_is_refused(scene: Scene, words: str) -> None:
    refused = scene.ask(BROKEN[words](), "/app")
    assert refused.status_code == 401
    assert words in refused.get_json()["message"]


def test_the_client_id_is_an_issuer_too(scene: Scene) -> None:
    assert scene.ask(assertion(iss=CLIENT["client_id"]), "/app").status_code == 200


def test_what_the_app_signs_reads_no_repository_and_a_token_is_not_the_app(scene: Scene) -> None:
    token = scene.new_token()["token"]
    assert scene.statuses(assertion(), APP, "/user", "/installation/repositories") == [401] * 3
    assert scene.statuses(token, "/app", f"{APP}/installation") == [401, 401]
    assert scene.statuses(None, "/app") == [401]


def test_an_installations_token_reaches_what_it_covers_and_what_is_public(scene: Scene) -> None:
    made = scene.new_token()
    validator("/app/installations/{installation_id}/access_tokens", "post").validate(made)
    assert made["expires_at"] == "2026-03-02T13:00:00Z"
    assert made["repository_selection"] == "selected"
    assert made["permissions"] == scene.installation.permissions
    token = made["token"]
    assert len(token) > 40
    assert scene.statuses(token, APP, SECRET, HIDDEN) == [200, 200, 404]
    assert scene.statuses(token, f"{SECRET}/actions/runs") == [200]
    assert scene.statuses(token, "/user", "/user/repos", "/user/installations") == [403] * 3
    listed = scene.ask(token, "/installation/repositories").get_json()
    validator("/installation/repositories").validate(listed)
    assert [of["full_name"] for of in listed["repositories"]] == ["octo/app", "octo/secret"]
    assert scene.ask(None, "/installation/repositories").status_code == 403


def test_a_token_can_be_for_less(scene: Scene) -> None:
    less = scene.new_token(repositories=["app"], permissions={"metadata": "read"})
    assert [of["full_name"] for of in less["repositories"]] == ["octo/app"]
    token = less["token"]
    assert scene.statuses(token, APP, SECRET) == [200, 404]
    assert scene.ask(token, "/installation/repositories").get_json()["total_count"] == 1
    secret = scene.new_token(repository_ids=[scene.secret.id], permissions={"metadata": "read"})
    assert scene.statuses(secret["token"], SECRET, f"{SECRET}/actions/runs") == [200, 403]
    path = f"/app/installations/{scene.installation.id}/access_tokens"
    for asked in ({"repositories": ["hidden"]}, {"permissions": {"actions": "write"}}):
        assert scene.as_app(path, "POST", asked).status_code == 422


def test_a_token_lives_an_hour_and_can_be_ended_before(scene: Scene) -> None:
    token = scene.new_token()["token"]
    scene.now += timedelta(minutes=59, seconds=59)
    assert scene.statuses(token, SECRET) == [200]
    scene.now += timedelta(seconds=1)
    assert scene.statuses(token, SECRET, APP) == [401, 401]
    scene.now = NOW
    second = scene.new_token()["token"]
    scene.people.expire_installation_tokens(scene.installation)
    assert scene.statuses(second, APP) == [401]
    third = scene.people.issue_installation_token(scene.installation).token
    assert scene.statuses(third, APP) == [200]
    assert scene.ask(third, "/installation/token", "DELETE").status_code == 204
    assert scene.statuses(third, APP) == [401]


def test_a_suspended_installation_reaches_nothing_and_an_ended_one_knows_no_token(
    scene: Scene,
) -> None:
    token = scene.new_token()["token"]
    scene.people.suspend(scene.installation)
    assert scene.statuses(token, APP, SECRET) == [403, 403]
    path = f"/app/installations/{scene.installation.id}/access_tokens"
    assert scene.as_app(path, "POST").status_code == 403
    scene.people.unsuspend(scene.installation)
    assert scene.statuses(token, SECRET) == [200]
    scene.people.unchoose(scene.installation, scene.secret)
    assert scene.statuses(token, SECRET) == [404]
    scene.people.uninstall(scene.installation)
    assert scene.statuses(token, APP) == [401]


def test_the_apps_own_webhook_is_shown_and_changed(scene: Scene) -> None:
    path = "/app/hook/config"
    assert scene.as_app(path).status_code == 404
    assert scene.as_app(path, "PATCH", {"secret": "new"}).status_code == 404
    app = scene.people.app
    assert app is not None
    url = "https://one.example/"
    scene.people.app = replace(app, webhook_url=url)
    sender = Sender(scene.world, Hook(url, "old", target_type="integration"))
    scene.server.attach(sender)
    changed = scene.as_app(path, "PATCH", {"secret": "new"})
    validator("/repos/{owner}/{repo}/hooks/{hook_id}/config").validate(changed.get_json())
    assert changed.get_json() == scene.as_app(path).get_json()
    assert changed.get_json()["url"] == url
    assert (sender.hook.url, sender.hook.secret) == (url, "new")


def test_hooks_need_the_permission(scene: Scene) -> None:
    path = f"{APP}/hooks"
    other = scene.world.add_repository("acme/tool")
    plain = scene.people.install("acme", permissions=PERMISSIONS)
    assert scene.statuses(scene.new_token()["token"], path, f"{HIDDEN}/hooks") == [200, 404]
    token = scene.new_token(plain)["token"]
    assert scene.statuses(token, f"/repos/{other.full_name}/hooks") == [403]


def test_each_installation_has_a_budget_of_its_own_whatever_token_it_uses() -> None:
    scene = Scene(rate_limit=5_000)
    for number in range(30):
        scene.world.add_repository(f"acme/r{number}")
    acme = scene.people.install("acme")
    first, second = (scene.new_token()["token"] for _ in range(2))
    other = scene.new_token(acme)["token"]
    used = [scene.ask(token, APP).headers["X-RateLimit-Used"] for token in (first, second, other)]
    assert used == ["1", "2", "1"]
    limits = [scene.ask(token, APP).headers["X-RateLimit-Limit"] for token in (first, other)]
    assert limits == ["5000", "5500"]
    assert scene.ask(None, APP).headers["X-RateLimit-Used"] == "1"


def test_secondary_limits_are_of_an_installation_too(scene: Scene) -> None:
    first, second = (scene.new_token()["token"] for _ in range(2))
    scene.server.secondary_limits = SecondaryLimits(points=1)
    assert scene.statuses(first, APP) == [200]
    assert scene.statuses(second, APP) == [403]
    assert scene.statuses(None, APP) == [200]


def test_an_owners_repositories(scene: Scene) -> None:
    scene.world.add_repository("ada/dotfiles", owner=scene.ada.account)
    scene.world.add_repository("ada/diary", owner=scene.ada.account, visibility="private")
    of_octo = scene.ask(None, "/orgs/octo/repos")
    validator("/orgs/{org}/repos").validate(of_octo.get_json())
    assert len(of_octo.get_json()) == 3
    of_ada = scene.ask(None, "/users/ada/repos")
    validator("/users/{username}/repos").validate(of_ada.get_json())
    assert [of["name"] for of in of_ada.get_json()] == ["dotfiles"]
    mine = scene.ask(scene.token(scene.ada), "/user/repos?sort=full_name&direction=desc")
    validator("/user/repos").validate(mine.get_json())
    assert [of["full_name"] for of in mine.get_json()] == [
        "octo/secret",
        "octo/app",
        "ada/dotfiles",
    ]
    assert (
        scene.statuses(None, "/orgs/ada/repos", "/orgs/none/repos", "/users/none/repos")
        == [404] * 3
    )
    assert scene.statuses(None, "/user/repos") == [401]


def test_an_owners_repositories_are_those_that_the_asker_reaches_in_pages(scene: Scene) -> None:
    token = scene.new_token()["token"]
    first = scene.ask(token, "/orgs/octo/repos?per_page=1&sort=full_name")
    assert [of["name"] for of in first.get_json()] == ["app"]
    assert 'page=2>; rel="next"' in first.headers["Link"]
    assert len(scene.ask(token, "/orgs/octo/repos").get_json()) == 2
    assert len(scene.ask(scene.token(scene.eve), "/orgs/octo/repos").get_json()) == 1


def test_a_transferred_repository_leaves_the_token(scene: Scene) -> None:
    token = scene.new_token()["token"]
    scene.world.transfer_repository(scene.secret, Account(99, "acme", "Organization"))
    assert scene.statuses(token, "/repos/acme/secret", SECRET) == [404, 404]
