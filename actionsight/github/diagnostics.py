"""As whom GitHub is asked, what that may read, what is left of each limit, and what to do."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from actionsight.findings import Finding
from actionsight.github.app import App
from actionsight.github.credential_router import CredentialRouter
from actionsight.github.credentials import Credential
from actionsight.github.errors import GitHubError, MissingError, RateLimitError
from actionsight.github.installation import Installation
from actionsight.github.pagination import get_object
from actionsight.github.payloads import parse_json
from actionsight.github.rate_limit.models import Priority
from actionsight.github.retries import RetryPolicy
from actionsight.github.transport import HTTPResponse, TransientError, Transport, bearer

NEEDED = ("actions", "metadata")
# More of them would tell little more, and cost two requests each.
MOST_REPOSITORIES = 20
SOON_DAYS = 14
_UNLIMITED = "its limits are off"
# A person waits for it: for each answer, and for all of them.
RETRY_POLICY = RetryPolicy(tries=2, longest_wait_seconds=5.0, total_seconds=30.0)
MOST_SECONDS = 90


def check(router: CredentialRouter, names: Sequence[str]) -> Iterator[Finding]:
    """Look at every credential, and at what they read of the repositories with these names."""
    try:
        yield from _findings(router, names, time.monotonic() + MOST_SECONDS)
    except GitHubError as error:
        yield Finding("GitHub", f"could not be looked at: {error}", is_wrong=True)


def _findings(router: CredentialRouter, names: Sequence[str], ends: float) -> Iterator[Finding]:
    yield from _way(router.transport)
    can_ask = True
    token = router.token()
    if token is not None:
        found = _check_token(router, token)
        can_ask = not found.is_wrong
        yield found
    if router.app is not None:
        for found in _check_app(router, router.app):
            can_ask = can_ask and not (found.is_wrong and found.subject == "GitHub App")
            yield found
    if can_ask:
        yield from _check_reach(router, names, ends)


def _way(transport: Transport) -> Iterator[Finding]:
    """By which proxy GitHub is asked, and whose word for it is taken, where that is not usual."""
    if transport.proxy:
        yield Finding("GitHub's proxy", f"{transport.api_url} is asked by {transport.proxy}")
    if transport.ca_file:
        yield Finding("certificates", f"{transport.ca_file} is trusted beside the system's")


def _check_token(router: CredentialRouter, token: Credential) -> Finding:
    try:
        response = router.transport.send(
            "GET", router.transport.url("/rate_limit"), headers=bearer(token.token())
        )
    except (TransientError, GitHubError) as error:
        return _unreachable(router, error)
    if response.status == 401:
        remedy = "the token is not valid (any more), make a new one"
        return Finding("GitHub", f"answers 401: {remedy}", is_wrong=True)
    who = "without a credential"
    if token.token() is not None:
        scopes = response.headers.get("x-oauth-scopes")
        who = "with a token" if scopes is None else f"with a classic token (scopes: {scopes})"
    ends, is_soon = _end(response.headers)
    return Finding("GitHub", f"answers {who}{ends}; {_left_by(response)}", is_warning=is_soon)


def _check_app(router: CredentialRouter, app: App) -> Iterator[Finding]:
    try:
        described = app.description()
        installations = app.installations()
    except GitHubError as error:
        yield Finding("GitHub App", str(error), is_wrong=True)
        return
    yield _permissions(
        "GitHub App",
        f"asks as {described['slug']}",
        described.get("permissions") or {},
        "give them in the App's settings at GitHub, and accept them where it is installed",
    )
    yield from _check_strangers(router, described)
    if not installations:
        remedy = "install it on the accounts whose repositories are monitored"
        yield Finding("GitHub App", f"is not installed anywhere: {remedy}", is_wrong=True)
    usable = router.installations()
    for payload in installations:
        owner = str(payload["account"]["login"])
        subject = f"GitHub App on {owner}"
        if payload.get("suspended_at"):
            yield Finding(subject, "is suspended: resume it at GitHub", is_warning=True)
        elif (installation := usable.get(owner.lower())) is not None:
            yield _check_installation(router, subject, installation)


def _check_strangers(router: CredentialRouter, described: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether anybody can install the App: a public one shows itself to who sends no credential.

    `GET /app` does not tell. GitHub's contract says of `GET /apps/{slug}` that it takes no
    credential, and answers 404 where there is nothing to see.
    """
    try:
        response = router.transport.send("GET", router.transport.url(f"/apps/{described['slug']}"))
    except (TransientError, GitHubError):
        return
    if response.status == 200:
        yield Finding(
            "GitHub App for strangers",
            "is public, so anybody at GitHub can install it, then sign in here and add "
            'repositories: choose "Only on this account" in the App\'s settings at GitHub',
            is_warning=True,
        )


