"""Our webhooks in repositories: made and removed by the collector's credential, where it may."""

import ipaddress
import logging
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from actionsight.settings import Settings
from api.auth.github_tokens import GitHubAwayError, TokenRefusedError
from api.github import GitHub, RefusedError

EVENTS = ("workflow_run", "workflow_job", "repository")
PATH = "/webhooks/github"
_EXISTS = "already exists"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hook:
    """What there is of a webhook; `reason`: why there is none. `hook_id`: of one just made."""

    status: Literal["created", "exists", "not_created"]
    reason: str | None = None
    hook_id: int | None = None


def collector(settings: Settings) -> GitHub:
    """GitHub as the collector reaches it."""
    return GitHub(settings.github_api_url, settings.github_token)


def ensure_hook(settings: Settings, full_name: str) -> Hook:
    """Make our webhook in a repository, if there is none and all that it takes is there."""
    if reason := _obstacle(settings):
        return Hook("not_created", reason)
    body = {
        "name": "web",
        "active": True,
        "events": list(EVENTS),
        "config": {
            "url": settings.public_root + PATH,
            "content_type": "json",
            "insecure_ssl": "0",
            # The first of two is the new one, while they are rotated.
            "secret": settings.github_webhook_secret[0],
        },
    }
    try:
        made = collector(settings).post(f"/repos/{full_name}/hooks", body)
        return Hook("created", hook_id=int(made["id"]))
    except RefusedError as error:
        if _EXISTS in error.message:
            return Hook("exists")
        logger.info("no webhook in %s: %s", full_name, error)
        return Hook(
            "not_created",
            "The collector's credential may not administer webhooks there: GitHub answers "
            f"{error.status}.",
        )
    except TokenRefusedError:
        return Hook("not_created", "GitHub refuses the collector's credential.")
    except (GitHubAwayError, KeyError, TypeError, ValueError) as error:
        logger.warning("no webhook in %s: %r", full_name, error)
        return Hook("not_created", "GitHub could not be asked.")


def remove_hook(settings: Settings, full_name: str, hook_id: int) -> bool:
    """Remove a webhook of ours; whether it is gone. What it still sends is dropped."""
    try:
        collector(settings).delete(f"/repos/{full_name}/hooks/{hook_id}")
    except RefusedError as error:
        if error.status in (404, 410):
            return True
        logger.warning("the webhook %d stays in %s: %s", hook_id, full_name, error)
        return False
    except (GitHubAwayError, TokenRefusedError) as error:
        logger.warning("the webhook %d stays in %s: %r", hook_id, full_name, error)
        return False
    return True


def _obstacle(settings: Settings) -> str | None:
    if not settings.github_webhook_secret:
        return "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET is not set."
    root = settings.public_root
    is_reached = root.startswith("https://") or (
        _is_loopback(root) and _is_loopback(settings.github_api_url)
    )
    if not is_reached:
        return f"ACTIONSIGHT_PUBLIC_URL is no https address, so GitHub cannot reach {root}."
    return None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
