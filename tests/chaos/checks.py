"""What must hold once the faults are over: each check raises `ChaosError`, or says how it went."""

import fcntl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC
from typing import Any, LiteralString

import psycopg
import redis
import requests

from actionsight import status
from actionsight.backlog import is_build_owed
from actionsight.database import connect, with_database
from actionsight.doctor import with_running_servers
from actionsight.event_buffer import GROUP, STREAM, EventBuffer
from actionsight.settings import Settings, load
from github_standin.webhooks.sender import Sender
from github_standin.world.model import attempt_state, job_state
from github_standin.world.world import World
from tests.chaos.installation import ChaosError, Installation, wait_until
from tests.chaos.load import ANSWERS
from tests.transform import marts

# What a fall costs at most, by a pause before a start that doubles up to a minute.
WELL_SECONDS = 120
# A poll waits a minute for its turn, and a run whose process was killed to be given up.
QUIET_SECONDS = 300
UNDER_WAY = ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"]
SHOWN = 5


def settings_of(installation: Installation) -> Settings:
    """Its settings, with the addresses of the servers that run."""
    return with_running_servers(load(installation.environment))


def check_webhooks_were_answered(senders: list[Sender]) -> None:
    """Every webhook got one of the answers that are documented, or none."""
    answers = Counter(sent.status for sender in senders for sent in sender.attempts())
    if odd := {answer: count for answer, count in answers.items() if answer not in ANSWERS}:
        raise ChaosError(f"webhooks were answered by {odd}")


def wait_until_well(installation: Installation) -> float:
    """Until `actionsight status` finds nothing wrong; gives the seconds."""
    found: list[str] = []

    def is_well() -> bool:
        settings = load(installation.environment)
        with suppress(psycopg.Error, redis.RedisError, requests.RequestException, OSError):
            found[:] = [each.line() for each in status.examine(settings) if each.is_wrong]
            return not found
        return False

    try:
        return wait_until("`actionsight status` is well", is_well, WELL_SECONDS)
    except ChaosError as error:
        raise ChaosError(f"{error}: {found}") from None


def wait_until_quiet(installation: Installation) -> str:
    """Until nothing waits to be drained or built, and the runs that are under way have ended; gives
    for what it waited, and until when."""
    left = _runs(settings_of(installation))
    began = time.monotonic()
    until: dict[str, str] = {}

    def is_quiet() -> bool:
        settings = settings_of(installation)
        going = _runs(settings)
        reasons = [
            *(["events"] if _events(settings) else []),
            *(going[each] for each in left.keys() & going.keys()),
            *(["a build"] if is_build_owed(str(settings.database_url)) else []),
        ]
        until.update({each: f"{time.monotonic() - began:.0f} s" for each in reasons})
        return not reasons

    try:
        wait_until("all is drained and built, no run hangs", is_quiet, QUIET_SECONDS)
    except ChaosError as error:
        raise ChaosError(f"{error}: {until}") from None
    return f"{time.monotonic() - began:.0f} s: {until}"


def check_account_of_deliveries(installation: Installation, senders: list[Sender]) -> str:
    """Every delivery that was answered 202 is in the ledger, once, and none is a dead letter."""
    accepted = {
        sent.delivery.delivery_id for sender in senders for sent in sender.attempts() if sent.is_ok
    }
    with connect(installation.database_url) as connection:
        events = Counter(_column(connection, "select delivery_id from raw.webhook_events"))
        letters = Counter(_column(connection, "select delivery_id from raw.webhook_dead_letters"))
        observed = Counter(
            _column(
                connection,
                """
                select delivery_id from raw.webhook_runs
                union all
                select delivery_id from raw.webhook_jobs
                """,
            )
        )
        expected = Counter(
            _column(
                connection,
                "select delivery_id from raw.webhook_events where outcome = 'observed'",
            )
        )
        [batched] = connection.execute(
            "select sum(event_count), sum(run_count + job_count) from raw.webhook_batches"
        ).fetchall()
    lost = accepted - events.keys() - letters.keys()
    if lost:
        raise ChaosError(f"{len(lost)} accepted deliveries are lost, such as {sorted(lost)[:3]}")
    twice = [each for each, count in (events + letters).items() if count > 1]
    if twice:
        raise ChaosError(f"{len(twice)} deliveries stand twice, such as {twice[:3]}")
    if letters:
        raise ChaosError(f"{len(letters)} deliveries are dead letters")
    if observed != expected:
        raise ChaosError(
            f"{(expected - observed).total()} observations lack,"
            f" {(observed - expected).total()} are too many"
        )
    if batched != (events.total(), observed.total()):
        raise ChaosError(f"batches tell of {batched}, of {(events.total(), observed.total())}")
    return f"{len(accepted)} accepted, {events.total()} in the ledger"


