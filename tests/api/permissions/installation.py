"""An installation, GitHub's stand-in, and those who ask: by a session, by a token, by nothing."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import redis
from flask import Flask
from flask.testing import FlaskClient
from psycopg import Connection, sql
from werkzeug.test import TestResponse
from werkzeug.wrappers import Request, Response

from actionsight.api_tokens import Scope, create_token
from actionsight.encryption import Cipher, hash_of
from actionsight.event_buffer import EventBuffer
from actionsight.github.oauth import Tokens
from actionsight.settings import Settings
from api.auth import csrf, grants, sessions
from api.auth.permissions import PREFIX, permissions_of
from api.seals import seal_of
from github_standin.server.server import Fault, Server
from github_standin.world import people
from github_standin.world.people import User
from github_standin.world.world import World
from ingestion.webhooks.drain import drain
from tests.api.client import bearer
from tests.api.marts import Marts, moment

ROOT = "http://127.0.0.1:8000"
COLLECTOR = "ghp_of_the_collector"
OPERATOR_ID = 9_000
# Repositories count from here: numbers that stand in no time or duration by chance.
FIRST_ID = 812_345_700
HOOK_SECRET = "of the webhooks"


@dataclass
class Caller:
    """Somebody who sends requests, as a browser with a session or as a program with a token."""

    client: FlaskClient
    headers: Mapping[str, str] = field(repr=False)
    protection: Mapping[str, str] = field(default_factory=dict, repr=False)

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers=dict(self.headers))

    def read(self, path: str) -> Any:
        """The body of an answer that must be a 200."""
        response = self.get(path)
        assert response.status_code == 200, response.text
        return response.json

    def post(self, body: Any) -> TestResponse:
        """POST /repositories."""
        return self.client.post("/repositories", json=body, headers=self._writing())

    def add(self, full_name: str) -> TestResponse:
        return self.post({"full_name": full_name})

    def delete(self, repository_id: int, rest: str = "") -> TestResponse:
        """DELETE /repositories/{repository_id}, with the rest of a path or a query."""
        path = f"/repositories/{repository_id}{rest}"
        return self.client.delete(path, headers=self._writing())

    def visible(self) -> set[int]:
        """The ids of the repositories that are listed."""
        return {row["repository_id"] for row in self.read("/repositories?limit=500")["data"]}

    def _writing(self) -> dict[str, str]:
        return {**self.headers, **self.protection}


@dataclass
class Installation:
    """All of it. `organisation` is the App's installation on octo."""

    app: Flask
    settings: Settings
    connection: Connection[Any]
    world: World
    github: Server
    buffer: EventBuffer
    cache: "redis.Redis"
    marts: Marts
    organisation: people.Installation

    def caller(self, headers: Mapping[str, str], protection: Mapping[str, str] = {}) -> Caller:
        return Caller(self.app.test_client(use_cookies=False), headers, protection)

    def anonymous(self) -> Caller:
        return self.caller({})

    def person(
        self, login: str, roles: Mapping[str, Any] | None = None, user_id: int | None = None
    ) -> User:
        """A person at GitHub, with roles by the repository's name."""
        return self.world.people.add_user(login, roles, user_id=user_id)

    def signed_in(self, user: User) -> Caller:
        """The person with a new session."""
        assert self.settings.secret_key is not None
        token = self.world.people.issue_token(user)
        self.connection.execute(
            "insert into app.users (user_id, login) values (%s, %s) on conflict do nothing",
            [user.account.id, user.account.login],
        )
        grant_id = grants.store(
            self.connection,
            Cipher(self.settings.secret_key),
            user.account.id,
            Tokens(token.access_token, 8 * 3600, token.refresh_token, 90 * 86400),
        )
        cookie_value = sessions.create_session(self.connection, user.account.id, grant_id)
        token_of_csrf = csrf.token_of(hash_of(cookie_value), self.settings)
        return self.caller(
            {"Cookie": f"session={cookie_value}"}, {"X-CSRF-Token": token_of_csrf, "Origin": ROOT}
        )

    def with_token(self, user: User | None, scope: Scope = "manage") -> Caller:
        """A program with a token of that person (who signed in before), or of an operator."""
        user_id = None if user is None else user.account.id
        made = create_token(self.connection, "test", scopes=[scope], user_id=user_id)
        return self.caller(bearer(made[1]))

    def monitor(self, full_name: str, *, source: int | None = None, **values: Any) -> int:
        """Monitor a repository of the world, with a workflow and runs: 2 to the power of its place.

        `source`: the repository of a workflow that a ruleset requires here; every other run is
        of that workflow, on a branch whose name nobody else may learn.
        """
        repository = self.world.repository_named(full_name)
        assert repository is not None
        given = {"visibility": repository.visibility, "observed_until": "2026-01-02Z", **values}
        own, place = repository.id * 10, repository.id % 100
        workflow_ids = [own] if source is None else [own, source * 10]
        began = moment("2026-01-01 00:30")
        # Hundreds of statements: none waits for the answer to the one before.
        with self.connection.pipeline(), self.connection.transaction():
            self.marts.repository(repository.id, repository.full_name, **given)
            self.marts.workflow(own, repository.id, f"Build {repository.name}")
            if source is not None:
                path = ".github/workflows/required.yml"
                self.marts.workflow(source * 10, repository.id, path, state=None, is_stub=True)
            for number in range(2**place):
                run_id = repository.id * 1_000 + number
                workflow_id = workflow_ids[number % len(workflow_ids)]
                self.marts.run(
                    run_id,
                    workflow_id,
                    f"2026-01-01 00:{place:02}",
                    repository_id=repository.id,
                    head_branch="main" if workflow_id == own else f"secret-{repository.id}",
                    duration_seconds=3**place,
                    health_group="default_branch",
                    ended_at=[f"2026-01-01 01:{place:02}"],
                )
                self.marts.job(
                    run_id,
                    run_id,
                    name=f"test of {repository.name}",
                    status="completed",
                    conclusion="failure",
                    duration_seconds=5**place,
                    billable_minutes=1,
                    unknown_minutes=0,
                    labels=["shared", f"labels-of-{repository.name}"],
                    runner_name=f"runner of {repository.name}",
                    created_at=began,
                    started_at=began,
                    cost_day=began.date(),
                )
            first = repository.id * 1_000
            self.marts.red_interval(own, (first, 1), "2026-01-01 01:00")
            self.marts.runner_hour(
                repository.id, ["shared"], "2026-01-01 00:00", job_count=2**place
            )
            self.marts.flaky_job(first, first, lost_seconds=7**place)
            count = 2**place // len(workflow_ids)
            for workflow_id in workflow_ids:
                self.marts.statistics_by_day(workflow_id, "2026-01-01", count, count, repository.id)
            self.marts.add_up_job_days()
            self.marts.raise_version(repository.id)
        return repository.id

    def hear(self, event: str, **payload: Any) -> None:
        """Let GitHub tell something, and drain it."""
        name = f"{event} {self.connection.execute('select clock_timestamp()').fetchone()}"
        headers = {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": name,
            "Content-Type": "application/json",
        }
        self.buffer.append(headers, json.dumps(payload).encode())
        assert drain(str(self.settings.database_url), self.buffer).new_count == 1

    def privatize(self, repository_id: int) -> None:
        """Make a repository private at GitHub, which tells it."""
        self.world.privatize_repository(self.world.repositories[repository_id])
        self.hear("repository", action="privatized", repository={"id": repository_id})

    def refuse_collector(self, minutes: float, but_for: int = 0) -> None:
        """Let GitHub have told the collector nothing for so long, but of one repository."""
        self.connection.execute(
            """
            update app.repositories set visibility_seen_at = now() - make_interval(secs => %s)
            where repository_id <> %s
            """,
            [minutes * 60, but_for],
        )

    def asked(self, path: str = "/user/installations") -> int:
        """How often GitHub was asked for a path."""
        return self.github.paths().count(path)

    def age(self, minutes: float) -> None:
        """Let all that is known of rights be so much older."""
        for key in self.rights_keys(self.cache):
            entry = self.entry(self.cache, key)
            moment = datetime.fromisoformat(entry["read_at"]) - timedelta(minutes=minutes)
            older = json.dumps({**entry, "read_at": moment.isoformat()}).encode()
            self.cache.set(key, self.sealed(key, older), keepttl=True)

    def entry(self, cache: "redis.Redis", key: bytes) -> Any:
        """What is kept under a key of rights."""
        kept: Any = cache.get(key)
        value = seal_of(self.app).open(key.decode(), kept)
        assert value is not None
        return json.loads(value)

    def sealed(self, key: bytes, value: bytes) -> bytes:
        """A value as the API itself would keep it under a key."""
        return seal_of(self.app).close(key.decode(), value)

    def settle(self) -> None:
        """Wait for what is asked in the background."""
        for thread in list(permissions_of(self.app)._refreshing):
            thread.join(timeout=60)

    def rights_keys(self, cache: "redis.Redis") -> list[bytes]:
        """The keys of entries that hold rights."""
        keys: Any = cache.keys(f"{PREFIX}:*")
        return [key for key in keys if key.count(b":") == 3]

    def forget_pauses(self) -> None:
        """Let the time be over in which GitHub is not asked again."""
        for key in self.cache.scan_iter(f"{PREFIX}:*:pause"):
            self.cache.delete(key)

    def forget_counts(self) -> None:
        """Let a minute be over, after which everybody may ask again."""
        for key in self.cache.scan_iter("*limits*"):
            self.cache.delete(key)

    def identity(self, full_name: str) -> int:
        """A repository's id."""
        repository = self.world.repository_named(full_name)
        assert repository is not None
        return repository.id

    def hooks(self) -> list[Any]:
        """The webhooks of octo/spare at GitHub."""
        return self.github._hooks.of(self.world.repositories[self.identity("octo/spare")])

    def selections(self) -> dict[str, bool]:
        """What was selected by name, and whether it still is."""
        rows = self.connection.execute(
            "select name, removed_at is null from app.repository_selections"
        ).fetchall()
        return dict(rows)

    def tables_with(self, repository_id: int) -> set[str]:
        """The tables that hold rows of a repository."""
        tables = self.connection.execute(
            """
            select table_schema, table_name from information_schema.columns
            where column_name = 'repository_id' and table_schema in ('raw', 'marts', 'app')
            """
        ).fetchall()
        return {
            f"{schema}.{table}"
            for schema, table in tables
            if self.connection.execute(
                sql.SQL("select from {} where repository_id = %s").format(
                    sql.Identifier(schema, table)
                ),
                [repository_id],
            ).fetchall()
        }

    def audit(self) -> list[tuple[Any, ...]]:
        """Action, who, by which token, and which repository, oldest first."""
        return self.connection.execute(
            """
            select action, user_id, token_id is not null, repository_id
            from app.audit_log order by entry_id
            """
        ).fetchall()


def answering(installation: Installation, path: str, change: Callable[[Any], None]) -> Fault:
    """A fault of GitHub's stand-in: its answers to a path are changed."""

    def answer(request: Request) -> Response | None:
        if request.path != path:
            return None
        response = installation.github.answer(request)
        body = json.loads(response.get_data())
        change(body)
        response.set_data(json.dumps(body))
        return response

    return answer


# As GitHub lists an App that an enterprise installed , and one of which it tells less.
ODD_INSTALLATIONS: tuple[dict[str, Any], ...] = (
    {
        "id": 99,
        "target_type": "Enterprise",
        "account": {"id": 5, "slug": "acme", "name": "Acme"},
        "repository_selection": "selected",
        "suspended_at": None,
        "permissions": {},
    },
    {"id": 98, "account": None, "suspended_at": None, "permissions": {}},
)


def told(response: TestResponse) -> Any:
    """The body of an answer."""
    return response.json


def fails(_: Request) -> Response:
    """A fault of GitHub's."""
    return Response("", 502)
