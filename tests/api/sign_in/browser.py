"""People with browsers: they send what a browser sends, and choose at the stand-in who they are."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from actionsight import loopback
from actionsight.settings import Settings

CLIENT_ID = "Iv1.actionsight"
CLIENT_SECRET = "client-secret-of-the-app"
SECRET_KEY = "0123456789abcdef0123456789abcdef"
ROOT = "http://127.0.0.1:8000"
CALLBACK = "/login/github/authorized"


def with_sign_in(settings: Settings, github_url: str) -> Settings:
    """The same installation, where people can sign in."""
    return replace(
        settings,
        github_url=github_url,
        github_api_url=github_url,
        github_client_id=CLIENT_ID,
        github_client_secret=CLIENT_SECRET,
        secret_key=SECRET_KEY,
        sign_in="everyone",
    )


class Browser:
    """A browser with its own cookies, at an address of its own."""

    def __init__(self, app: Flask, root: str = ROOT, address: str = "192.0.2.1") -> None:
        self.root = root
        self.client: FlaskClient = app.test_client()
        self._environ = {"REMOTE_ADDR": address}

    def get(self, path: str, **options: Any) -> TestResponse:
        """GET a path, or an address of the API."""
        return self._open("GET", path, **options)

    def post(self, path: str, *, origin: str | None = "", **options: Any) -> TestResponse:
        """POST, with the Origin of the API's own pages unless another is given (None: without)."""
        headers = dict(options.pop("headers", {}))
        if origin is not None:
            headers["Origin"] = origin or self.root
        return self._open("POST", path, headers=headers, **options)

    def begin(self, next_path: str | None = None) -> str:
        """POST /login; gives GitHub's address, where the browser goes."""
        response = self.post("/login", data={} if next_path is None else {"next": next_path})
        assert response.status_code == 303, response.text
        return response.location

    def consent(self, url: str, login: str) -> str:
        """Choose a person at GitHub; gives the address where the browser goes then."""
        return _answered(url, {"login": login})

    def refuse(self, url: str) -> str:
        """Refuse at GitHub; gives the address where the browser goes then."""
        return _answered(url, {"refuse": "1"})

    def sign_in(self, login: str, next_path: str | None = None) -> TestResponse:
        """The whole way; gives the answer that opens the session."""
        response = self.get(self.consent(self.begin(next_path), login))
        assert response.status_code == 303, response.text
        return response

    def sign_out(self) -> TestResponse:
        """POST /logout as a page of the API would."""
        return self.post("/logout", headers=self.csrf())

    def csrf(self) -> dict[str, str]:
        """The header that a script makes of the cookie."""
        return {"X-CSRF-Token": self.cookie("csrf") or ""}

    def cookie(self, name: str) -> str | None:
        """The value of a cookie, by its name without a prefix."""
        for prefix in ("", "__Host-"):
            if cookie := self.client.get_cookie(prefix + name, self._host):
                return cookie.value
        return None

    def me(self) -> Any:
        """Who is signed in; None: nobody."""
        response = self.get("/me")
        assert response.status_code in (200, 401), response.text
        return response.json if response.status_code == 200 else None

    @property
    def _host(self) -> str:
        return urlsplit(self.root).hostname or ""

    def _open(self, method: str, url: str, **options: Any) -> TestResponse:
        parts = urlsplit(url)
        return self.client.open(
            parts.path,
            method=method,
            query_string=parts.query,
            base_url=self.root,
            environ_base=self._environ,
            **options,
        )


def parameters(url: str) -> dict[str, str]:
    """The parameters of an address; each stands there once."""
    query = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert all(len(values) == 1 for values in query.values())
    return {name: values[0] for name, values in query.items()}


def changed(url: str, **given: str | None) -> str:
    """An address with some of its parameters changed, or taken away (None)."""
    query = {**parameters(url), **given}
    kept = {name: value for name, value in query.items() if value is not None}
    return f"{url.partition('?')[0]}?{urlencode(kept)}"


def _answered(url: str, choice: dict[str, str]) -> str:
    page = loopback.get(url)
    assert page.status_code == 200, page.text
    action = url.partition("?")[0]
    sent = loopback.post(action, data={**parameters(url), **choice}, allow_redirects=False)
    assert sent.status_code == 302, sent.text
    return sent.headers["Location"]
