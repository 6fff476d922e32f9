"""A repository's hook as GitHub keeps and shows it, and what a client may ask of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from github_standin.payloads.repositories import Body, timestamp
from github_standin.responses import InvalidBodyError
from github_standin.world.model import Repository

ContentType = Literal["json", "form"]

HIDDEN = "********"
"""What is shown in place of a secret."""

UNUSED: Body = {"code": None, "status": "unused", "message": None}

OF_APPS = frozenset(
    {"github_app_authorization", "installation", "installation_repositories", "installation_target"}
)
"""Events that no repository's hook can be for."""


@dataclass(frozen=True)
class HookSettings:
    """A hook of a repository. `secret` None: it does not sign."""

    id: int
    repository_id: int
    url: str
    content_type: ContentType
    secret: str | None = field(repr=False)
    insecure_ssl: str
    events: tuple[str, ...]
    active: bool
    created_at: datetime
    updated_at: datetime

    def wants(self, event: str) -> bool:
        """Whether it is told of *event*; of a ping always."""
        return event == "ping" or "*" in self.events or event in self.events


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


def made(body: Mapping[str, Any], hook_id: int, repository_id: int, now: datetime) -> HookSettings:
    """The hook that the body of a POST asks for. Raises `InvalidBodyError`."""
    if body.get("name", "web") != "web":
        raise InvalidBodyError("name must be web")
    config = body.get("config")
    if not isinstance(config, Mapping) or "url" not in config:
        raise InvalidBodyError("config.url is missing")
    empty = HookSettings(hook_id, repository_id, "", "form", None, "0", (), True, now, now)
    events = _events(body.get("events", ["push"]))
    return replace(with_config(empty, config, now), events=events, active=_active(body, True))


def changed(hook: HookSettings, body: Mapping[str, Any], now: datetime) -> HookSettings:
    """*hook* after the body of a PATCH. A `config` without a secret removes the secret. Raises
    `InvalidBodyError`."""
    config = body.get("config", {})
    if not isinstance(config, Mapping):
        raise InvalidBodyError("config must be an object")
    if config:
        hook = with_config(replace(hook, secret=None), config, now)
    events, added, removed = (
        _events(body[name]) if name in body else default
        for name, default in (("events", hook.events), ("add_events", ()), ("remove_events", ()))
    )
    kept = _events([event for event in (*events, *added) if event not in removed])
    return replace(hook, events=kept, active=_active(body, hook.active), updated_at=now)


def with_config(hook: HookSettings, config: Mapping[str, Any], now: datetime) -> HookSettings:
    """*hook* with those settings that *config* names. Raises `InvalidBodyError`."""
    url = config.get("url", hook.url)
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidBodyError("config.url is no http address")
    content_type = config.get("content_type", hook.content_type)
    if content_type not in ("json", "form"):
        raise InvalidBodyError("config.content_type must be json or form")
    secret = config.get("secret", hook.secret)
    if secret is not None and not isinstance(secret, str):
        raise InvalidBodyError("config.secret must be a text")
    insecure_ssl = str(config.get("insecure_ssl", hook.insecure_ssl))
    if insecure_ssl not in ("0", "1"):
        raise InvalidBodyError("config.insecure_ssl must be 0 or 1")
    return replace(
        hook,
        url=url,
        content_type=content_type,
        secret=secret or None,
        insecure_ssl=insecure_ssl,
        updated_at=now,
    )


def _events(given: object) -> tuple[str, ...]:
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise InvalidBodyError("events must be a list")
    events = list(given)
    if not events:
        raise InvalidBodyError("events must not be empty")
    for event in events:
        if not isinstance(event, str) or event in OF_APPS:
            raise InvalidBodyError(f"events: {event} is not accepted")
    return tuple(dict.fromkeys(events))


def _active(body: Mapping[str, Any], default: bool) -> bool:
    active = body.get("active", default)
    if not isinstance(active, bool):
        raise InvalidBodyError("active must be true or false")
    return active
