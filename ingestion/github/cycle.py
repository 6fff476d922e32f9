"""A cycle: one collection of all monitored repositories, stage by stage, one at a time.

    with cycle(settings) as under_way:
        stages.collect_repositories(under_way)
        stages.collect_runs(under_way)
        stages.collect_jobs(under_way)

Raw rows are committed before any cursor moves, so that a cycle that ends anywhere (also killed) is
made good by the next one.
"""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection

from actionsight.database import connect
from actionsight.locks import COLLECTION_LOCK
from actionsight.settings import Settings
from ingestion.github import state, stored
from ingestion.github.loading import Batch, Loader
from ingestion.github.locking import take_lock
from ingestion.github.rest.client import GitHubClient, RateLimit
from ingestion.github.rest.endpoints import get_object
from ingestion.github.rest.errors import STOPPING, GitHubError, MissingError
from ingestion.github.rows import UnreadablePayloadError
from ingestion.github.schema import PIPELINES, TABLES
from ingestion.github.state import Poll, Repository

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class StageResult:
    """What a stage did: counts by table, dlt's load ids, requests, GitHub's limit as last seen.

    `versions`: the load that changed each raw table last, in this cycle or before. `troubles`: by
    repository, what the cycle has met so far. `refused`: selections that GitHub does not know.
    """

    rows_seen: dict[str, int]
    rows_changed: dict[str, int]
    load_ids: tuple[str, ...]
    versions: dict[str, str | None]
    request_count: int
    rate_limit: RateLimit | None
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


