"""A sync: a shard of the monitored repositories is collected once, stage by stage; raw.polls tells
of it. By default that is all of them.

    with start_sync(settings, loops={"head", "open"}) as sync:
        stages.collect_repositories(sync)
        stages.collect_runs(sync)
        stages.collect_jobs(sync)

No loop runs twice at once for one repository; different ones do, and so do shards; they load one
after the other. Raw rows are committed before any cursor moves, so that a sync that ends anywhere
(also killed) is made good by the next one.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from psycopg import Connection

from actionsight.database import connect
from actionsight.github.credential_router import CredentialRouter
from actionsight.github.rate_limit.models import Limits, Priority
from actionsight.github.retries import RetryPolicy
from actionsight.locks import LOOP_LOCKS, keeping
from actionsight.settings import Settings
from actionsight.shards import ALL, Shard
from ingestion.github.clock import Clock, utc_now
from ingestion.github.loader import Loader
from ingestion.github.locking import take_slots
from ingestion.github.poll import RepositoryPoll
from ingestion.github.state.polls import PollRow, failed_in_poll
from ingestion.github.state.repositories import Repository, monitored_repositories

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


@dataclass(frozen=True)
class Sync:
    """The collection under way; made by `start_sync`, which holds the locks of its loops.

    Its methods are the main thread's alone; other threads ask GitHub, through a poll's client.

    Attributes:
        shard: which of the monitored repositories are its own.
        only: names of the repositories to collect, in lower case; all when empty.
        began_at: when it began.
        until: when to stop beginning new work.
        recovered_load_ids: of what a killed one had begun to store.
    """

    connection: Connection[Any]
    router: CredentialRouter
    loader: Loader
    settings: Settings
    clock: Clock
    poll_id: UUID
    loops: Collection[Loop]
    shard: Shard
    only: Collection[str]
    is_watched: bool
    began_at: datetime
    until: datetime | None
    recovered_load_ids: Sequence[str]

    @property
    def is_over(self) -> bool:
        """Whether the time that this sync was given is up: what is left is the next one's."""
        return self.until is not None and self.clock.now() >= self.until

    def repositories(self) -> list[Repository]:
        """The monitored repositories of its shard of which no loop of this sync has failed."""
        failed = failed_in_poll(self.connection, self.poll_id)
        return [
            repository
            for repository in monitored_repositories(self.connection, self.shard.slots)
            if repository.repository_id not in failed
            and (not self.only or repository.full_name.lower() in self.only)
        ]

    def has_seen(self, repository: Repository) -> bool:
        """Whether this sync has looked at a repository already."""
        return repository.looked_at is not None and repository.looked_at >= self.began_at

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
            PollRow(self.poll_id, repository.repository_id, loop, self.clock.now()),
            self.router.client(
                repository.full_name, self.priority(loop) if priority is None else priority
            ),
            self.connection,
            self.clock,
            retry_after=timedelta(minutes=self.settings.poll_minutes),
        )


@contextmanager
def start_sync(
    settings: Settings,
    *,
    loops: Collection[Loop] = LOOPS,
    shard: Shard = ALL,
    only: Collection[str] = (),
    is_watched: bool = False,
    only_looks: bool = False,
    until: datetime | None = None,
    poll_id: UUID | None = None,
    retry_policy: RetryPolicy | None = None,
    limits: Limits | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Generator[Sync]:
    """Begin a sync: wait for its loops where they are under way, take over what a killed one left.

    Args:
        loops: what looks for runs; each one's locks are held until the end.
        shard: which of the monitored repositories to collect.
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
    with (
        keeping(settings.database_url) as locks,
        connect(settings.database_url, autocommit=True) as connection,
    ):
        for family, number in families:
            take_slots(locks, number, shard.slots, family)
        retry_policy = retry_policy or (WATCHED if is_watched else RetryPolicy())
        router = CredentialRouter(settings, retry_policy=retry_policy, limits=limits)
        loader = Loader(
            connection,
            settings.database_url,
            settings.data_dir / "dlt",
            shard,
            next((family for family, _ in families), "selections"),
            only_looks=only_looks,
        )
        began_at = clock()
        try:
            yield Sync(
                connection,
                router,
                loader,
                settings,
                Clock(clock),
                poll_id=poll_id or uuid4(),
                loops=loops,
                shard=shard,
                only={name.lower() for name in only},
                is_watched=is_watched,
                began_at=began_at,
                until=until,
                recovered_load_ids=loader.complete_loads(clock()) if families else (),
            )
            connection.execute("select app.advance_observed_until()")
        finally:
            router.close()
