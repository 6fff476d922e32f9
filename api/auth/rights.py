"""Rights: what a person reaches at GitHub, kept for minutes, and nothing once that is too old.

    cache server (5 minutes) → GitHub → the same entry until it is 15 minutes old → nothing

An entry holds ids and roles, no token and no name. It counts only if it was read after the person's
`rights_invalid_before`, by which webhooks take rights at once. All moments are of one clock, the
database's, and a reading is as old as the moment before GitHub was asked.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar, cast

import orjson
import redis
from flask import Flask, current_app

from actionsight.encryption import Cipher
from actionsight.settings import Settings
from api.auth import grants
from api.auth.github_tokens import ClientRefusedError, GitHubAwayError, TokenRefusedError
from api.cache.server import Outage, connect
from api.database import Database
from api.github import ROLES, GitHub, RefusedError, Role

logger = logging.getLogger(__name__)

FRESH = timedelta(minutes=5)
# So long an entry serves while GitHub cannot be asked; then it is closed.
HARD_LIMIT = timedelta(minutes=15)
# After a failure GitHub is not asked for so long on behalf of the same person.
PAUSE_SECONDS = 15
# One request of a person asks, and the others wait for what it finds.
TURN_SECONDS = 30
WAIT_SECONDS = 10

PREFIX = "actionsight:rights"
_EXTENSION = "rights"

Roles = Mapping[int, Role]
T = TypeVar("T")


@dataclass(frozen=True)
class Person:
    """Whose rights are asked for, as of a moment.

    Attributes:
        grant_id: by which GitHub is asked.
        rights_invalid_before: what was read before counts no more.
        now: a moment before this reading, by the database's clock, as is the other one.
    """

    user_id: int
    grant_id: int
    rights_invalid_before: datetime
    now: datetime


class _Entry(NamedTuple):
    read_at: datetime
    roles: Roles

    def serves(self, person: Person, longest: timedelta) -> bool:
        return self.read_at > person.rights_invalid_before and person.now - self.read_at < longest


class Rights:
    """The rights of people; safe to share between threads and to make before a fork."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._cache = connect(settings.cache_url) if settings.cache_url else None
        self._outage = Outage("GitHub is asked for rights each time")

    def readable(self, person: Person) -> Roles:
        """The repositories that the person was given a role in at GitHub, by id.

        Empty where GitHub cannot be asked and nothing young enough is known.

        Raises:
            GrantEndedError: GitHub ended the grant; so have its sessions.
        """
        key = f"{PREFIX}:{person.user_id}:{person.grant_id}"
        entry = self._read(key)
        if entry and entry.serves(person, FRESH):
            return entry.roles
        with self._turn(key):
            entry = self._read(key)
            if entry and entry.serves(person, FRESH):
                return entry.roles
            try:
                roles = self._ask(key, person)
            except (GitHubAwayError, ClientRefusedError, RefusedError) as error:
                logger.warning("the rights of user %d are not known: %r", person.user_id, error)
                return entry.roles if entry and entry.serves(person, HARD_LIMIT) else {}
        return roles

    def as_person(self, grant_id: int, ask: Callable[[GitHub], T]) -> T:
        """Ask GitHub something, now, as the person of a grant.

        Raises:
            GrantEndedError: GitHub ended the grant; so have its sessions.
            RefusedError, GitHubAwayError, ClientRefusedError.
        """
        cipher = Cipher(self._settings.secret_key or "")
        for _ in range(2):
            with self._database.writing() as connection:
                token = grants.access_token(connection, cipher, self._settings, grant_id)
            try:
                return ask(GitHub(self._settings.github_api_url, token))
            except TokenRefusedError:
                with self._database.writing() as connection:
                    # Returns if another request has refreshed the token meanwhile.
                    grants.note_refusal(connection, cipher, grant_id, token)
        raise GitHubAwayError("GitHub refuses tokens that it gave a moment ago")

    def close(self) -> None:
        """Close the connections to the cache server."""
        if self._cache is not None:
            self._cache.close()

    def _ask(self, key: str, person: Person) -> Roles:
        pause = f"{key}:pause"
        if self._call(lambda cache: cache.get(pause)) is not None:
            raise GitHubAwayError("it failed a moment ago")
        try:
            installed = self.as_person(person.grant_id, lambda github: github.installed())
        except (GitHubAwayError, ClientRefusedError, RefusedError):
            self._call(lambda cache: cache.set(pause, b"1", ex=PAUSE_SECONDS))
            raise
        roles = {each.repository_id: each.role for each in installed.repositories if each.role}
        value = orjson.dumps(
            {"read_at": person.now.astimezone(UTC), "roles": roles}, option=orjson.OPT_NON_STR_KEYS
        )
        self._call(lambda cache: cache.set(key, value, ex=HARD_LIMIT))
        return roles

    def _read(self, key: str) -> _Entry | None:
        value = self._call(lambda cache: cache.get(key))
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
        return _Entry(read_at, roles)

    @contextmanager
    def _turn(self, key: str) -> Iterator[None]:
        """The turn of one request of this person; without the cache server all at once."""
        turn = self._call(lambda cache: cache.lock(f"{key}:turn", timeout=TURN_SECONDS, sleep=0.05))
        is_taken = turn is not None and self._call(
            lambda _: turn.acquire(blocking_timeout=WAIT_SECONDS)
        )
        try:
            yield
        finally:
            if is_taken:
                self._call(lambda _: turn.release())

    def _call(self, ask: Callable[[redis.Redis], Any]) -> Any:
        """What the cache server answers; None where it does not."""
        if self._cache is None or self._outage.is_on:
            return None
        try:
            return ask(self._cache)
        except redis.exceptions.LockError:
            return None  # the turn took too long, and another request has it now
        except redis.RedisError as error:
            self._outage.note(error)
            return None


def init_app(app: Flask) -> None:
    """Give this application, which has its settings and its database, its knowledge of rights."""
    app.extensions[_EXTENSION] = Rights(app.extensions["settings"], app.extensions["database"])


def rights_of(app: Flask) -> Rights:
    """The rights as this application knows them."""
    extension: Any = app.extensions[_EXTENSION]
    return cast(Rights, extension)


def current_rights() -> Rights:
    """The rights as the application knows them that answers now."""
    return rights_of(current_app)
