"""A cycle: one collection of all monitored repositories, stage by stage.

    with cycle(settings, loops={"head", "open"}) as under_way:
        stages.collect_repositories(under_way)
        stages.collect_runs(under_way)
        stages.collect_jobs(under_way)

No loop runs twice at once; different ones do, and take turns at loading. Raw rows are committed
before any cursor moves, so that a cycle that ends anywhere (also killed) is made good by the next
one.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
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
from ingestion.github.state.polls import Poll, failed_in_poll, save_poll, troubles_of_poll
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

    `versions`: the load that changed each raw table last, in this cycle or before. `troubles`: by
    repository, what the cycle has met so far. `refused`: selections that GitHub does not know.
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
class Tally:
    """A stage's counts while it works."""

    rows_seen: dict[str, int] = field(default_factory=dict)
    rows_changed: dict[str, int] = field(default_factory=dict)
    load_ids: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def see(self, table_name: str, count: int = 1) -> None:
        """Count rows that GitHub gave."""
        self.rows_seen[table_name] = self.rows_seen.get(table_name, 0) + count


@dataclass
class Turn:
    """A loop's turn for one repository: who asks, and the row of raw.polls that tells of it.

    `counted`: the requests of this client that the row tells of already. `left_out`: what was wrong
    with elements of listings that could not be read, while the others were.
    """

    repository: Repository
    poll: Poll
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


class Cycle:
    """The collection under way; made by `cycle`, which holds the locks of its loops.

    Its methods are the main thread's alone; other threads ask GitHub, through a turn's client.
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
        self.healed_load_ids = loader.load_pending()
        for load_id in self.healed_load_ids:
            for table in TABLES:
                for repository_id in changed_by_load(connection, table, load_id):
                    save_newest_observation(connection, repository_id, clock())

    @property
    def is_over(self) -> bool:
        """Whether the time that this cycle was given is up: what is left is the next one's."""
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
        """The monitored repositories of which no loop of this cycle has failed."""
        failed = failed_in_poll(self.connection, self.poll_id)
        return [
            repository
            for repository in monitored_repositories(self.connection)
            if repository.repository_id not in failed
            and (not self.only or repository.full_name.lower() in self.only)
        ]

    def has_seen(self, repository: Repository) -> bool:
        """Whether this cycle has looked at a repository already."""
        return repository.looked_at is not None and repository.looked_at >= self._began

    def monitored_names(self) -> set[str]:
        """The present names of all monitored repositories, in lower case."""
        return {r.full_name.lower() for r in monitored_repositories(self.connection)}

    def priority(self, loop: str) -> Priority:
        """Who watches a cycle waits for all of it: nothing of it goes last."""
        return Priority.HEAD if self.is_watched else PRIORITIES[loop]

    def begin(self, repository: Repository, loop: str, priority: Priority | None = None) -> Turn:
        """A loop's turn for a repository begins now."""
        return Turn(
            repository,
            Poll(self.poll_id, repository.repository_id, loop, self.clock()),
            self.router.client(
                repository.full_name, self.priority(loop) if priority is None else priority
            ),
        )

    def fail(self, turn: Turn, error: Exception) -> None:
        """Keep a repository's trouble to itself: note it, and let the others go on."""
        poll = turn.poll
        if poll.error is None:
            poll.error = str(error)
            logger.warning("%s: %s: %s", turn.repository.full_name, poll.loop, error)
        self.save(turn)
        # A limit that is used up is no trouble of a repository.
        if not isinstance(error, RateLimitError):
            self._note_trouble(turn, str(error))

    def save(self, turn: Turn) -> None:
        """Write the row of a loop as it stands."""
        sent = turn.client.request_count
        turn.poll.request_count += sent - turn.counted
        turn.counted = sent
        self.server_time = turn.client.server_time or self.server_time
        save_poll(self.connection, turn.poll)

    def finish(self, turn: Turn) -> None:
        """Write the row of a loop whose rows are all in; after an error, without an end.

        What was left out is a trouble, but holds up nothing.
        """
        if turn.poll.error is None:
            turn.poll.ended_at = self.clock()
            if turn.left_out:
                turn.poll.error = f"left out: {turn.left_out[0]}"
                logger.warning("%s: %s", turn.repository.full_name, turn.poll.error)
                self._note_trouble(turn, turn.poll.error)
        self.save(turn)

    def _note_trouble(self, turn: Turn, trouble: str) -> None:
        save_trouble(
            self.connection,
            turn.poll.repository_id,
            turn.poll.loop,
            trouble,
            self.clock() + timedelta(minutes=self.settings.poll_minutes),
        )

    def load(
        self, pipeline_name: str, batch: Batch, turns: dict[int, Turn], tally: Tally
    ) -> set[int]:
        """Load and empty a batch; credit what changed to the loops of its repositories.

        Rows of a repository that was removed meanwhile are dropped: it may have been purged. Gives
        those that are still monitored, of which alone it may be said that their rows are stored.
        """
        with self._loader.turn():
            kept = still_monitored(self.connection, turns.keys() | batch.repository_ids())
            batch.keep(kept)
            load_id = self._loader.load(pipeline_name, batch)
        batch.clear()
        if load_id is not None:
            self._credit(pipeline_name, load_id, turns, tally)
        return kept

    def _credit(
        self, pipeline_name: str, load_id: str, turns: dict[int, Turn], tally: Tally
    ) -> None:
        tally.load_ids.append(load_id)
        for table in PIPELINES[pipeline_name]:
            changed = changed_by_load(self.connection, table, load_id)
            total = sum(changed.values())
            tally.rows_changed[table.name] = tally.rows_changed.get(table.name, 0) + total
            for repository_id, count in changed.items():
                if turn := turns.get(repository_id):
                    turn.poll.changed += count
                    save_newest_observation(self.connection, repository_id, turn.poll.started_at)
                    if load_id not in turn.poll.load_ids:
                        turn.poll.load_ids.append(load_id)

    def stage(self, work: Callable[[Tally], None]) -> StageResult:
        """Let a stage work, and give what it did."""
        before = {each.credential: each for each in self.router.rate_limits()}
        tally = Tally()
        work(tally)
        names = {r.repository_id: r.full_name for r in monitored_repositories(self.connection)}
        rate_limits = self.router.rate_limits()
        self._save_rate_limits(rate_limits)

        def spent(count: str) -> int:
            return sum(
                getattr(each, count) - getattr(before.get(each.credential), count, 0)
                for each in rate_limits
            )

        return StageResult(
            rows_seen=tally.rows_seen,
            rows_changed=tally.rows_changed,
            load_ids=tuple(tally.load_ids),
            versions={table.name: newest_load_id(self.connection, table) for table in TABLES},
            request_count=spent("request_count"),
            unchanged_count=spent("unchanged_count"),
            rate_limits=tuple(rate_limits),
            refused=tally.refused,
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
def cycle(
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
) -> Iterator[Cycle]:
    """Begin a cycle: wait for its loops where they are under way, finish what a killed one left.

    Args:
        loops: what looks for runs; each one's lock is held until the end.
        only: names of the repositories to collect; all monitored ones when empty.
        is_watched: a person waits for all of it: everything is looked at again, and nothing of it
            leaves a share of the limit to other loops.
        only_looks: end by WouldLoadError as soon as there is something to load, which is then left
            to another cycle, as if this one had been killed.
        until: when to stop beginning new work (UTC).
        poll_id: of a cycle whose earlier stages ran before, in another process.
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
            yield Cycle(
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
