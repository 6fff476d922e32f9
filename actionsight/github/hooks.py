"""Webhooks in a repository at GitHub: found by their address, made, given a secret, removed.

Each raises GitHubError.
"""

from collections.abc import Mapping
from typing import Any

from actionsight.github.client import GitHubClient
from actionsight.github.pagination import iter_items
from actionsight.settings import Settings
from actionsight.webhook_events import RECEIVER_PATH, REPOSITORY_EVENTS


def our_url(settings: Settings) -> str:
    """Where GitHub delivers to us: whichever webhook sends there is ours."""
    return settings.public_root + RECEIVER_PATH


def list_hooks(client: GitHubClient, full_name: str) -> list[tuple[int, Any]]:
    """The ids of a repository's webhooks, and where they send."""
    return [
        (each["id"], each["config"].get("url"))
        for each in iter_items(client, f"/repos/{full_name}/hooks")
        if isinstance(each.get("id"), int) and isinstance(each.get("config"), Mapping)
    ]


def find_hook(client: GitHubClient, full_name: str, url: str) -> int | None:
    """The webhook that sends there."""
    return next((number for number, other in list_hooks(client, full_name) if other == url), None)


def make_hook(client: GitHubClient, full_name: str, url: str, secret: str) -> int:
    """A new one, which GitHub pings."""
    body = {
        "name": "web",
        "active": True,
        "events": list(REPOSITORY_EVENTS),
        "config": {"url": url, "content_type": "json", "insecure_ssl": "0", "secret": secret},
    }
    return int(client.post(f"/repos/{full_name}/hooks", body).body["id"])


def set_secret(client: GitHubClient, full_name: str, hook_id: int, secret: str) -> None:
    """Let GitHub sign with another secret; nothing else of the webhook changes."""
    client.patch(f"/repos/{full_name}/hooks/{hook_id}/config", {"secret": secret})


def remove_hook(client: GitHubClient, full_name: str, hook_id: int) -> None:
    """It sends no more."""
    client.delete(f"/repos/{full_name}/hooks/{hook_id}")
