"""Bodies of a repository's hook, as GitHub's published schemas want them."""

from github_standin.payloads.repositories import Body, timestamp
from github_standin.world.hooks import HookSettings
from github_standin.world.model import Repository

HIDDEN = "********"
"""What is shown in place of a secret."""

UNUSED: Body = {"code": None, "status": "unused", "message": None}
"""The `last_response` of a hook that sent nothing yet."""


def config_body(hook: HookSettings) -> Body:
    """Schema `webhook-config`."""
    secret = {} if hook.secret is None else {"secret": HIDDEN}
    shown = {"content_type": hook.content_type, "insecure_ssl": hook.insecure_ssl, "url": hook.url}
    return shown | secret


def hook_body(
    hook: HookSettings, repository: Repository, api: str, last_response: Body = UNUSED
) -> Body:
    """Schema `hook`."""
    url = f"{api}/repos/{repository.full_name}/hooks/{hook.id}"
    return {
        "type": "Repository",
        "id": hook.id,
        "name": "web",
        "active": hook.active,
        "events": list(hook.events),
        "config": config_body(hook),
        "created_at": timestamp(hook.created_at),
        "updated_at": timestamp(hook.updated_at),
        "url": url,
        "test_url": f"{url}/test",
        "ping_url": f"{url}/pings",
        "deliveries_url": f"{url}/deliveries",
        "last_response": dict(last_response),
    }
