"""GitHub's REST API as somebody reaches it: a person by their token, or the collector by its own.

Nothing of a request or an answer is logged beyond its kind: tokens and private names stand there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, NamedTuple
from urllib.parse import urljoin, urlsplit

import requests

from actionsight.settings import Settings
from api.auth.github_tokens import USER_AGENT, BearerAuth, GitHubAwayError, TokenRefusedError
from api.outgoing import send

Role = Literal["read", "triage", "write", "maintain", "admin"]

# Each may do what the ones before it may; beside each, what GitHub's `permissions` calls it.
ROLES: Mapping[Role, str] = {
    "read": "pull",
    "triage": "triage",
    "write": "push",
    "maintain": "maintain",
    "admin": "admin",
}
# Who has one of these decides what is monitored.
MANAGING: frozenset[Role] = frozenset({"maintain", "admin"})

MOST_REDIRECTS = 3
PAGE_SIZE = 100
_HEADERS = {
    "Accept": "application/vnd.github+json",
    "User-Agent": USER_AGENT,
    "X-GitHub-Api-Version": "2022-11-28",
}


class RefusedError(Exception):
    """GitHub refuses: it shows nothing (404), or does not allow it, or finds it wrong."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"GitHub answers {status}: {message}")
        self.status = status
        self.message = message


class Repository(NamedTuple):
    """A repository as GitHub shows it to who asks; `role` None: it is shown, and nothing more."""

    repository_id: int
    full_name: str
    visibility: str
    html_url: str | None
    role: Role | None


class Installed(NamedTuple):
    """What a person reaches of the App's installations, and by which name GitHub's pages know it
    (None: there is no installation)."""

    repositories: list[Repository]
    app_slug: str | None


@dataclass(frozen=True)
class GitHub:
    """GitHub as one token reaches it; None: as everybody does.

    `deadline`: by `time.monotonic`, until when every answer must be there; None: each in its time.

    Every method raises:
        TokenRefusedError: 401, the token has ended.
        RefusedError: any other refusal.
        GitHubAwayError: it does not answer, or not as it should, or a limit is used up.
    """

    settings: Settings = field(repr=False)
    token: str | None = field(repr=False)
    deadline: float | None = None

    def get(self, path: str) -> Any:
        """The answer to a GET."""
        return _body(self._send("GET", path))

    def pages(self, path: str) -> Iterator[Any]:
        """The answers to a GET of a listing, page by page, as the `Link` headers say."""
        url: str | None = f"{path}?per_page={PAGE_SIZE}"
        while url:
            response = self._send("GET", url)
            yield _body(response)
            url = response.links.get("next", {}).get("url")

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to a POST."""
        return _body(self._send("POST", path, json=body))

    def delete(self, path: str) -> None:
        """DELETE."""
        self._send("DELETE", path)

    def repository(self, full_name: str) -> Repository:
        """A repository, by its name; one that was renamed has another name then."""
        return _repository(self.get(f"/repos/{full_name}"))

    def installations(self) -> Iterator[Mapping[str, Any]]:
        """The App's installations that GitHub lists for the person, suspended ones too."""
        for page in self.pages("/user/installations"):
            yield from _listed(page, "installations")

    def installed(self) -> Installed:
        """Every repository that the person was given a role in, of those that the App reaches.

        What is suspended is left out, and so is what GitHub does not show at this moment.
        """
        repositories: dict[int, Repository] = {}
        app_slug = None
        for installation in self.installations():
            app_slug = app_slug or installation.get("app_slug")
            if installation.get("suspended_at") is None:
                found = self._repositories_of(installation.get("id"))
                repositories |= {each.repository_id: each for each in found}
        return Installed([each for each in repositories.values() if each.role], app_slug)

    def _repositories_of(self, installation_id: Any) -> list[Repository]:
        path = f"/user/installations/{installation_id}/repositories"
        try:
            return [
                _repository(body)
                for page in self.pages(path)
                for body in _listed(page, "repositories")
            ]
        except RefusedError:
            return []  # it was suspended or ended since it was listed

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        url = self._own(path)
        for _ in range(MOST_REDIRECTS):
            try:
                response = send(
                    method,
                    url,
                    headers=_HEADERS,
                    auth=BearerAuth(self.token) if self.token else None,
                    ca_file=self.settings.ca_file,
                    deadline=self.deadline,
                    **options,
                )
            except requests.RequestException as error:
                # Its text may quote what was sent; its kind is enough.
                raise GitHubAwayError(type(error).__name__) from None
            if not response.is_redirect:
                return _checked(response)
            url = self._own(urljoin(url, response.headers["Location"]))
        raise GitHubAwayError("GitHub redirects without an end")

    def _own(self, path: str) -> str:
        """The whole address of a path, or of a link; the token goes to the API alone."""
        api_url = self.settings.github_api_url
        url = path if "://" in path else f"{api_url}{path}"
        if urlsplit(url)[:2] != urlsplit(api_url)[:2]:
            raise GitHubAwayError("GitHub links to another host")
        return url


def owner_of(installation: Mapping[str, Any]) -> str | None:
    """On whose account an installation is, in lower case; None: on none that has repositories, such
    as an enterprise."""
    account = installation.get("account")
    login = account.get("login") if isinstance(account, Mapping) else None
    return login.lower() if isinstance(login, str) else None


def _checked(response: requests.Response) -> requests.Response:
    status = response.status_code
    if status < HTTPStatus.BAD_REQUEST:
        return response
    if status == HTTPStatus.UNAUTHORIZED:
        raise TokenRefusedError
    message = _message(response)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or _is_limit(response, message):
        raise GitHubAwayError(f"GitHub answered {status}")
    raise RefusedError(status, message)


def _is_limit(response: requests.Response, message: str) -> bool:
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    return response.status_code == HTTPStatus.FORBIDDEN and (
        response.headers.get("x-ratelimit-remaining") == "0"
        or "retry-after" in response.headers
        or "rate limit" in message.lower()
    )


def _message(response: requests.Response) -> str:
    try:
        body = response.json()
        errors = [error["message"] for error in body.get("errors", ()) if "message" in error]
        return "; ".join([str(body["message"]), *map(str, errors)])[:300]
    except (AttributeError, ValueError, KeyError, TypeError):
        return response.reason or "no reason given"


def _body(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise GitHubAwayError("GitHub's answer cannot be read") from None


def _listed(page: Any, name: str) -> list[Mapping[str, Any]]:
    rows = page.get(name) if isinstance(page, Mapping) else None
    if not isinstance(rows, list):
        raise GitHubAwayError("GitHub's answer cannot be read")
    return [row for row in rows if isinstance(row, Mapping)]


def _repository(body: Any) -> Repository:
    try:
        visibility = body.get("visibility") or ("private" if body["private"] else "public")
        return Repository(
            int(body["id"]),
            str(body["full_name"]),
            str(visibility),
            body.get("html_url"),
            _role(body.get("permissions")),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise GitHubAwayError("GitHub's answer cannot be read") from None


def _role(permissions: Any) -> Role | None:
    if not isinstance(permissions, Mapping):
        return None
    held = [role for role, name in ROLES.items() if permissions.get(name) is True]
    return held[-1] if held else None
