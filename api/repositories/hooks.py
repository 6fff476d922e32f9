"""Our webhooks in repositories: found by their address, made and removed as the collector may."""

import logging
from dataclasses import dataclass
from typing import Literal

from actionsight.github.errors import BadCredentialError, GitHubError, RefusedError
from actionsight.github.hooks import find_hook, list_hooks, make_hook, our_url, remove_hook
from actionsight.loopback import is_loopback
from actionsight.settings import Settings
from actionsight.webhook_events import REPOSITORY_EVENTS
from api.collector import Collector
from api.github import GitHub

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
    url = our_url(settings)
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
        for number, url in list_hooks(github.client, full_name):
            if number == hook_id or url == our_url(settings):
                remove_hook(github.client, full_name, number)

    try:
        collector.ask(full_name, remove)
    except GitHubError as error:
        if hook_id is not None:
            logger.warning("the webhook %d stays in %s: %r", hook_id, full_name, error)
        return False
    return True


def _found_or_made(github: GitHub, settings: Settings, full_name: str) -> Hook:
    client, url = github.client, our_url(settings)
    if number := find_hook(client, full_name, url):
        return Hook("exists", hook_id=number)
    try:
        # The first of two secrets is the new one, while they are rotated.
        made = make_hook(client, full_name, url, settings.github_webhook_secret[0])
    except RefusedError:
        if number := find_hook(client, full_name, url):  # another request made it meanwhile
            return Hook("exists", hook_id=number)
        raise
    return Hook("created", hook_id=made)


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
