"""Recovery: GitHub, which never tries twice by itself, is asked to deliver again what failed.

    list what each webhook delivered since the last time → note what failed → ask for it, one by one

What is to be asked for stands in raw.webhook_redeliveries before GitHub is asked, and that GitHub
took it behind its answer: a recovery that ends in between, however it ends, is made good by the
next one, and only the request that was under way is repeated.

A redelivery is a delivery of its own at GitHub, with the same GUID. One that fails is asked for
again an hour after it failed, then after two, four and so on, seven times in all: that is within
the three days for which GitHub keeps deliveries. What is given up then, what the collector may not
ask for, and what GitHub has forgotten, is found by polls and by the sweep.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import class_row, scalar_row

from actionsight.database import connect
from actionsight.github.client import GitHubClient
from actionsight.github.credential_router import CredentialRouter
from actionsight.github.errors import ForbiddenError, GitHubError, RefusedError
from actionsight.github.hooks import our_url
from actionsight.github.pagination import Payload, iter_items
from actionsight.github.rate_limit.models import Priority
from actionsight.github.retries import RetryPolicy
from actionsight.locks import RECOVERY_LOCK, keeping
from actionsight.redeliveries import HISTORY
from actionsight.settings import Settings
from actionsight.webhook_events import READ_EVENTS

logger = logging.getLogger(__name__)

# How often a delivery is asked for, and how long after its first failure in vain; each further time
# the distance is twice as long: 63 hours in all.
MOST_TRIES = 7
FIRST_DISTANCE = timedelta(hours=1)
# A delivery that fails is listed once GitHub has given it up, behind some that began after it.
OVERLAP = timedelta(minutes=10)
# Of one webhook at a time: 500 pages.
MOST_LISTED = 50_000
# At one a second, a run is over before the next one is due.
MOST_ASKED = 1_000
PAUSE_SECONDS = 1.0
# The hook id of the App's own webhook, which has a place of its own at GitHub.
OF_APP = 0
# In the log, of webhooks that cannot be read.
NAMED = 10
RETRIES = RetryPolicy(tries=3, longest_wait_seconds=60.0)
TOO_OLD = "GitHub keeps deliveries for three days: it is left to the sweep"
IN_VAIN = f"GitHub delivered it again {MOST_TRIES} times, and all failed: it is left to the sweep"

# Webhooks that we made or found, and those that told us something lately, by whomever they were
# made: those of organizations, too, which deliver about many repositories.
_KNOWN_HOOKS = """
    select distinct on (hook_id) hook_id, target, full_name
    from (
        select hook_id, 'repository' as target, full_name
        from app.repositories
        where hook_id is not null and removed_at is null

        union all

        select
            (headers ->> 'x-github-hook-id')::bigint,
            headers ->> 'x-github-hook-installation-target-type',
            full_name
        from app.repositories
        cross join lateral (
            select headers
            from raw.webhook_events as events
            where events.repository_id = repositories.repository_id
                and events.received_at > now() - interval '7 days'
            order by events.received_at desc
            limit 20
        ) as newest
        where removed_at is null
            and headers ->> 'x-github-hook-id' ~ '^[0-9]{1,18}$'
            and headers ->> 'x-github-hook-installation-target-type'
                in ('repository', 'organization')
    ) as known
    order by hook_id, target, full_name
"""


@dataclass(frozen=True)
class Recovered:
    """What a recovery did.

    `found_count`: deliveries that failed and were not known to have; `failed_again_count`: those
    that had been asked for before; `asked_count`: those that GitHub took to deliver again;
    `left_count`: those for a later recovery; `given_up_count`: those that are left to the sweep;
    `unread_hooks`: webhooks whose deliveries could not be read.
    `is_busy`: another recovery was under way, so this one did nothing.
    """

    found_count: int = 0
    failed_again_count: int = 0
    asked_count: int = 0
    left_count: int = 0
    given_up_count: int = 0
    unread_hooks: tuple[str, ...] = ()
    is_busy: bool = False


@dataclass(frozen=True)
class _Hook:
    """A webhook: its place at GitHub, and who asks there."""

    hook_id: int
    path: str
    client: GitHubClient


@dataclass(frozen=True)
class _KnownHook:
    """A webhook in the database, and a repository of which it tells."""

    hook_id: int
    target: str
    full_name: str

    @property
    def path(self) -> str:
        if self.target == "organization":
            return f"/orgs/{self.full_name.partition('/')[0]}/hooks/{self.hook_id}"
        return f"/repos/{self.full_name}/hooks/{self.hook_id}"


@dataclass(frozen=True)
class _Attempt:
    """An attempt of GitHub's to deliver; `status_code` 0: no answer came."""

    attempt_id: int
    delivery_id: str
    event: str
    delivered_at: datetime
    status_code: int
    repository_id: int | None

    @property
    def is_to_heal(self) -> bool:
        """Whether nothing answered, or what answered was in trouble: everything else was taken, or
        refused on purpose."""
        return self.status_code in (0, 429) or self.status_code >= 500


