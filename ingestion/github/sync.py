"""A sync: all monitored repositories are collected once, stage by stage; raw.polls tells of it.

    with start_sync(settings, loops={"head", "open"}) as sync:
        stages.collect_repositories(sync)
        stages.collect_runs(sync)
        stages.collect_jobs(sync)

No loop runs twice at once; different ones do, and load one after the other. Raw rows are committed
before any cursor moves, so that a sync that ends anywhere (also killed) is made good by the next
one.
"""

import logging
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from psycopg import Connection

from actionsight.database import connect
from actionsight.github.client import GitHubClient
from actionsight.github.credential_router import CredentialRouter
from actionsight.github.errors import GitHubError, RateLimitError
from actionsight.github.rate_limit.models import Limits, Priority, RateLimitState
from actionsight.github.retries import RetryPolicy
from actionsight.locks import LOOP_LOCKS
from actionsight.settings import Settings
from ingestion.github.loader import Batch, Loader
from ingestion.github.locking import take_lock
from ingestion.github.rows import UnreadablePayloadError
from ingestion.github.schema import PIPELINES, TABLES
from ingestion.github.state.polls import PollRow, failed_in_poll, save_poll, troubles_of_poll
from ingestion.github.state.rate_limits import save_rate_limit
from ingestion.github.state.raw_rows import changed_by_load, newest_load_id
from ingestion.github.state.repositories import (
    Repository,
    monitored_repositories,
    save_newest_observation,
    save_trouble,
    still_monitored,
)

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]
Loop = Literal["head", "open", "sweep", "backfill"]
LOOPS: tuple[Loop, ...] = ("head", "open", "sweep", "backfill")

PRIORITIES = {
    "repository": Priority.HEAD,
    "head": Priority.HEAD,
    "open": Priority.OPEN,
    "jobs": Priority.JOBS,
    # Behind what completes, which it leaves a share of the limit.
    "open_jobs": Priority.SWEEP,
    "sweep": Priority.SWEEP,
    "backfill": Priority.BACKFILL,
}
# GitHub's hourly limit comes back within the hour: who watches waits for it.
WATCHED = RetryPolicy(longest_wait_seconds=3_700.0)

Expected = (GitHubError, UnreadablePayloadError)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class StageResult:
    """What a stage did: counts by table, dlt's load ids, requests, GitHub's limits as last seen.

    `versions`: the load that changed each raw table last, in this sync or before. `troubles`: by
    repository, what the sync has met so far. `refused`: selections that GitHub does not know.
    """

    rows_seen: dict[str, int]
    rows_changed: dict[str, int]
    load_ids: tuple[str, ...]
    versions: dict[str, str | None]
    request_count: int
    unchanged_count: int
    rate_limits: tuple[RateLimitState, ...]
    troubles: dict[str, str]
    refused: dict[str, str]


@dataclass
class Counts:
    """A stage's counts while it works."""

    rows_seen: dict[str, int] = field(default_factory=dict)
    rows_changed: dict[str, int] = field(default_factory=dict)
    load_ids: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def see(self, table_name: str, count: int = 1) -> None:
        """Count rows that GitHub gave."""
        self.rows_seen[table_name] = self.rows_seen.get(table_name, 0) + count


