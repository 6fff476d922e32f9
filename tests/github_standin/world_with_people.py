"""A world with people, of whom each reaches something else, and how they ask and sign in."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from werkzeug.test import Client, TestResponse

from github_standin.server.server import Server
from github_standin.world.people import PERMISSIONS, Installation, User
from github_standin.world.world import World
from tests.github_standin.client import AGENT, Clock

CALLBACK = "http://127.0.0.1:8000/auth/callback?from=github"
CLIENT = {"client_id": "Iv1.test", "client_secret": "the client's secret"}
AUTHORIZE = "/login/oauth/authorize"
ACCESS_TOKEN = "/login/oauth/access_token"


class WorldWithPeople:
    """octo/app is public, octo/secret and octo/hidden are private; the App is on the first two.

    Ada administers all, Ben reads the private ones, Eve was given nothing.
    """

    def __init__(self, **server: Any) -> None:
        self.clock = Clock()
        self.world = World(self.clock)
        self.app = self.world.add_repository("octo/app")
        self.secret = self.world.add_repository("octo/secret", visibility="private")
        self.hidden = self.world.add_repository("octo/hidden", visibility="private")
        self.people = self.world.people
        self.ada = self.people.add_user(
            "ada",
            {"octo/app": "admin", "octo/secret": "admin", "octo/hidden": "admin"},
            name="Ada <3",
        )
        self.ben = self.people.add_user("ben", {"octo/secret": "read", "octo/hidden": "read"})
        self.eve = self.people.add_user("eve")
        redirect_uris = [CALLBACK, "http://127.0.0.1:9/other"]
        self.people.register_app(**CLIENT, redirect_uris=redirect_uris)
        self.installation: Installation = self.people.install(
            "octo",
            ["octo/app", "octo/secret"],
            permissions={**PERMISSIONS, "repository_hooks": "write"},
        )
        self.server = Server(self.world, **server)
        self.client = Client(self.server)

    def token(self, user: User) -> str:
        return self.people.issue_token(user).access_token

    def ask(
        self, token: str | None, path: str, method: str = "GET", body: Any = None, **headers: str
    ) -> TestResponse:
        """Ask the API with this token, or with none."""
        sent = AGENT | {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        return self.client.open(path, method=method, json=body, headers=sent)

    def authorize(self, **fields: str) -> TestResponse:
        """Ask for the page, or choose a person at once by `login`."""
        query = {"client_id": CLIENT["client_id"], "redirect_uri": CALLBACK, "state": "s t"}
        return self.client.get(AUTHORIZE, query_string=query | fields)

    def code(self, login: str = "ada", **fields: str) -> str:
        """A code for that person."""
        return told(self.authorize(login=login, **fields))["code"]

    def exchange(self, **fields: str) -> Any:
        """What the App gets for a code or a refresh token."""
        answer = self.client.post(
            ACCESS_TOKEN, data=CLIENT | fields, headers={"Accept": "application/json"}
        )
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.get_json()

    def end(self, what: str, token: str | None, **client: str) -> TestResponse:
        """DELETE a token or a grant, as the App."""
        of = CLIENT | client
        return self.client.delete(
            f"/applications/{of['client_id']}/{what}",
            json={} if token is None else {"access_token": token},
            auth=(of["client_id"], of["client_secret"]),
            headers=AGENT,
        )


def told(response: TestResponse) -> dict[str, str]:
    """What a redirect back to the App says."""
    assert response.status_code == 302
    location = response.headers["Location"]
    assert location.startswith(CALLBACK)
    said = {name: value for name, [value] in parse_qs(urlsplit(location).query).items()}
    assert said.pop("from") == "github"
    return said
