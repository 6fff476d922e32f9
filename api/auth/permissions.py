"""Permissions: what a user reaches at GitHub, kept for minutes, and nothing once that is too old.

    cache server (5 minutes) → the same entry until it is 15 minutes old, while one thread asks
    GitHub in the background → GitHub, within ten seconds → nothing

An entry holds ids and roles, no token and no name, and is sealed. It counts only if it was read
after the user's `rights_invalid_before`, and of a repository only if it was read after the
repository's, by which webhooks take rights at once. All moments are of one clock, the database's,
and a reading is as old as the moment before GitHub was asked.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar, cast
from weakref import WeakValueDictionary

import orjson
import redis
from flask import Flask, current_app
from redis.lock import Lock

from actionsight.encryption import Cipher, DecryptionError
from actionsight.github.errors import BadCredentialError, GitHubError, UnavailableError
from actionsight.github.oauth import OAuthClient
from actionsight.settings import Settings
from api.auth import grants
from api.auth.grants import GrantEndedError
from api.cache_server import Outage, connect
from api.database import Database
from api.github import ROLES, GitHub, Installed, Repository, Role, oauth_of
from api.seals import Seal, seal_of

logger = logging.getLogger(__name__)

FRESH = timedelta(minutes=5)
# So long an entry serves while GitHub is asked, or cannot be; then it is closed.
HARD_LIMIT = timedelta(minutes=15)
# After a failure GitHub is not asked for so long on behalf of the same person.
PAUSE_SECONDS = 15
# All pages of a person together. One request asks, and the others wait for what it finds.
ASKING_SECONDS = 10
WAIT_SECONDS = ASKING_SECONDS
# Whoever asks is done by then: pages, and twice a token.
LOCK_SECONDS = 60

PREFIX = "actionsight:rights"
_EXTENSION = "permissions"

Roles = Mapping[int, Role]
T = TypeVar("T")


@dataclass(frozen=True)
class UserGrant:
    """By which GitHub is asked what its user may see, as of a moment.

    Attributes:
        grant_id: of the tokens that GitHub gave at a sign-in.
        rights_invalid_before: what was read before counts no more.
        now: a moment before this reading, by the database's clock, as is the other one.
    """

    user_id: int
    grant_id: int
    rights_invalid_before: datetime
    now: datetime


class RepositoryRoles(NamedTuple):
    """The repositories that a user was given a role in, by id, as GitHub listed them then."""

    read_at: datetime
    roles: Roles

    def is_valid_for(self, grant: UserGrant, max_age: timedelta) -> bool:
        """Whether it counts for the user of the grant, and is not older than that."""
        return self.read_at > grant.rights_invalid_before and grant.now - self.read_at < max_age


class Permissions:
    """The permissions of users; safe to share between threads and to make before a fork."""

    def __init__(
        self, settings: Settings, database: Database, oauth: OAuthClient, seal: Seal
    ) -> None:
        self._settings = settings
        self._oauth = oauth
        self._database = database
        self._cache = connect(settings.cache_url) if settings.cache_url else None
        self._outage = Outage("GitHub is asked for rights each time")
        self._seal = seal
        self._refreshing: set[threading.Thread] = set()
        self._asking: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._asking_lock = threading.Lock()

    def readable(self, grant: UserGrant) -> RepositoryRoles:
        """What GitHub lists for the user of the grant.

        Nothing where GitHub cannot be asked and nothing young enough is known.

        Raises:
            GrantEndedError: GitHub ended the grant; so have its sessions.
        """
        began = time.monotonic()
        key = f"{PREFIX}:{grant.user_id}:{grant.grant_id}"
        cached = self._read(key)
        if cached and cached.is_valid_for(grant, FRESH):
            return cached
        if cached and cached.is_valid_for(grant, HARD_LIMIT):
            self._refresh(key, grant)
            return cached
        found = self._ask_once(key, grant)
        waited = timedelta(seconds=time.monotonic() - began)
        if found and found.is_valid_for(replace(grant, now=grant.now + waited), HARD_LIMIT):
            return found
        return RepositoryRoles(grant.now, {})

    def as_user(
        self, grant_id: int, ask: Callable[[GitHub], T], *, deadline: float = math.inf
    ) -> T:
        """Ask GitHub something, now, as the user of a grant; no connection is held meanwhile.

        Args:
            deadline: by `time.monotonic`, until when every answer must be there.

        Raises:
            GrantEndedError: GitHub ended the grant; so have its sessions.
            GitHubError: GitHub refuses, or cannot be asked.
        """
        cipher = Cipher(self._settings.secret_key or "")
        for _ in range(2):
            token = grants.access_token(self._database, cipher, self._oauth, grant_id)
            try:
                return ask(GitHub(self._oauth.client_of(token, deadline=deadline)))
            except BadCredentialError:
                # Returns if another request has refreshed the token meanwhile.
                grants.note_refusal(self._database, cipher, grant_id, token)
        raise UnavailableError("GitHub refuses tokens that it gave a moment ago")

    def installed(self, user_id: int, grant_id: int) -> Installed:
        """What a user reaches of the App's installations, by name, at most five minutes old; kept
        encrypted, since the names of private repositories stand in it.

        Raises:
            GrantEndedError, GitHubError: as `as_user`.
        """
        key = f"{PREFIX}:{user_id}:{grant_id}:listing"
        cipher = Cipher(self._settings.secret_key or "")
        kept = self._call(lambda cache: cache.get(key))
        if kept is not None:
            with suppress(DecryptionError, ValueError, TypeError):
                rows, app_slug = orjson.loads(cipher.decrypt(kept))
                return Installed([Repository(*row) for row in rows], app_slug)
        found = self.as_user(grant_id, lambda github: github.installed())
        text = orjson.dumps([[list(each) for each in found.repositories], found.app_slug]).decode()
        self._call(lambda cache: cache.set(key, cipher.encrypt(text), ex=FRESH))
        return found

    def close(self) -> None:
        """Wait for what is asked in the background; close the connections to the cache server."""
        for thread in list(self._refreshing):
            thread.join()
        if self._cache is not None:
            self._cache.close()

    def _ask_once(self, key: str, grant: UserGrant) -> RepositoryRoles | None:
        """What another request finds, or GitHub is asked, once."""
        with self._locked(key) as is_mine:
            cached = self._read(key)
            if not is_mine or (cached and cached.is_valid_for(grant, FRESH)):
                return cached
            try:
                return self._ask(key, grant)
            except GitHubError as error:
                logger.warning("the rights of user %d are not known: %r", grant.user_id, error)
                return cached

    def _refresh(self, key: str, grant: UserGrant) -> None:
        """Let one thread, of all workers, ask GitHub in the background."""
        lock = self._lock(key)
        if lock is None or not self._call(lambda _: lock.acquire(blocking=False)):
            return

        thread = threading.Thread(
            target=self._ask_in_background,
            args=(key, grant, lock),
            name="permissions",
            daemon=True,
        )
        self._refreshing.add(thread)
        thread.start()

    def _ask_in_background(self, key: str, grant: UserGrant, lock: Lock) -> None:
        """As the thread that `_refresh` started, with the lock that it took."""
        try:
            self._ask(key, grant)
        except GitHubError as error:
            logger.warning("the rights of user %d are not renewed: %r", grant.user_id, error)
        except GrantEndedError:
            logger.info("the sign-in of user %d has ended", grant.user_id)
        except Exception:
            logger.exception("the rights of user %d are not renewed", grant.user_id)
        finally:
            self._call(lambda _: lock.release())
            self._refreshing.discard(threading.current_thread())

    def _ask(self, key: str, grant: UserGrant) -> RepositoryRoles:
        pause = f"{key}:pause"
        if self._call(lambda cache: cache.get(pause)) is not None:
            raise UnavailableError("it failed a moment ago")
        try:
            deadline = time.monotonic() + ASKING_SECONDS
            installed = self.as_user(
                grant.grant_id, lambda github: github.installed(), deadline=deadline
            )
        except GitHubError:
            self._call(lambda cache: cache.set(pause, b"1", ex=PAUSE_SECONDS))
            raise
        roles = {each.repository_id: each.role for each in installed.repositories if each.role}
        value = orjson.dumps(
            {"read_at": grant.now.astimezone(UTC), "roles": roles}, option=orjson.OPT_NON_STR_KEYS
        )
        sealed = self._seal.close(key, value)
        self._call(lambda cache: cache.set(key, sealed, ex=HARD_LIMIT))
        return RepositoryRoles(grant.now, roles)

    def _read(self, key: str) -> RepositoryRoles | None:
        value = self._seal.open(key, self._call(lambda cache: cache.get(key)))
        if value is None:
            return None
        try:
            entry = orjson.loads(value)
            read_at = datetime.fromisoformat(entry["read_at"])
            roles = {int(repository_id): role for repository_id, role in entry["roles"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        if read_at.tzinfo is None or not all(role in ROLES for role in roles.values()):
            return None
        return RepositoryRoles(read_at, roles)

    def _lock(self, key: str) -> Lock | None:
        # Taken by the request, given back by the thread that asks for it.
        lock: Lock | None = self._call(
            lambda cache: cache.lock(
                f"{key}:lock", timeout=LOCK_SECONDS, sleep=0.05, thread_local=False
            )
        )
        return lock

    @contextmanager
    def _locked(self, key: str) -> Generator[bool]:
        """The lock of one request of this user: whether this one has it, after waiting for the one
        before. Without the cache server everybody has it."""
        lock = self._lock(key)
        if lock is None:
            yield True
            return
        ends = time.monotonic() + WAIT_SECONDS
        # It is asked for twenty times a second: by one thread of each worker, since a hundred that
        # wait for GitHub would take the receiver's share of a core.
        with self._asking_lock:
            in_this_worker = self._asking.setdefault(key, threading.Lock())
        if not in_this_worker.acquire(timeout=WAIT_SECONDS):
            yield False
            return
        is_taken = None
        try:
            left = max(0.0, ends - time.monotonic())
            is_taken = self._call(lambda _: lock.acquire(blocking_timeout=left))
        finally:
            if not is_taken:  # the others learn nothing from this one
                in_this_worker.release()
        try:
            yield is_taken is not False
        finally:
            if is_taken:
                self._call(lambda _: lock.release())
                in_this_worker.release()

    def _call(self, ask: Callable[[redis.Redis], Any]) -> Any:
        """What the cache server answers; None where it does not."""
        if self._cache is None or self._outage.is_on:
            return None
        try:
            return ask(self._cache)
        except redis.exceptions.LockError:
            return None  # it was held too long, and another request has the lock now
        except redis.RedisError as error:
            self._outage.note(error)
            return None


def init_app(app: Flask) -> None:
    """Give this application, which has its settings and its database, its permissions."""
    app.extensions[_EXTENSION] = Permissions(
        app.extensions["settings"], app.extensions["database"], oauth_of(app), seal_of(app)
    )


def permissions_of(app: Flask) -> Permissions:
    """The permissions as this application knows them."""
    extension: Any = app.extensions[_EXTENSION]
    return cast(Permissions, extension)


def current_permissions() -> Permissions:
    """The permissions as the application knows them that answers now."""
    return permissions_of(current_app)
