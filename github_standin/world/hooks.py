"""A repository's hook as GitHub keeps it, and what a client may ask of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

ContentType = Literal["json", "form"]

OF_APPS = frozenset(
    {"github_app_authorization", "installation", "installation_repositories", "installation_target"}
)
"""Events that no repository's hook can be for."""


class InvalidHookError(ValueError):
    """What is asked of a hook is what GitHub refuses (422)."""


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


def new_hook(
    body: Mapping[str, Any], hook_id: int, repository_id: int, now: datetime
) -> HookSettings:
    """The hook that the body of a POST asks for. Raises `InvalidHookError`."""
    if body.get("name", "web") != "web":
        raise InvalidHookError("name must be web")
    config = body.get("config")
    if not isinstance(config, Mapping) or "url" not in config:
        raise InvalidHookError("config.url is missing")
    empty = HookSettings(hook_id, repository_id, "", "form", None, "0", (), True, now, now)
    events = _events(body.get("events", ["push"]))
    return replace(configured_hook(empty, config, now), events=events, active=_active(body, True))


def changed_hook(hook: HookSettings, body: Mapping[str, Any], now: datetime) -> HookSettings:
    """*hook* after the body of a PATCH. A `config` without a secret removes the secret. Raises
    `InvalidHookError`."""
    config = body.get("config", {})
    if not isinstance(config, Mapping):
        raise InvalidHookError("config must be an object")
    if config:
        hook = configured_hook(replace(hook, secret=None), config, now)
    events, added, removed = (
        _events(body[name]) if name in body else default
        for name, default in (("events", hook.events), ("add_events", ()), ("remove_events", ()))
    )
    kept = _events([event for event in (*events, *added) if event not in removed])
    return replace(hook, events=kept, active=_active(body, hook.active), updated_at=now)


def configured_hook(hook: HookSettings, config: Mapping[str, Any], now: datetime) -> HookSettings:
    """*hook* with those settings that *config* names. Raises `InvalidHookError`."""
    url = config.get("url", hook.url)
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidHookError("config.url is no http address")
    content_type = config.get("content_type", hook.content_type)
    if content_type not in ("json", "form"):
        raise InvalidHookError("config.content_type must be json or form")
    secret = config.get("secret", hook.secret)
    if secret is not None and not isinstance(secret, str):
        raise InvalidHookError("config.secret must be a text")
    insecure_ssl = str(config.get("insecure_ssl", hook.insecure_ssl))
    if insecure_ssl not in ("0", "1"):
        raise InvalidHookError("config.insecure_ssl must be 0 or 1")
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
        raise InvalidHookError("events must be a list")
    events = list(given)
    if not events:
        raise InvalidHookError("events must not be empty")
    for event in events:
        if not isinstance(event, str) or event in OF_APPS:
            raise InvalidHookError(f"events: {event} is not accepted")
    return tuple(dict.fromkeys(events))


def _active(body: Mapping[str, Any], default: bool) -> bool:
    active = body.get("active", default)
    if not isinstance(active, bool):
        raise InvalidHookError("active must be true or false")
    return active