def wait_until_marts_are_right(installation: Installation, world: World) -> str:
    """Until the marts are what the definitions make of the raw tables, row by row, and what the
    stand-in says of its runs, attempts and jobs."""
    found: list[Any] = []
    account = _account(world)

    def are_right() -> bool:
        with connect(installation.database_url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            # Polls that bring nothing ask for no build: the next one counts them.
            [(waits,)] = connection.execute(
                "select exists (select from raw.unbuilt_polls)"
            ).fetchall()
            found[:] = [
                each
                for each in marts.differences(connection)
                if not (waits and each[0] == "collection_health_by_day")
            ]
            stored = _stored(connection)
        found.extend(("lacks", *row) for row in (account - stored).elements())
        found.extend(("too many", *row) for row in (stored - account).elements())
        return not found

    try:
        wait_until("the marts are right", are_right, WELL_SECONDS)
    except ChaosError as error:
        raise ChaosError(f"{error}: {len(found)} differences: {found[:SHOWN]}") from None
    return f"{account.total()} attempts and jobs are right"


def wait_until_nothing_is_locked(installation: Installation) -> None:
    """Until nobody holds an advisory lock, a lock in Redis, or an event that was taken."""
    settings = settings_of(installation)
    dagster = with_database(installation.database_url, "dagster")
    held: list[Any] = []

    def is_free() -> bool:
        held[:] = []
        with connect(dagster) as connection:
            held.extend(
                connection.execute(
                    """
                    select locks.classid, locks.objid, activity.application_name, activity.state,
                        now() - activity.xact_start, activity.query
                    from pg_locks as locks
                    inner join pg_stat_activity as activity using (pid)
                    where locks.locktype = 'advisory'
                        or activity.state like 'idle in transaction%%'
                            and now() - activity.state_change > interval '10 seconds'
                    """
                ).fetchall()
            )
        with redis.Redis.from_url(str(settings.redis_url)) as buffer:
            pending: Any = buffer.xpending(STREAM, GROUP)
            held.extend(["events"] * pending["pending"])
        with redis.Redis.from_url(str(settings.cache_url)) as cache:
            held.extend(key for key in cache.scan_iter() if cache.ttl(key) == -1)
        return not held

    try:
        wait_until("nothing is locked", is_free, WELL_SECONDS)
    except ChaosError as error:
        raise ChaosError(f"{error}: {held[:SHOWN]}") from None


def check_status(installation: Installation) -> None:
    """`actionsight status` has nothing to say at all."""
    settings = load(installation.environment)
    noticed = [each for each in status.examine(settings) if each.is_wrong or each.is_warning]
    if noticed:
        raise ChaosError(f"`actionsight status`: {[each.line() for each in noticed]}")


def check_nothing_is_left(installation: Installation) -> None:
    """After `up` has ended no process of it lives, and no file is locked."""
    left: list[str] = []

    def is_empty() -> bool:
        left[:] = [
            f"{process.pid} {' '.join(process.cmdline())[:120]}"
            for process in installation.processes()
        ]
        return not left

    try:
        wait_until("no process is left", is_empty, 15)
    except ChaosError as error:
        raise ChaosError(f"{error}: {left}") from None
    for lock in installation.data_dir.rglob("*.lock"):
        with lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ChaosError(f"{lock} is held") from None


def _runs(settings: Settings) -> dict[str, str]:
    """The runs of Dagster that wait or work, with what they are."""
    with connect(
        with_database(str(settings.dagster_database_url or settings.database_url), "dagster")
    ) as connection:
        rows = connection.execute(
            "select run_id, pipeline_name || ' ' || status from runs where status = any(%s)",
            [UNDER_WAY],
        ).fetchall()
    return dict(rows)


def _events(settings: Settings) -> int:
    """How many deliveries wait to be drained."""
    buffer = EventBuffer(str(settings.redis_url))
    try:
        return buffer.freshness().event_count
    finally:
        buffer.close()


def _column(connection: psycopg.Connection[Any], query: LiteralString) -> Iterator[Any]:
    return (value for (value,) in connection.execute(query))


def _account(world: World) -> Counter[tuple[Any, ...]]:
    """What the stand-in has: attempts and jobs, as the marts must have them."""
    now = world.now()
    rows: list[tuple[Any, ...]] = []
    with world.lock:
        for run in world.runs.values():
            for attempt in run.attempts_at(now):
                state = attempt_state(attempt, now)
                rows.append(
                    (
                        "attempt",
                        run.id,
                        attempt.number,
                        run.workflow_id,
                        state.status,
                        state.conclusion,
                        attempt.run_started_at,
                    )
                )
                for job in attempt.jobs:
                    of = job_state(job, now)
                    rows.append(
                        (
                            "job",
                            job.id,
                            attempt.number,
                            run.id,
                            of.status,
                            of.conclusion,
                            of.started_at,
                        )
                    )
            newest = attempt_state(run.attempts_at(now)[-1], now)
            rows.append(
                (
                    "run",
                    run.id,
                    len(run.attempts_at(now)),
                    run.repository_id,
                    newest.status,
                    newest.conclusion,
                    run.created_at,
                )
            )
    return Counter(rows)


def _stored(connection: psycopg.Connection[Any]) -> Counter[tuple[Any, ...]]:
    rows = connection.execute(
        """
        select 'attempt', run_id, run_attempt, workflow_id, status, conclusion, run_started_at
        from marts.workflow_run_attempts
        union all
        select 'job', job_id, run_attempt, run_id, status, conclusion, started_at from marts.jobs
        union all
        select 'run', run_id, run_attempt, repository_id, status, conclusion, created_at
        from marts.workflow_runs
        where gone_at is null
        """
    ).fetchall()
    return Counter((*row[:-1], row[-1].astimezone(UTC)) for row in rows)
