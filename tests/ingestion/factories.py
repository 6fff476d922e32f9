"""A small world at the stand-in, an installation that collects it, and what must come of it."""

from collections.abc import Collection, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from werkzeug.wrappers import Request, Response

from actionsight.database import connect
from actionsight.github.rate_limit.models import Limits
from actionsight.github.retries import RetryPolicy
from actionsight.repositories import add_selections
from actionsight.settings import Settings
from actionsight.shards import ALL, Shard
from github_standin.server.server import Server, serving
from github_standin.world.model import Job, Run, Runner, Step, Workflow
from github_standin.world.world import World
from ingestion.github import stages
from ingestion.github.results import StageResult
from ingestion.github.sync import LOOPS, Loop, Sync, start_sync

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
# Where listings are short (`conftest.py`).
LISTED, PAGE = 100, 20
NO_LIMITS = Limits(points_per_minute=1_000_000)


@dataclass
class Clock:
    """The time of the world and of the installation."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass
class Installation:
    """An installation that polls the stand-in.

    `skew`: how far its clock is ahead of the world's. `tries`: how often a fault is endured; by
    one more than a page is asked for in its size (`pagination.SLOW_TRIES`).
    `until_end`: what is closed with it.
    """

    settings: Settings
    server: Server
    world: World
    clock: Clock
    until_end: ExitStack
    waits: list[float] = field(default_factory=list)
    skew: timedelta = timedelta()
    tries: int = 3

    @contextmanager
    def sync(
        self,
        *loops: Loop,
        shard: Shard = ALL,
        only: Collection[str] = (),
        is_watched: bool = False,
        only_looks: bool = False,
        until: datetime | None = None,
    ) -> Generator[Sync]:
        """A sync at the installation's time, of these loops or of all."""
        retry_policy = RetryPolicy(tries=self.tries, sleep=self._sleep, clock=self._seconds)
        with start_sync(
            self.settings,
            loops=loops or LOOPS,
            shard=shard,
            only=only,
            is_watched=is_watched,
            only_looks=only_looks,
            until=until,
            retry_policy=retry_policy,
            limits=NO_LIMITS,
            clock=self.now,
        ) as sync:
            yield sync

    def collect(
        self,
        *loops: Loop,
        since: datetime | None = None,
        only: Collection[str] = (),
        is_watched: bool = False,
        until: datetime | None = None,
        has_jobs: bool = True,
    ) -> tuple[StageResult, ...]:
        """One whole poll, or all of it but the jobs."""
        with self.sync(*loops, only=only, is_watched=is_watched, until=until) as sync:
            repositories = stages.collect_repositories(sync)
            runs = stages.collect_runs(sync, since)
            jobs = (stages.collect_jobs(sync),) if has_jobs else ()
            return repositories, runs, *jobs

    def now(self) -> datetime:
        """The time by its own clock."""
        return self.clock.now + self.skew

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def _seconds(self) -> float:
        return self.now().timestamp() + sum(self.waits)

    def connect(self) -> "psycopg.Connection[Any]":
        assert self.settings.database_url is not None
        return connect(self.settings.database_url, autocommit=True)

    def monitor(self, *names: str) -> None:
        """Select repositories, as the operator does."""
        with self.connect() as connection:
            add_selections(connection, names, again=True)

    def query(
        self, statement: LiteralString | sql.Composed, *parameters: object
    ) -> list[dict[str, Any]]:
        """Rows of a query."""
        with self._session.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, parameters).fetchall()

    @cached_property
    def _session(self) -> "psycopg.Connection[Any]":
        """For all its queries: to open one costs more than most of them."""
        return self.until_end.enter_context(self.connect())

    def repository_ids(self) -> list[int] | None:
        """The repositories of which it tells what is stored; None: all."""
        return None

    def attempts(self) -> set[tuple[Any, ...]]:
        """What is stored of attempts: id, number, status, conclusion."""
        rows = self.query(
            """
            select run_id, run_attempt, status, conclusion from raw.workflow_runs
            where repository_id = any(coalesce(%s, array[repository_id]))
            """,
            self.repository_ids(),
        )
        return {tuple(row.values()) for row in rows}

    def jobs(self) -> set[tuple[Any, ...]]:
        """What is stored of jobs: id, run, attempt, status, conclusion, times."""
        rows = self.query(
            """
            select job_id, run_id, run_attempt, status, conclusion, created_at, started_at,
                completed_at
            from raw.workflow_jobs where repository_id = any(coalesce(%s, array[repository_id]))
            """,
            self.repository_ids(),
        )
        return {tuple(row.values()) for row in rows}

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All raw rows, without the ids of the loads that brought them."""
        return {
            table: [
                {name: value for name, value in row.items() if name != "_dlt_load_id"}
                for row in rows
            ]
            for table, rows in self._rows().items()
        }

    def loads_of_rows(self) -> set[str]:
        """The loads that brought these."""
        return {row["_dlt_load_id"] for rows in self._rows().values() for row in rows}

    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        statement = sql.SQL(
            """
            select * from {} where repository_id = any(coalesce(%s, array[repository_id]))
            order by 1, 2
            """
        )
        return {
            table: self.query(statement.format(sql.Identifier("raw", table)), self.repository_ids())
            for table in ("repositories", "workflows", "workflow_runs", "workflow_jobs")
        }

    def loads(self) -> set[str]:
        """Loads that a build may owe."""
        return {row["load_id"] for row in self.query("select load_id from raw.loads")}

    def repository(self, name: str) -> dict[str, Any]:
        """A row of app.repositories."""
        (row,) = self.query("select * from app.repositories where full_name = %s", name)
        return row

    def polls(self, loop: str) -> list[dict[str, Any]]:
        """Rows of raw.polls, oldest first."""
        return self.query(
            """
            select * from raw.polls
            where loop = %s and repository_id = any(coalesce(%s, array[repository_id]))
            order by started_at
            """,
            loop,
            self.repository_ids(),
        )

    def paths(self) -> list[str]:
        """The requests since the last call."""
        paths = self.server.paths()
        self.server.requests.clear()
        return paths


@contextmanager
def installation(settings: Settings) -> Generator[Installation]:
    """An installation that monitors nothing yet, and an empty world."""
    clock = Clock()
    world = World(clock)
    with serving(world) as server:
        own = replace(settings, github_api_url=server.url, backfill_days=30)
        with ExitStack() as until_end:
            yield Installation(own, server, world, clock, until_end)


def workflow(world: World, name: str = "octo/hello") -> Workflow:
    """A repository with one workflow."""
    return world.add_workflow(world.add_repository(name))


def job(
    name: str,
    begins: datetime,
    *,
    conclusion: str = "success",
    lasts: timedelta = 2 * MINUTE,
) -> Job:
    """A job of one step, which waits for 5 seconds."""
    start = begins + timedelta(seconds=5)
    return Job(
        0,
        name,
        begins,
        start,
        start + lasts,
        conclusion,
        runner=Runner(7, "GitHub Actions 7"),
        steps=(Step(1, "Set up", conclusion, start, start + lasts),),
    )


def run(of: Workflow, world: World, at: datetime, **fields: Any) -> Run:
    """A run of two jobs that begins at a time."""
    return world.add_run(of, at, [job("build", at), job("test", at)], **fields)


def failing(path_part: str, status: int = 500, times: int = 1_000) -> Any:
    """A fault of the stand-in: requests whose path contains a text fail so many times."""
    left = [times]

    def fault(request: Request) -> Response | None:
        if path_part in request.path and left[0] > 0:
            left[0] -= 1
            return Response('{"message": "broken on purpose"}', status=status)
        return None

    return fault


def attempts_of(*runs: Run) -> set[tuple[Any, ...]]:
    """Completed attempts as they must be stored; their conclusion is that of their worst job."""
    return {
        (
            each.id,
            attempt.number,
            "completed",
            "failure" if any(j.conclusion == "failure" for j in attempt.jobs) else "success",
        )
        for each in runs
        for attempt in each.attempts
        if not attempt.is_missing
    }


def jobs_of(*runs: Run) -> set[tuple[Any, ...]]:
    """Completed jobs as they must be stored."""
    return {
        (
            each.id,
            of_run.id,
            attempt.number,
            "completed",
            each.conclusion,
            each.created_at,
            each.started_at,
            each.completed_at,
        )
        for of_run in runs
        for attempt in of_run.attempts
        if not attempt.is_missing
        for each in attempt.jobs
    }