@dataclass(frozen=True)
class _Redelivery:
    """A row of raw.webhook_redeliveries that is to be asked for."""

    delivery_id: str
    hook_id: int
    attempt_id: int


def knows_a_hook(settings: Settings) -> bool:
    """Whether there is a webhook whose deliveries could be looked at; asks nobody but the
    database."""
    if not settings.github_webhook_secret:
        return False
    if settings.github_app_id:
        return True
    with connect(str(settings.database_url)) as connection:
        return bool(_known_hooks(connection))


def recover(
    settings: Settings,
    *,
    most: int = MOST_ASKED,
    pause_seconds: float = PAUSE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Recovered:
    """Look what failed since the last time, and ask for it again.

    Args:
        most: ask for so many at most, the newest first; the next recovery goes on.
        pause_seconds: between two that are asked for.
        sleep: waits, for tests.

    Raises:
        psycopg.Error: the database failed; what was noted stays.
    """
    with (
        keeping(str(settings.database_url)) as locks,
        connect(str(settings.database_url), autocommit=True) as connection,
        closing(CredentialRouter(settings, retry_policy=RETRIES)) as router,
    ):
        if not _scalar(locks, "select pg_try_advisory_xact_lock(%s)", RECOVERY_LOCK):
            logger.info("another recovery is under way")
            return Recovered(is_busy=True)
        readable: dict[int, _Hook] = {}
        unread: list[str] = []
        found_count = failed_again_count = 0
        for hook in _hooks(connection, settings, router):
            try:
                found, failed_again = _note_failures(connection, hook)
            except RefusedError as error:
                logger.debug("the deliveries of %s cannot be read: %s", hook.path, error)
                unread.append(hook.path)
            except GitHubError as error:
                logger.warning("the deliveries of %s could not be read: %s", hook.path, error)
                unread.append(hook.path)
            else:
                readable[hook.hook_id] = hook
                found_count += found
                failed_again_count += failed_again
        given_up_count = _settle(connection)
        asked_count = _ask(connection, readable, most, lambda: sleep(pause_seconds))
        left_count = _scalar(
            connection,
            "select count(*) from raw.webhook_redeliveries"
            " where accepted_at is null and error is null",
        )
    recovered = Recovered(
        found_count, failed_again_count, asked_count, left_count, given_up_count, tuple(unread)
    )
    _log(recovered)
    return recovered


def _log(recovered: Recovered) -> None:
    if recovered.unread_hooks:
        logger.warning(
            "%d webhooks are left out, whose deliveries could not be read (it takes the right to"
            " administer webhooks), such as %s",
            len(recovered.unread_hooks),
            ", ".join(recovered.unread_hooks[:NAMED]),
        )
    logger.info(
        "%d deliveries failed since the last time, and %d that had been asked for failed again;"
        " %d were asked for, %d are left for later, %d are given up and left to the sweep",
        recovered.found_count,
        recovered.failed_again_count,
        recovered.asked_count,
        recovered.left_count,
        recovered.given_up_count,
    )


def _hooks(
    connection: Connection[Any], settings: Settings, router: CredentialRouter
) -> Iterator[_Hook]:
    """The App's webhook, where it delivers here, and those of repositories and organizations."""
    if router.app is not None:
        try:
            url = router.app.webhook().get("url")
        except RefusedError:
            url = None  # it has none
        except GitHubError as error:
            logger.warning("the App's webhook could not be looked at: %s", error)
            url = None
        if url == our_url(settings):
            yield _Hook(OF_APP, "/app/hook", router.app.client)
    for known in _known_hooks(connection):
        client = router.client(known.full_name, Priority.BACKFILL)
        yield _Hook(known.hook_id, known.path, client)


def _known_hooks(connection: Connection[Any]) -> list[_KnownHook]:
    with connection.cursor(row_factory=class_row(_KnownHook)) as cursor:
        return cursor.execute(_KNOWN_HOOKS).fetchall()


def _note_failures(connection: Connection[Any], hook: _Hook) -> tuple[int, int]:
    """Note what of a webhook's failed since the last look, and how far was looked; give how much
    that was for the first time, and how much again.

    Raises:
        GitHubError: its deliveries cannot be read.
    """
    listed_until = _scalar(
        connection,
        "select max(listed_until) from raw.webhook_listings where hook_id = %s",
        hook.hook_id,
    )
    since = datetime.now(UTC) - HISTORY
    if listed_until is not None:
        since = max(since, listed_until - OVERLAP)
    attempts = list(_attempts(hook, since))
    if len(attempts) == MOST_LISTED:
        logger.warning(
            "%s delivered more than %d times since the last look: what failed before %s is left to"
            " the sweep",
            hook.path,
            MOST_LISTED,
            attempts[-1].delivered_at,
        )
    with connection.transaction():
        failed = _failed(attempts)
        failed_again_count = _note_again(connection, hook, failed)
        found_count = _note_first(connection, hook, failed)
        connection.execute(
            """
            insert into raw.webhook_listings (hook_id, listed_until) values (%s, %s)
            on conflict (hook_id) do update set listed_until = excluded.listed_until
            """,
            [hook.hook_id, max((each.delivered_at for each in attempts), default=since)],
        )
    return found_count, failed_again_count


def _attempts(hook: _Hook, since: datetime) -> Iterator[_Attempt]:
    """What was delivered since then, or should have been; the newest first."""
    for payload in islice(iter_items(hook.client, f"{hook.path}/deliveries"), MOST_LISTED):
        attempt = _read(payload)
        if attempt is None:
            continue
        if attempt.delivered_at < since:
            return
        yield attempt


def _read(payload: Payload) -> _Attempt | None:
    """What GitHub says of an attempt; None where it lacks what it takes to ask for it."""
    repository_id = payload.get("repository_id")
    try:
        return _Attempt(
            int(payload["id"]),
            str(payload["guid"]),
            str(payload["event"]),
            datetime.fromisoformat(payload["delivered_at"]).astimezone(UTC),
            int(payload.get("status_code") or 0),
            repository_id if isinstance(repository_id, int) else None,
        )
    except (KeyError, TypeError, ValueError):
        return None


def _failed(attempts: Iterable[_Attempt]) -> list[_Attempt]:
    """The newest attempt of each delivery that means something here and of which none was answered
    as we want."""
    failed: dict[str, _Attempt] = {}
    settled: set[str] = set()
    for attempt in attempts:
        if not attempt.is_to_heal:
            settled.add(attempt.delivery_id)
        elif attempt.event in READ_EVENTS:
            failed.setdefault(attempt.delivery_id, attempt)
    return [attempt for guid, attempt in failed.items() if guid not in settled]


def _note_again(connection: Connection[Any], hook: _Hook, failed: Iterable[_Attempt]) -> int:
    """Let what was asked for, and failed again, wait to be asked for by its newest attempt."""
    cursor = connection.cursor()
    cursor.executemany(
        """
        update raw.webhook_redeliveries set
            attempt_id = %(attempt_id)s,
            status_code = %(status_code)s,
            asked_at = null,
            accepted_at = null,
            -- A person may have asked for what was still to be asked for by us.
            due_at = case
                when accepted_at is null then due_at
                else %(failed_at)s + %(distance)s * power(2, try_count - 1)
            end
        where delivery_id = %(delivery_id)s and hook_id = %(hook_id)s and error is null
            and attempt_id != %(attempt_id)s
        """,
        [
            {
                "delivery_id": attempt.delivery_id,
                "hook_id": hook.hook_id,
                "attempt_id": attempt.attempt_id,
                "status_code": attempt.status_code,
                "failed_at": attempt.delivered_at,
                "distance": FIRST_DISTANCE,
            }
            for attempt in failed
        ],
    )
    return max(cursor.rowcount, 0)


def _note_first(connection: Connection[Any], hook: _Hook, failed: Iterable[_Attempt]) -> int:
    """Note failures, but for what came nevertheless, by another webhook or in spite of no answer,
    and what is of repositories that are not monitored."""
    cursor = connection.cursor()
    cursor.executemany(
        """
        insert into raw.webhook_redeliveries (
            delivery_id, hook_id, attempt_id, event, repository_id, failed_at, status_code
        )
        select
            %(delivery_id)s::text, %(hook_id)s::bigint, %(attempt_id)s::bigint, %(event)s::text,
            %(repository_id)s::bigint, %(failed_at)s::timestamptz, %(status_code)s::integer
        where not exists (
                select from raw.webhook_events where delivery_id = %(delivery_id)s
            )
            and not exists (
                select from raw.webhook_dead_letters where delivery_id = %(delivery_id)s
            )
            and (
                %(repository_id)s::bigint is null
                or exists (
                    select from app.repositories
                    where repository_id = %(repository_id)s and removed_at is null
                )
            )
        on conflict (delivery_id) do nothing
        """,
        [
            {
                "delivery_id": attempt.delivery_id,
                "hook_id": hook.hook_id,
                "attempt_id": attempt.attempt_id,
                "event": attempt.event,
                "repository_id": attempt.repository_id,
                "failed_at": attempt.delivered_at,
                "status_code": attempt.status_code,
            }
            for attempt in failed
        ],
    )
    return max(cursor.rowcount, 0)


def _settle(connection: Connection[Any]) -> int:
    """Forget what came meanwhile, and give up what GitHub does not know any more, or delivered in
    vain too often; give how much that was."""
    connection.execute(
        """
        delete from raw.webhook_redeliveries as redelivery
        where accepted_at is null and error is null and (
            exists (select from raw.webhook_events where delivery_id = redelivery.delivery_id)
            or exists (
                select from raw.webhook_dead_letters where delivery_id = redelivery.delivery_id
            )
        )
        """
    )
    return connection.execute(
        """
        update raw.webhook_redeliveries set
            error = case when try_count >= %(most)s then %(in_vain)s else %(too_old)s end,
            given_up_at = clock_timestamp()
        where accepted_at is null and error is null
            and (try_count >= %(most)s or failed_at < %(before)s)
        """,
        {
            "most": MOST_TRIES,
            "in_vain": IN_VAIN,
            "too_old": TOO_OLD,
            "before": datetime.now(UTC) - HISTORY,
        },
    ).rowcount


def _ask(
    connection: Connection[Any], hooks: dict[int, _Hook], most: int, pause: Callable[[], None]
) -> int:
    """Ask for what is noted and due, the newest first; give how much GitHub took.

    A webhook of which something is refused is left for this time: the next one begins with what
    follows.
    """
    left, asked_count, accepted_count = dict(hooks), 0, 0
    for redelivery in _to_ask(connection, list(hooks), most):
        hook = left.get(redelivery.hook_id)
        if hook is None:
            continue
        if asked_count:
            pause()
        asked_count += 1
        connection.execute(
            "update raw.webhook_redeliveries set asked_at = clock_timestamp()"
            " where delivery_id = %s",
            [redelivery.delivery_id],
        )
        try:
            hook.client.post(f"{hook.path}/deliveries/{redelivery.attempt_id}/attempts", {})
        except GitHubError as error:
            logger.warning("%s is not delivered again: %s", redelivery.delivery_id, error)
            del left[redelivery.hook_id]
            if isinstance(error, RefusedError) and not isinstance(error, ForbiddenError):
                # Whatever it is of this one, it stays so.
                connection.execute(
                    "update raw.webhook_redeliveries"
                    " set error = %s, given_up_at = clock_timestamp() where delivery_id = %s",
                    [str(error), redelivery.delivery_id],
                )
            continue
        connection.execute(
            "update raw.webhook_redeliveries"
            " set accepted_at = clock_timestamp(), try_count = try_count + 1"
            " where delivery_id = %s",
            [redelivery.delivery_id],
        )
        accepted_count += 1
    return accepted_count


def _to_ask(connection: Connection[Any], hook_ids: list[int], most: int) -> list[_Redelivery]:
    with connection.cursor(row_factory=class_row(_Redelivery)) as cursor:
        return cursor.execute(
            """
            select delivery_id, hook_id, attempt_id
            from raw.webhook_redeliveries
            where accepted_at is null and error is null and hook_id = any(%s)
                and (due_at is null or due_at <= now())
            order by failed_at desc, attempt_id desc
            limit %s
            """,
            [hook_ids, most],
        ).fetchall()


def _scalar(connection: Connection[Any], query: LiteralString, *values: object) -> Any:
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(query, values).fetchone()
