"""Webhooks: the deliveries of what happens, and a hook that signs and sends them.

hook = Hook("http://127.0.0.1:8000/webhooks/github", secret="…")
for delivery in deliveries_between(world, after, until):
    hook.send(delivery)
"""

import hashlib
import hmac
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Literal
from urllib.parse import urlencode

import orjson
import requests
from requests.adapters import HTTPAdapter

from github_standin.payloads.events import event_body, installation_body, ping_body
from github_standin.payloads.repositories import Body
from github_standin.world.hooks import HookSettings
from github_standin.world.model import Repository
from github_standin.world.people import APP_ID
from github_standin.world.timeline import (
    AppEvent,
    Event,
    JobEvent,
    RepositoryEvent,
    events_between,
)
from github_standin.world.world import World

API = "https://api.github.com"

TIMEOUT_SECONDS = 10.0
"""A receiver that has not answered by then has not received, as far as GitHub knows."""

CONNECTIONS = 16

_DELIVERIES = uuid.UUID("6f1f5a0e-6b0c-5d0f-9d4a-5a9d0a1c7e55")


@dataclass(frozen=True)
class Delivery:
    """One event on its way: what a hook sends, not yet signed.

    `delivery_id` follows from what happened, so the same event always has the same one, also when
    it is delivered again (`is_redelivery`). `moment` is when it happened; `body` is JSON.
    `repository_id`, `run_id`, `run_attempt` and `job_id` say what it is about, where it is about
    such a thing: what concerns the App itself is about no repository. `installation_id`: the one
    that the body names.
    """

    delivery_id: str
    event: str
    action: str | None
    moment: datetime
    repository_id: int | None
    body: bytes
    run_id: int | None = None
    run_attempt: int | None = None
    job_id: int | None = None
    installation_id: int | None = None
    is_redelivery: bool = False


def deliveries_between(
    world: World,
    after: datetime,
    until: datetime,
    *,
    api: str = API,
    installation_id: int | None = None,
    repository_id: int | None = None,
) -> list[Delivery]:
    """Whatever happens in *world* later than *after* and not later than *until*, in that order.

    Windows that meet lose nothing and repeat nothing. The world's clock plays no part: both bounds
    may lie in the future. Addresses in the payloads begin with *api*.

    Payloads name the installation on their repository, as those of an App's hook do, or else
    *installation_id*; nothing is told of a repository while its installation is suspended. With
    *repository_id* they are those of a hook of that repository, which knows nothing of Apps.
    """
    with world.lock:
        deliveries = []
        for event in events_between(world, after, until, repository_id):
            delivery, body = _delivery(world, event, api)
            repository = world.repositories.get(delivery.repository_id or 0)
            if repository_id is None and repository is not None:
                installation = world.people.installation_on(repository)
                if installation is not None and installation.is_suspended_at(event.moment):
                    continue
                number = installation_id if installation is None else installation.id
                if number is not None:
                    body["installation"] = installation_body(number)
            named = body.get("installation") or {}
            deliveries.append(
                replace(delivery, body=orjson.dumps(body), installation_id=named.get("id"))
            )
        return deliveries


def ping(
    world: World,
    repository: Repository,
    hook: "Hook | HookSettings",
    *,
    api: str = API,
    number: int = 1,
) -> Delivery:
    """What a hook that was just made for *repository* gets first; *number* counts its pings."""
    with world.lock:
        now = world.now()
        if isinstance(hook, Hook):
            hook = hook.settings(repository.id, now)
        body = ping_body(hook, repository, api)
        guid = _guid("ping", hook.id, repository.id, number)
        return Delivery(guid, "ping", None, now, repository.id, orjson.dumps(body))


