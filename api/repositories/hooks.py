"""Our webhooks in repositories: found by their address, made and removed as the collector may."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from actionsight.github.errors import BadCredentialError, GitHubError, RefusedError
from actionsight.github.pagination import iter_items
from actionsight.loopback import is_loopback
from actionsight.settings import Settings
from actionsight.webhook_events import REPOSITORY_EVENTS
from api.collector import Collector
from api.github import GitHub

PATH = "/webhooks/github"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hook:
    """What there is of a webhook; `reason`: why there is none of ours. `hook_id`: of ours."""

    status: Literal["created", "exists", "not_created"]
    reason: str | None = None
    hook_id: int | None = None


BY_THE_APP = Hook("exists", "The GitHub App delivers by its own webhook.")


def ensure_hook(settings: Settings, collector: Collector, full_name: str) -> Hook:
    """Make our webhook in a repository, if there is none and all that it takes is there."""
    if reason := _obstacle(settings):
        return Hook("not_created", reason)
    url = settings.public_root + PATH
    try:
        if collector.delivers(full_name, url, frozenset(REPOSITORY_EVENTS)):
            return BY_THE_APP
        return collector.ask(full_name, lambda github: _found_or_made(github, settings, full_name))
    except RefusedError as error:
        logger.info("no webhook in %s: %s", full_name, error)
        return Hook(
            "not_created",
            "The collector's credential may not administer webhooks there: GitHub answers "
            f"{error.status_code}.",
        )
    except BadCredentialError:
        return Hook("not_created", "GitHub refuses the collector's credential.")
    except (GitHubError, KeyError, TypeError, ValueError) as error:
        logger.warning("no webhook in %s: %r", full_name, error)
        return Hook("not_created", "GitHub could not be asked.")


def remove_hooks(
    settings: Settings, collector: Collector, full_name: str, hook_id: int | None
) -> bool:
    """Remove the webhooks of ours, also such as we do not know; whether none is left there.

    GitHub's list tells, not a 404: that can also mean that the credential may not see them. What
    stays is dropped when it sends.

    Args:
        hook_id: the one that we know.
    """

    def remove(github: GitHub) -> None:
        for number, url in _hooks(github, full_name):
            if number == hook_id or url == settings.public_root + PATH:
                github.client.delete(f"/repos/{full_name}/hooks/{number}")

    try:
        collector.ask(full_name, remove)
    except GitHubError as error:
        if hook_id is not None:
            logger.warning("the webhook %d stays in %s: %r", hook_id, full_name, error)
        return False
    return True


def _found_or_made(github: GitHub, settings: Settings, full_name: str) -> Hook:
    url = settings.public_root + PATH

    def found() -> Hook | None:
        numbers = [number for number, other in _hooks(github, full_name) if other == url]
        return Hook("exists", hook_id=numbers[0]) if numbers else None

    if hook := found():
        return hook
    body = {
        "name": "web",
        "active": True,
        "events": list(REPOSITORY_EVENTS),
        "config": {
            "url": url,
            "content_type": "json",
            "insecure_ssl": "0",
            # The first of two is the new one, while they are rotated.
            "secret": settings.github_webhook_secret[0],
        },
    }
    try:
        made = github.client.post(f"/repos/{full_name}/hooks", body).body
    except RefusedError:
        if hook := found():  # another request made it meanwhile
            return hook
        raise
    return Hook("created", hook_id=int(made["id"]))


def _hooks(github: GitHub, full_name: str) -> list[tuple[int, Any]]:
    """The ids of a repository's webhooks, and where they send."""
    return [
        (each["id"], each["config"].get("url"))
        for each in iter_items(github.client, f"/repos/{full_name}/hooks")
        if isinstance(each.get("id"), int) and isinstance(each.get("config"), Mapping)
    ]


def _obstacle(settings: Settings) -> str | None:
    if not settings.github_webhook_secret:
        return "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET is not set."
    root = settings.public_root
    is_reached = root.startswith("https://") or (
        is_loopback(root) and is_loopback(settings.github_api_url)
    )
    if not is_reached:
        return f"ACTIONSIGHT_PUBLIC_URL is no https address, so GitHub cannot reach {root}."
    return None