@dataclass
class RepositoryPoll:
    """One loop's poll of one repository: who asks, and the row of raw.polls that tells of it.

    `counted`: the requests of this client that the row tells of already. `left_out`: what was wrong
    with elements of listings that could not be read, while the others were.
    """

    repository: Repository
    row: PollRow
    client: GitHubClient
    counted: int = 0
    left_out: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Where the repository is found."""
        return f"/repos/{self.repository.full_name}"

    def leave_out(self, what: str, payload: Mapping[str, Any], error: Exception) -> None:
        """Note an element that could not be read."""
        self.left_out.append(f"{what} {payload.get('id')!r:.40}: {error}")


class Sync:
    """The collection under way; made by `sync`, which holds the locks of its loops.

    Its methods are the main thread's alone; other threads ask GitHub, through a poll's client.
    """

    def __init__(
        self,
        connection: Connection[Any],
        router: CredentialRouter,
        loader: Loader,
        settings: Settings,
        *,
        poll_id: UUID,
        loops: Collection[Loop],
        only: Collection[str],
        is_watched: bool,
        only_looks: bool,
        until: datetime | None,
        clock: Clock,
    ) -> None:
        self.connection = connection
        self.router = router
        self.settings = settings
        self.poll_id = poll_id
        self.loops = loops
        self.only = {name.lower() for name in only}
        self.is_watched = is_watched
        self.only_looks = only_looks
        self.clock = clock
        self.server_time: datetime | None = None
        self._began = clock()
        self._loader = loader
        self._until = until
        self._rate_limits: dict[str, RateLimitState] = {}
        self.recovered_load_ids = loader.load_pending()
        for load_id in self.recovered_load_ids:
            for table in TABLES:
                for repository_id in changed_by_load(connection, table, load_id):
                    save_newest_observation(connection, repository_id, clock())

    @property
    def is_over(self) -> bool:
        """Whether the time that this sync was given is up: what is left is the next one's."""
        return self._until is not None and self.clock() >= self._until

    @property
    def earliest_now(self) -> datetime:
        """The time by our clock or by GitHub's, whichever is behind."""
        return min(self.clock(), self.server_time or self.clock())

    @property
    def latest_now(self) -> datetime:
        """The time by our clock or by GitHub's, whichever is ahead."""
        return max(self.clock(), self.server_time or self.clock())

    def repositories(self) -> list[Repository]:
        """The monitored repositories of which no loop of this sync has failed."""
        failed = failed_in_poll(self.connection, self.poll_id)
        return [
            repository
            for repository in monitored_repositories(self.connection)
            if repository.repository_id not in failed
            and (not self.only or repository.full_name.lower() in self.only)
        ]

    def has_seen(self, repository: Repository) -> bool:
        """Whether this sync has looked at a repository already."""
        return repository.looked_at is not None and repository.looked_at >= self._began

    def monitored_names(self) -> set[str]:
        """The present names of all monitored repositories, in lower case."""
        return {r.full_name.lower() for r in monitored_repositories(self.connection)}

    def priority(self, loop: str) -> Priority:
        """Who watches a sync waits for all of it: nothing of it goes last."""
        return Priority.HEAD if self.is_watched else PRIORITIES[loop]

    def begin(
        self, repository: Repository, loop: str, priority: Priority | None = None
    ) -> RepositoryPoll:
        """A loop's poll of a repository begins now."""
        return RepositoryPoll(
            repository,
            PollRow(self.poll_id, repository.repository_id, loop, self.clock()),
            self.router.client(
                repository.full_name, self.priority(loop) if priority is None else priority
            ),
        )

    def fail(self, poll: RepositoryPoll, error: Exception) -> None:
        """Keep a repository's trouble to itself: note it, and let the others go on."""
        row = poll.row
        if row.error is None:
            row.error = str(error)
            logger.warning("%s: %s: %s", poll.repository.full_name, row.loop, error)
        self.save(poll)
        # A limit that is used up is no trouble of a repository.
        if not isinstance(error, RateLimitError):
            self._note_trouble(poll, str(error))

    def save(self, poll: RepositoryPoll) -> None:
        """Write the row of a loop as it stands."""
        sent = poll.client.request_count
        poll.row.request_count += sent - poll.counted
        poll.counted = sent
        self.server_time = poll.client.server_time or self.server_time
        save_poll(self.connection, poll.row)

    def finish(self, poll: RepositoryPoll) -> None:
        """Write the row of a loop whose rows are all in; after an error, without an end.

        What was left out is a trouble, but holds up nothing.
        """
        if poll.row.error is None:
            poll.row.ended_at = self.clock()
            if poll.left_out:
                poll.row.error = f"left out: {poll.left_out[0]}"
                logger.warning("%s: %s", poll.repository.full_name, poll.row.error)
                self._note_trouble(poll, poll.row.error)
        self.save(poll)

    def _note_trouble(self, poll: RepositoryPoll, trouble: str) -> None:
        save_trouble(
            self.connection,
            poll.row.repository_id,
            poll.row.loop,
            trouble,
            self.clock() + timedelta(minutes=self.settings.poll_minutes),
        )

    def load(
        self, pipeline_name: str, batch: Batch, polls: dict[int, RepositoryPoll], counts: Counts
    ) -> set[int]:
        """Load and empty a batch; credit what changed to the loops of its repositories.

        Rows of a repository that was removed meanwhile are dropped: it may have been purged. Gives
        those that are still monitored, of which alone it may be said that their rows are stored.
        """
        with self._loader.lock():
            kept = still_monitored(self.connection, polls.keys() | batch.repository_ids())
            batch.keep(kept)
            load_id = self._loader.load(pipeline_name, batch)
        batch.clear()
        if load_id is not None:
            self._credit(pipeline_name, load_id, polls, counts)
        return kept

    def _credit(
        self, pipeline_name: str, load_id: str, polls: dict[int, RepositoryPoll], counts: Counts
    ) -> None:
        counts.load_ids.append(load_id)
        for table in PIPELINES[pipeline_name]:
            changed = changed_by_load(self.connection, table, load_id)
            total = sum(changed.values())
            counts.rows_changed[table.name] = counts.rows_changed.get(table.name, 0) + total
            for repository_id, count in changed.items():
                if poll := polls.get(repository_id):
                    poll.row.changed += count
                    save_newest_observation(self.connection, repository_id, poll.row.started_at)
                    if load_id not in poll.row.load_ids:
                        poll.row.load_ids.append(load_id)

    def stage(self, work: Callable[[Counts], None]) -> StageResult:
        """Let a stage work, and give what it did."""
        before = {each.credential: each for each in self.router.rate_limits()}
        counts = Counts()
        work(counts)
        names = {r.repository_id: r.full_name for r in monitored_repositories(self.connection)}
        rate_limits = self.router.rate_limits()
        self._save_rate_limits(rate_limits)

        def spent(count: str) -> int:
            return sum(
                getattr(each, count) - getattr(before.get(each.credential), count, 0)
                for each in rate_limits
            )

        return StageResult(
            rows_seen=counts.rows_seen,
            rows_changed=counts.rows_changed,
            load_ids=tuple(counts.load_ids),
            versions={table.name: newest_load_id(self.connection, table) for table in TABLES},
            request_count=spent("request_count"),
            unchanged_count=spent("unchanged_count"),
            rate_limits=tuple(rate_limits),
            refused=counts.refused,
            troubles={
                names.get(repository_id, str(repository_id)): error
                for repository_id, error in troubles_of_poll(self.connection, self.poll_id).items()
            },
        )

    def _save_rate_limits(self, rate_limits: Collection[RateLimitState]) -> None:
        for rate_limit in rate_limits:
            before = self._rate_limits.get(rate_limit.credential)
            if rate_limit != before:
                save_rate_limit(self.connection, rate_limit, before, self.clock())
                self._rate_limits[rate_limit.credential] = rate_limit