@dataclass(frozen=True)
class Hook:
    """A webhook as GitHub keeps it; usable from several threads.

    `secret` None: it does not sign. `content_type` "form" sends the JSON as the field `payload` of
    a form. `target_id` None: the repository of the delivery.
    """

    url: str
    secret: str | None = field(repr=False)
    hook_id: int = 500_000_001
    content_type: Literal["json", "form"] = "json"
    target_type: Literal["repository", "organization", "integration"] = "repository"
    target_id: int | None = None
    timeout_seconds: float = TIMEOUT_SECONDS
    _session: requests.Session = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        session = requests.Session()
        session.trust_env = False  # no proxy, no credentials of this machine
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_maxsize=CONNECTIONS)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        object.__setattr__(self, "_session", session)

    def body_of(self, delivery: Delivery) -> bytes:
        """The bytes that travel, which are those that are signed."""
        if self.content_type == "form":
            return urlencode({"payload": delivery.body}).encode()
        return delivery.body

    def headers_of(self, delivery: Delivery) -> dict[str, str]:
        """GitHub's headers, signatures included."""
        form = self.content_type == "form"
        target_type, target_id = self.target_type, self.target_id or delivery.repository_id
        if delivery.repository_id is None:  # only an App's hook hears of such things
            target_type, target_id = "integration", self.target_id or APP_ID
        headers = {
            "User-Agent": "GitHub-Hookshot/0standin",
            "Accept": "*/*",
            "Content-Type": "application/x-www-form-urlencoded" if form else "application/json",
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Delivery": delivery.delivery_id,
            "X-GitHub-Hook-ID": str(self.hook_id),
            "X-GitHub-Hook-Installation-Target-Type": target_type,
            "X-GitHub-Hook-Installation-Target-ID": str(target_id),
        }
        return headers | signatures(self.secret, self.body_of(delivery))

    def send(self, delivery: Delivery, headers: Mapping[str, str] | None = None) -> int | None:
        """Send it once; the status of the answer, or None when none came in time.

        *headers* stand in place of the usual ones, for what GitHub would never send. Redirects are
        not followed.
        """
        try:
            return self._session.post(
                self.url,
                data=self.body_of(delivery),
                headers=self.headers_of(delivery) if headers is None else headers,
                timeout=self.timeout_seconds,
                allow_redirects=False,
            ).status_code
        except requests.RequestException:
            return None

    def settings(self, repository_id: int, now: datetime) -> HookSettings:
        """As GitHub keeps it, if it is a hook of that repository, made *now*."""
        return HookSettings(
            self.hook_id,
            repository_id,
            self.url,
            self.content_type,
            self.secret,
            "0",
            ("*",),
            True,
            now,
            now,
        )

    def close(self) -> None:
        """Close the connections that are kept open between deliveries."""
        self._session.close()


def signatures(secret: str | None, body: bytes) -> dict[str, str]:
    """The two headers that sign *body*; none without a secret."""
    if secret is None:
        return {}
    key = secret.encode()
    return {
        "X-Hub-Signature": f"sha1={hmac.new(key, body, hashlib.sha1).hexdigest()}",
        "X-Hub-Signature-256": f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}",
    }


def _delivery(world: World, event: Event, api: str) -> tuple[Delivery, Body]:
    """The delivery with an empty body, and what the body will say."""
    body = event_body(world, event, api)
    moment, action = event.moment, event.action
    if isinstance(event, AppEvent):
        of = event.change
        guid = _guid(of.event, action, of.number, moment.isoformat())
        return Delivery(guid, of.event, action, moment, None, b""), body
    if isinstance(event, RepositoryEvent):
        change = event.change
        guid = _guid("repository", change.repository_id, action, change.number)
        return Delivery(guid, "repository", action, moment, change.repository_id, b""), body
    run, number = event.run, event.attempt.number
    job_id = event.job.id if isinstance(event, JobEvent) else None
    name = "workflow_run" if job_id is None else "workflow_job"
    guid = _guid(name, job_id or run.id, action, number)
    return (
        Delivery(guid, name, action, moment, run.repository_id, b"", run.id, number, job_id),
        body,
    )


def _guid(*parts: object) -> str:
    return str(uuid.uuid5(_DELIVERIES, ":".join(map(str, parts))))