class Cycle:
    """The collection under way; made by `cycle`, which holds the lock.

    The stages are imported where they are called, since each of them works on a cycle.
    """

    def __init__(
        self,
        connection: Connection[Any],
        client: GitHubClient,
        loader: Loader,
        settings: Settings,
        *,
        poll_id: UUID,
        only: Collection[str],
        clock: Clock,
    ) -> None:
        self.connection = connection
        self.client = client
        self.poll_id = poll_id
        self.settings = settings
        self.clock = clock
        self._loader = loader
        self.only = {name.lower() for name in only}
        self.healed_load_ids = loader.load_pending()
        for load_id in self.healed_load_ids:
            for table in TABLES:
                for repository_id in stored.changed_by_load(connection, table, load_id):
                    state.save_newest_observation(connection, repository_id, clock())

    def repositories(self) -> list[Repository]:
        """The monitored repositories that this cycle has had no trouble with."""
        troubled = state.troubles_of_poll(self.connection, self.poll_id)
        return [
            repository
            for repository in state.monitored(self.connection)
            if repository.repository_id not in troubled
            and (not self.only or repository.full_name.lower() in self.only)
        ]

    def monitored_names(self) -> set[str]:
        """The present names of all monitored repositories, in lower case."""
        return {r.full_name.lower() for r in state.monitored(self.connection)}

    def poll(self, repository: Repository, loop: str) -> Poll:
        """The row of raw.polls for a loop that begins now."""
        return Poll(self.poll_id, repository.repository_id, loop, self.clock())

    @contextmanager
    def fetching(self, repository: Repository, poll: Poll) -> Iterator[None]:
        """Count the requests of a repository; keep its troubles to itself.

        Raises:
            BadCredentialError, RateLimitError: everyone's trouble, after noting it.
        """
        before = self.client.request_count
        try:
            yield
        except (GitHubError, UnreadablePayloadError) as error:
            poll.error = str(error)
            logger.warning("%s: %s: %s", repository.full_name, poll.loop, error)
            if isinstance(error, STOPPING):
                raise
            if isinstance(error, MissingError):
                self._check_still_readable(repository)
        finally:
            poll.request_count += self.client.request_count - before
            if poll.error is not None:
                state.save_poll(self.connection, poll)
                state.save_trouble(self.connection, poll.repository_id, poll.error)

    def load(self, pipeline_name: str, batch: Batch, polls: dict[int, Poll], tally: Tally) -> None:
        """Load and empty a batch; credit what changed to the loops of its repositories."""
        load_id = self._loader.load(pipeline_name, batch)
        batch.clear()
        if load_id is None:
            return
        tally.load_ids.append(load_id)
        for table in PIPELINES[pipeline_name]:
            changed = stored.changed_by_load(self.connection, table, load_id)
            total = sum(changed.values())
            tally.rows_changed[table.name] = tally.rows_changed.get(table.name, 0) + total
            for repository_id, count in changed.items():
                if poll := polls.get(repository_id):
                    poll.changed += count
                    state.save_newest_observation(self.connection, repository_id, poll.started_at)
                    if load_id not in poll.load_ids:
                        poll.load_ids.append(load_id)

    def finish(self, poll: Poll) -> None:
        """Write the row of a loop whose rows are all in; after an error, without an end."""
        if poll.error is None:
            poll.ended_at = self.clock()
        state.save_poll(self.connection, poll)

    def confirm_readable(self, repository: Repository) -> None:
        """Make sure that a 404 below a repository is not a 404 of the repository.

        Raises:
            MissingError: it is, or the name has become another repository's.
        """
        found = get_object(self.client, f"/repos/{repository.full_name}")
        if found.get("id") != repository.repository_id:
            raise MissingError(f"{repository.full_name} is another repository's name now", 404)

    def _check_still_readable(self, repository: Repository) -> None:
        try:
            self.confirm_readable(repository)
        except MissingError:
            state.hide_repository(self.connection, repository.repository_id)
        except GitHubError as error:
            logger.debug("%s: %s", repository.full_name, error)

    def stage(self, work: Callable[[Tally], None]) -> StageResult:
        """Let a stage work, and give what it did."""
        before = self.client.request_count
        tally = Tally()
        work(tally)
        names = {r.repository_id: r.full_name for r in state.monitored(self.connection)}
        return StageResult(
            rows_seen=tally.rows_seen,
            rows_changed=tally.rows_changed,
            load_ids=tuple(tally.load_ids),
            versions={
                table.name: stored.newest_load_id(self.connection, table) for table in TABLES
            },
            request_count=self.client.request_count - before,
            rate_limit=self.client.rate_limit,
            refused=tally.refused,
            troubles={
                names.get(repository_id, str(repository_id)): error
                for repository_id, error in state.troubles_of_poll(
                    self.connection, self.poll_id
                ).items()
            },
        )


@contextmanager
def cycle(
    settings: Settings,
    *,
    client: GitHubClient | None = None,
    poll_id: UUID | None = None,
    only: Collection[str] = (),
    clock: Clock = _utc_now,
) -> Iterator[Cycle]:
    """Begin a cycle: wait for one that is under way, finish what a killed one left behind.

    Args:
        client: in place of one for the settings' API address and token.
        poll_id: of a cycle whose earlier stages ran before, in another process.
        only: names of the repositories to collect; all monitored ones when empty.
        clock: tells the time (UTC), for tests.

    Raises:
        GitHubError: what stops everything: a refused credential, a used-up rate limit.
        LoadError: PostgreSQL did not take the rows.
        psycopg.OperationalError: PostgreSQL cannot be reached.
    """
    if settings.database_url is None:
        raise ValueError("ACTIONSIGHT_DATABASE_URL is not set: where should the rows go?")
    own_client = client or GitHubClient(settings.github_api_url, settings.github_token)
    with connect(settings.database_url, autocommit=True) as connection:
        take_lock(connection, COLLECTION_LOCK, "another collection is under way: waiting for it")
        folder = settings.data_dir / "dlt"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield Cycle(
                connection,
                own_client,
                Loader(connection, settings.database_url, folder),
                settings,
                poll_id=poll_id or uuid4(),
                only=only,
                clock=clock,
            )
            connection.execute("select app.advance_observed_until()")
        finally:
            if client is None:
                own_client.close()
