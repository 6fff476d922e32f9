"""The hooks that clients made in repositories: while the server runs, each really sends. And those
of the App and of organizations, which whoever runs the server made."""

import itertools
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from github_standin.payloads.hooks import UNUSED
from github_standin.payloads.repositories import Body
from github_standin.webhooks.deliveries import API, Hook, ping
from github_standin.webhooks.sender import Sender
from github_standin.world.hooks import (
    HookSettings,
    InvalidHookError,
    changed_hook,
    configured_hook,
    new_hook,
)
from github_standin.world.model import Repository
from github_standin.world.world import World

WORKERS = 2

MOST = 20
"""So many hooks of a repository may be for the same event."""


class HookRegistry:
    """Hooks by their id. Not locked: the world's lock is held while a request is answered."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._api = API
        self._is_running = False
        self._hooks: dict[int, HookSettings] = {}
        self._senders: dict[int, Sender] = {}
        self._attached: list[Sender] = []
        self._ids = itertools.count(500_000_002)
        self._pings = itertools.count(1)

    def start(self, api: str) -> None:
        """Send from now on; addresses in payloads begin with *api*."""
        with self._world.lock:
            self._api, self._is_running = api, True
            for hook in self._hooks.values():
                self._connect(hook)

    def stop(self) -> None:
        """Send no more."""
        self._is_running = False
        for number in list(self._senders):
            self._senders.pop(number).stop()

    def of(self, repository: Repository) -> list[HookSettings]:
        """The hooks of a repository, oldest first."""
        return [hook for hook in self._hooks.values() if hook.repository_id == repository.id]

    def add(self, repository: Repository, body: Mapping[str, Any]) -> HookSettings:
        """Make the hook that *body* asks for, and ping it. Raises `InvalidHookError`."""
        now = self._world.now()
        hook = new_hook(body, next(self._ids), repository.id, now)
        self._keep(repository, hook)
        self.ping(repository, hook)
        return hook

    def change(
        self, repository: Repository, hook: HookSettings, body: Mapping[str, Any]
    ) -> HookSettings:
        """Change *hook* as the body of a PATCH says. Raises `InvalidHookError`."""
        return self._keep(repository, changed_hook(hook, body, self._world.now()))

    def configure(
        self, repository: Repository, hook: HookSettings, config: Mapping[str, Any]
    ) -> HookSettings:
        """Change those settings that *config* names. Raises `InvalidHookError`."""
        now = self._world.now()
        return self._keep(repository, configured_hook(hook, config, now))

    def remove(self, hook: HookSettings) -> None:
        """Delete *hook*."""
        del self._hooks[hook.id]
        self._disconnect(hook)

    def ping(self, repository: Repository, hook: HookSettings) -> None:
        """Ping *hook*, if it is active."""
        sender = self._senders.get(hook.id)
        if sender is not None:
            number = next(self._pings)
            sender.send(ping(self._world, repository, hook, api=self._api, number=number))

    def attach(self, sender: Sender) -> None:
        """Tell of the deliveries of an App's or an organization's hook, which others run."""
        self._attached.append(sender)

    def sender_of(self, hook: HookSettings) -> Sender | None:
        """What delivers to a hook of a repository; None: it is not active."""
        return self._senders.get(hook.id)

    def sender_of_app(self) -> Sender | None:
        """What delivers to the App's own hook; None: it has none."""
        of_app = (each for each in self._attached if each.hook.target_type == "integration")
        return next(of_app, None)

    def sender_of_organization(self, login: str, hook_id: int) -> Sender | None:
        """What delivers to a hook of an organization; None: there is no such."""
        owners = (repository.owner for repository in self._world.repositories.values())
        ids = {owner.id for owner in owners if owner.login.lower() == login.lower()}
        for sender in self._attached:
            hook = sender.hook
            if (hook.target_type, hook.hook_id) == ("organization", hook_id):
                return sender if hook.target_id in ids else None
        return None

    def last_response(self, hook: HookSettings) -> Body:
        """How the hook's newest delivery was answered."""
        sender = self._senders.get(hook.id)
        if sender is None or not sender.recent:
            return UNUSED
        newest = sender.recent[-1]
        if newest.status is None:
            return {"code": 0, "status": "connection_error", "message": "failed to connect"}
        status = "active" if newest.is_ok else "invalid_response"
        return {"code": newest.status, "status": status, "message": _phrase(newest.status)}

    def _keep(self, repository: Repository, hook: HookSettings) -> HookSettings:
        others = [other for other in self.of(repository) if other.id != hook.id]
        for event in hook.events:
            same = [other for other in others if other.wants(event) or event == "*"]
            if any(other.url == hook.url for other in same):
                raise InvalidHookError("Hook already exists on this repository")
            if len(same) >= MOST:
                raise InvalidHookError(f"The {event} event cannot have more than {MOST} hooks")
        self._hooks[hook.id] = hook
        self._connect(hook)
        return hook

    def _connect(self, hook: HookSettings) -> None:
        if not self._is_running:
            return
        if not hook.active:
            self._disconnect(hook)
            return
        target = Hook(hook.url, hook.secret, hook_id=hook.id, content_type=hook.content_type)
        sender = self._senders.get(hook.id)
        if sender is not None:
            before, sender.hook, sender.wants = sender.hook, target, hook.wants
            before.close()
            return
        sender = self._senders[hook.id] = Sender(
            self._world,
            target,
            api=self._api,
            repository_id=hook.repository_id,
            wants=hook.wants,
            workers=WORKERS,
        )
        sender.start()

    def _disconnect(self, hook: HookSettings) -> None:
        sender = self._senders.pop(hook.id, None)
        if sender is not None:
            # Its threads may wait for the lock that is held here: they end by themselves.
            sender.stop(wait_seconds=0)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)
