"""The jobs of runs that are under way, behind those of attempts that have completed.

An attempt that changed since its jobs were listed is listed again at once, one that did not ever
more rarely: most of its answers are 304, and a run that is stuck costs less the longer it is.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b

from actionsight.github.errors import MissingError, RateLimitError
from ingestion.github.concurrency import map_concurrently
from ingestion.github.loader import Batch
from ingestion.github.loops.failures import record_failure
from ingestion.github.loops.open import LONGEST_RUN
from ingestion.github.loops.webhook_coverage import JobsFromWebhooks, is_sampled
from ingestion.github.poll import Expected, RepositoryPoll
from ingestion.github.results import Counts
from ingestion.github.runs.job_listing import ReadJobs, WholeListing, gone_jobs, read_jobs
from ingestion.github.schema import CONTENT_HASH, WORKFLOW_JOBS, Row
from ingestion.github.state.open_job_listings import (
    OpenAttempt,
    OpenJobListing,
    due_open_attempts,
    forget_open_listings,
    save_open_listings,
)
from ingestion.github.sync import Sync

logger = logging.getLogger(__name__)

# Of the time for which nothing has changed, the part after which it is asked again.
PAUSE_SHARE = 0.25
# What webhooks told is believed while they go on telling; one that is lost is made good after that.
COVERED_FOR = timedelta(hours=1)
JOBS_PER_LOAD = 5_000


@dataclass
class _Chunk:
    """Listed jobs on their way into one load, and what is noted when they are in."""

    batch: Batch = field(default_factory=Batch)
    whole: list[WholeListing] = field(default_factory=list)
    listings: list[OpenJobListing] = field(default_factory=list)


@dataclass(frozen=True)
class _Listed:
    read: ReadJobs
    asked_at: datetime
    path: str
    token_key: str


def list_open_jobs(
    sync: Sync, counts: Counts, polls: Mapping[int, RepositoryPoll], left_out: Collection[int]
) -> None:
    """List the jobs of open attempts, within a share of the limit.

    Args:
        polls: by repository; what is asked here is counted with them.
        left_out: repositories that failed already.
    """
    behind = {
        number: replace(
            poll,
            client=sync.router.client(poll.repository.full_name, sync.priority("open_jobs")),
            counted=0,
        )
        for number, poll in polls.items()
        if number not in left_out
    }
    _OpenJobs(sync, counts, behind).run()


class _OpenJobs:
    """Open attempts on their way from their listings into loads."""

    def __init__(self, sync: Sync, counts: Counts, polls: dict[int, RepositoryPoll]) -> None:
        self._sync = sync
        self._counts = counts
        self._polls = polls
        self._chunk = _Chunk()
        self._left: set[int] = set()

    def run(self) -> None:
        """List what is due; a repository that fails is left to the next poll."""
        for attempt, outcome in map_concurrently(self._ask, self._wanted()):
            poll = self._polls[attempt.repository_id]
            if attempt.repository_id in self._left:
                continue
            try:
                self._take(attempt, outcome.result())
            except MissingError as error:
                # Whether the run is gone is for those to say who ask for the run.
                logger.info("%s: %s", poll.repository.full_name, error)
            except RateLimitError as error:
                logger.info("%s: %s", poll.repository.full_name, error)
                self._left.add(attempt.repository_id)
            except Expected as error:
                record_failure(poll, error)
                self._left.add(attempt.repository_id)
            if len(self._chunk.batch) >= JOBS_PER_LOAD:
                self._load()
        self._load()
        forget_open_listings(self._sync.connection, self._polls.keys())

    def _wanted(self) -> Iterator[OpenAttempt]:
        now = self._sync.clock.now()
        due = due_open_attempts(
            self._sync.connection,
            self._polls.keys(),
            now,
            # Who waits for it sees it as it is now, but for what cannot be under way any more.
            begun_since=now - LONGEST_RUN if self._sync.is_watched else None,
        )
        covered = JobsFromWebhooks(self._sync.connection).under_way(due, now - COVERED_FOR)
        for attempt in due:
            if self._sync.is_over:
                return
            is_spared = attempt.key in covered and not is_sampled(attempt.run_id)
            if not is_spared and attempt.repository_id not in self._left:
                yield attempt

    def _ask(self, attempt: OpenAttempt) -> _Listed:
        poll = self._polls[attempt.repository_id]
        asked_at = self._sync.clock.now()
        key = poll.client.token_key
        path = f"{poll.path}/actions/runs/{attempt.run_id}/attempts/{attempt.run_attempt}/jobs"
        etag = attempt.etag if (attempt.path, attempt.token_key) == (path, key) else None
        return _Listed(read_jobs(poll, path, attempt.run_attempt, etag=etag), asked_at, path, key)

    def _take(self, attempt: OpenAttempt, listed: _Listed) -> None:
        poll, read, now = self._polls[attempt.repository_id], listed.read, listed.asked_at
        if read.is_unchanged:
            jobs_hash, is_changed, changes = attempt.jobs_hash, False, [attempt.changed_at]
        else:
            poll.row.seen += sum([self._chunk.batch.add(WORKFLOW_JOBS, r) for r in read.rows])
            jobs_hash = _hash(read.rows)
            is_changed = attempt.jobs_hash not in (None, jobs_hash)
            changes = [attempt.changed_at, *_times(read.rows)]
            if read.is_whole:
                self._chunk.whole.append(
                    WholeListing(attempt.key, read.jobs.keys(), now, is_final=False)
                )
        known = [at for at in (attempt.began_at, attempt.updated_at, *changes) if at and at <= now]
        changed_at = now if is_changed else max(known, default=now)
        self._chunk.listings.append(
            OpenJobListing(
                attempt,
                jobs_hash=jobs_hash,
                changed_at=changed_at,
                next_at=now + (now - changed_at) * PAUSE_SHARE,
                path=listed.path,
                token_key=listed.token_key,
                etag=read.etag,
            )
        )

    def _load(self) -> None:
        chunk, self._chunk = self._chunk, _Chunk()
        connection = self._sync.connection
        for row in gone_jobs(connection, chunk.whole, self._sync.clock.now()):
            chunk.batch.add(WORKFLOW_JOBS, row)
        self._counts.see(WORKFLOW_JOBS.name, len(chunk.batch))
        kept = self._sync.loader.load_and_credit(
            "github_jobs", chunk.batch, self._polls, self._counts
        )
        save_open_listings(
            connection, [each for each in chunk.listings if each.attempt.repository_id in kept]
        )
        for repository_id in {each.attempt.repository_id for each in chunk.listings} & kept:
            self._polls[repository_id].save()
        self._left |= self._polls.keys() - kept


def _hash(rows: list[Row]) -> str:
    hashes = sorted(row[CONTENT_HASH] for row in rows)
    return blake2b("".join(hashes).encode(), digest_size=16).hexdigest()


def _times(rows: list[Row]) -> Iterator[datetime | None]:
    for row in rows:
        yield from (row["created_at"], row["started_at"], row["completed_at"])