def _check_installation(
    router: CredentialRouter, subject: str, installation: Installation
) -> Finding:
    selection = installation.payload.get("repository_selection", "all")
    try:
        left = _left(get_object(router.client_for(installation, Priority.HEAD), "/rate_limit"))
    except MissingError:
        left = _UNLIMITED
    except GitHubError as error:
        return Finding(subject, str(error), is_wrong=True)
    return _permissions(
        subject,
        f"reads {selection} repositories; {left}",
        installation.payload.get("permissions") or {},
        "its owner has to accept the App's new permissions at GitHub",
    )


def _check_reach(router: CredentialRouter, names: Sequence[str], ends: float) -> Iterator[Finding]:
    looked_at = [name for name in names if not name.endswith("/*")][:MOST_REPOSITORIES]
    well = 0
    for name in looked_at:
        if time.monotonic() > ends:
            yield Finding(
                "GitHub", f"took more than {MOST_SECONDS} seconds to answer", is_wrong=True
            )
            break
        try:
            client = router.client(name, Priority.HEAD)
            get_object(client, f"/repos/{name}")
            get_object(client, f"/repos/{name}/actions/runs", {"per_page": 1})
            well += 1
        except RateLimitError as error:
            yield Finding("GitHub reads", str(error), is_warning=True)
            return
        except GitHubError as error:
            remedy = "give the credential access to it, or remove it"
            yield Finding(f"GitHub reads {name}", f"not: {error}; {remedy}", is_wrong=True)
    if well:
        of = f" (of {len(names)} only {len(looked_at)} were looked at)"
        more = of if len(looked_at) < len(names) else ""
        yield Finding("GitHub reads", f"the runs of {well} monitored repositories{more}")


def _unreachable(router: CredentialRouter, error: Exception) -> Finding:
    return Finding(
        "GitHub",
        f"{router.transport.api_url} cannot be asked ({error}): "
        "check ACTIONSIGHT_GITHUB_API_URL and this machine's way out",
        is_wrong=True,
    )


def _permissions(subject: str, says: str, permissions: Mapping[str, Any], remedy: str) -> Finding:
    missing = [name for name in NEEDED if not permissions.get(name)]
    if missing:
        return Finding(
            subject, f"{says}; may not read {' and '.join(missing)}: {remedy}", is_wrong=True
        )
    granted = ", ".join(f"{name}: {access}" for name, access in sorted(permissions.items()))
    return Finding(subject, f"{says}; permissions {granted}")


def _left(body: Any) -> str:
    """What is left of the hourly limit; the question is free."""
    try:
        core = body["resources"]["core"]
        resets_at = datetime.fromtimestamp(core["reset"], UTC)
        return (
            f"{core['remaining']:,} of {core['limit']:,} requests left until {resets_at:%H:%M} UTC"
        )
    except (KeyError, TypeError):
        return "does not say what is left of its limit"


def _left_by(response: HTTPResponse) -> str:
    if response.status == 404:
        return _UNLIMITED
    try:
        return _left(parse_json(response.body))
    except (ValueError, RecursionError):
        return f"answers {response.status} where limits are asked for"


def _end(headers: Mapping[str, str]) -> tuple[str, bool]:
    """When a token ends, and whether that is soon."""
    text = headers.get("github-authentication-token-expiration", "")
    try:
        ends_at = datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return "", False
    days = (ends_at - datetime.now(UTC)).days
    remedy = ": make a new one" if days < SOON_DAYS else ""
    return f", which ends on {ends_at:%Y-%m-%d}{remedy}", days < SOON_DAYS