@contextmanager
def start_sync(
    settings: Settings,
    *,
    loops: Collection[Loop] = LOOPS,
    only: Collection[str] = (),
    is_watched: bool = False,
    only_looks: bool = False,
    until: datetime | None = None,
    poll_id: UUID | None = None,
    retry_policy: RetryPolicy | None = None,
    limits: Limits | None = None,
    clock: Clock = _utc_now,
) -> Generator[Sync]:
    """Begin a sync: wait for its loops where they are under way, finish what a killed one left.

    Args:
        loops: what looks for runs; each one's lock is held until the end.
        only: names of the repositories to collect; all monitored ones when empty.
        is_watched: a person waits for all of it: everything is looked at again, and nothing of it
            leaves a share of the limit to other loops.
        only_looks: end by WouldLoadError as soon as there is something to load, which is then left
            to another sync, as if this one had been killed.
        until: when to stop beginning new work (UTC).
        poll_id: of a sync whose earlier stages ran before, in another process.
        retry_policy, limits: in place of GitHub's, for tests and benchmarks.
        clock: tells the time (UTC), for tests.

    Raises:
        LoadError: PostgreSQL did not take the rows.
        WouldLoadError: it only looks, and there is something to load.
        psycopg.OperationalError: PostgreSQL cannot be reached.
    """
    if settings.database_url is None:
        raise ValueError("ACTIONSIGHT_DATABASE_URL is not set: where should the rows go?")
    families = dict.fromkeys(LOOP_LOCKS[loop] for loop in LOOPS if loop in loops)
    with connect(settings.database_url, autocommit=True) as connection:
        for family, number in families:
            take_lock(
                connection, number, f"another collection ({family}) is under way: waiting for it"
            )
        retry_policy = retry_policy or (WATCHED if is_watched else RetryPolicy())
        router = CredentialRouter(settings, retry_policy=retry_policy, limits=limits)
        try:
            yield Sync(
                connection,
                router,
                Loader(
                    connection,
                    settings.database_url,
                    settings.data_dir / "dlt",
                    [family for family, _ in families],
                    only_looks=only_looks,
                ),
                settings,
                poll_id=poll_id or uuid4(),
                loops=loops,
                only=only,
                is_watched=is_watched,
                only_looks=only_looks,
                until=until,
                clock=clock,
            )
            connection.execute("select app.advance_observed_until()")
        finally:
            router.close()
