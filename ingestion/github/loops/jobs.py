"""The jobs of every completed attempt, newest first, in chunks of one load each."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from actionsight.github.errors import CredentialError, MissingError, RateLimitError
from actionsight.github.rate_limit.models import Priority
from ingestion.github.concurrency import map_concurrently
from ingestion.github.loader import Batch
from ingestion.github.loops.failures import record_failure
from ingestion.github.loops.open_jobs import list_open_jobs
from ingestion.github.loops.webhook_coverage import JobsFromWebhooks, is_sampled
from ingestion.github.poll import Expected, RepositoryPoll
from ingestion.github.results import Counts
from ingestion.github.runs.attempts import confirm_readable
from ingestion.github.runs.job_listing import ReadJobs, WholeListing, gone_jobs, read_jobs
from ingestion.github.schema import WORKFLOW_JOBS, Row
from ingestion.github.state.job_listings import (
    JobListing,
    JobListingQueue,
    PendingAttempt,
    count_pending,
    pending_attempts,
    queue_covered_again,
    save_job_listings,
    save_job_listings_owed,
)
from ingestion.github.state.runs import save_missing_attempts
from ingestion.github.sync import Sync

logger = logging.getLogger(__name__)

# A load costs some 0.3 s and a transaction; what it holds is in memory, and lost to a kill.
ATTEMPTS_PER_LOAD = 1_000
JOBS_PER_LOAD = 5_000
# So many runs are taken from the queue at once.
_RUNS_PER_LOOK = 500
# A completed attempt whose jobs are not all completed is listed again for so long, by our clock:
# how old the attempt is says nothing about when we first saw it.
RELIST_FOR = timedelta(days=1)
# So many runs in a row may fail before a repository is left for this sync.
_FAILURES = 3

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Run:
    """A run whose jobs are owed for some of its attempts.

    `covered`: how many jobs there are, by attempt, where webhooks told all of them.
    """

    poll: RepositoryPoll
    run_id: int
    attempts: list[PendingAttempt]
    covered: dict[int, int]

    @property
    def path(self) -> str:
        return f"{self.poll.path}/actions/runs/{self.run_id}"


@dataclass
class _Listed:
    """Jobs as listed under each attempt, when that was asked; attempts that are not there."""

    asked_at: datetime
    jobs: dict[int, ReadJobs] = field(default_factory=dict)
    missing: dict[int, MissingError] = field(default_factory=dict)


@dataclass
class _Chunk:
    """Listed jobs on their way into one load, with the listings that it completes.

    `whole`: listings by which other jobs are gone. `doubted`: repositories whose webhooks told
    too little.
    """

    batch: Batch = field(default_factory=Batch)
    listings: list[JobListing] = field(default_factory=list)
    whole: list[WholeListing] = field(default_factory=list)
    doubted: set[int] = field(default_factory=set)

    @property
    def is_full(self) -> bool:
        return len(self.listings) >= ATTEMPTS_PER_LOAD or len(self.batch) >= JOBS_PER_LOAD


def collect_jobs(
    sync: Sync,
    counts: Counts,
    *,
    of_new: bool,
    of_open: bool,
    of_history: bool,
    on_progress: OnProgress | None = None,
) -> None:
    """List the jobs that are owed; what was listed and loaded is never asked for again.

    Args:
        of_new: of runs since the head began.
        of_open: of runs that are under way, as far as there is cause.
        of_history: of runs before the head began, after the others.
        on_progress: is told how many attempts were listed so far, of how many.
    """
    collecting = _Jobs(sync, counts, is_urgent=of_new, on_progress=on_progress)
    if of_new:
        collecting.go_through(is_history=False)
    if of_open:
        collecting.go_through_open()
    if of_history:
        collecting.go_through(is_history=True)
    collecting.finish()


class _Jobs:
    """Owed listings on their way from the queues to GitHub and into loads."""

    def __init__(
        self, sync: Sync, counts: Counts, *, is_urgent: bool, on_progress: OnProgress | None
    ) -> None:
        self._sync = sync
        self._counts = counts
        self._on_progress = on_progress
        priority = sync.priority("jobs" if is_urgent else "backfill")
        self._polls = {
            repository.repository_id: sync.begin(repository, "jobs", priority)
            for repository in sync.repositories()
        }
        self._webhook_jobs = JobsFromWebhooks(sync.connection)
        self._chunk = _Chunk()
        self._failures: Counter[int] = Counter()
        self._left: set[int] = set()
        # History spends what is left over.
        self._may_wait = priority == Priority.BACKFILL
        self._pending_count = 0
        self._listed_count = 0

    def go_through(self, *, is_history: bool) -> None:
        """Go through a queue once; a repository that fails again and again is left out."""
        queue = JobListingQueue(self._polls.keys() - self._left, is_history, self._sync.clock.now())
        pending_count = count_pending(self._sync.connection, queue)
        self._pending_count += pending_count
        if pending_count:
            logger.info("jobs of %d attempts are owed", pending_count)
        for run, outcome in map_concurrently(self._ask, self._wanted(queue)):
            self._take(run, outcome.result)
            if self._on_progress is not None:
                self._on_progress(
                    self._listed_count + len(self._chunk.listings), self._pending_count
                )
            if self._chunk.is_full:
                self._load()
        self._load()

    def go_through_open(self) -> None:
        """List the jobs of runs that are under way."""
        list_open_jobs(self._sync, self._counts, self._polls, self._left)

    def finish(self) -> None:
        """Write what was done, and what is left."""
        for poll in self._polls.values():
            poll.finish()
        save_job_listings_owed(self._sync.connection, self._polls.keys())

    def _wanted(self, queue: JobListingQueue) -> Iterator[_Run]:
        """Runs to ask for; what webhooks cover goes straight into the chunk."""
        # Each of a run's attempts has a place of its own in the queue; the first brings them all.
        given: set[int] = set()
        while True:
            page = pending_attempts(self._sync.connection, queue, _RUNS_PER_LOOK)
            if not page:
                return
            covered = self._webhook_jobs.counts(
                [(a.run_id, a.run_attempt) for _, attempts in page for a in attempts]
            )
            for (_, run_id), attempts in page:
                if self._sync.is_over:
                    return
                poll = self._polls[attempts[0].repository_id]
                if poll.repository.repository_id in self._left or run_id in given:
                    continue
                if len(attempts) > 1:
                    given.add(run_id)
                counts = {
                    attempt.run_attempt: covered[run_id, attempt.run_attempt]
                    for attempt in attempts
                    if (run_id, attempt.run_attempt) in covered
                }
                if len(attempts) == len(counts) and not is_sampled(run_id):
                    self._trust(attempts, counts)
                else:
                    yield _Run(poll, run_id, attempts, counts)
            queue = replace(queue, after=page[-1][0])

    def _trust(self, attempts: Iterable[PendingAttempt], counts: dict[int, int]) -> None:
        for attempt in attempts:
            count = counts[attempt.run_attempt]
            self._chunk.listings.append(
                JobListing(attempt, count, count, is_final=True, is_covered=True)
            )

    def _ask(self, run: _Run) -> _Listed:
        return _listed(run, self._sync.clock.now())

    def _take(self, run: _Run, result: Callable[[], _Listed]) -> None:
        repository_id = run.poll.repository.repository_id
        if repository_id in self._left:
            return
        try:
            listed = result()
            if listed.missing:
                _note_missing(run, listed.missing)
        except Expected as error:
            self._fail(run, error)
            return
        self._failures[repository_id] = 0
        for attempt in run.attempts:
            if attempt.run_attempt in listed.jobs:
                self._add(run, attempt, listed.jobs[attempt.run_attempt], listed.asked_at)

    def _add(self, run: _Run, attempt: PendingAttempt, read: ReadJobs, asked_at: datetime) -> None:
        rows = read.rows
        run.poll.row.seen += sum([self._chunk.batch.add(WORKFLOW_JOBS, row) for row in rows])
        is_final = _is_final(attempt, rows, self._sync.clock.now())
        self._chunk.listings.append(JobListing(attempt, read.total, len(rows), is_final=is_final))
        if read.is_whole:
            self._chunk.whole.append(
                WholeListing(attempt.key, read.jobs.keys(), asked_at, is_final)
            )
        covered = run.covered.get(attempt.run_attempt)
        if covered is not None and covered != len(rows):
            logger.warning(
                "%s: run %d has %d jobs, not the %d that were taken for granted: what was not "
                "listed for such a reason is listed now",
                run.poll.repository.full_name,
                run.run_id,
                len(rows),
                covered,
            )
            self._chunk.doubted.add(run.poll.repository.repository_id)

    def _fail(self, run: _Run, error: Exception) -> None:
        repository_id = run.poll.repository.repository_id
        self._failures[repository_id] += 1
        if isinstance(error, RateLimitError) and self._may_wait:
            logger.info("%s: %s", run.poll.repository.full_name, error)
            self._left.add(repository_id)
            return
        record_failure(run.poll, error)
        if isinstance(error, CredentialError) or self._failures[repository_id] >= _FAILURES:
            self._left.add(repository_id)

    def _load(self) -> None:
        chunk, self._chunk = self._chunk, _Chunk()
        for row in gone_jobs(self._sync.connection, chunk.whole, self._sync.clock.now()):
            chunk.batch.add(WORKFLOW_JOBS, row)
        self._counts.see(WORKFLOW_JOBS.name, len(chunk.batch))
        kept = self._sync.loader.load_and_credit(
            "github_jobs", chunk.batch, self._polls, self._counts
        )
        listings = [each for each in chunk.listings if each.attempt.repository_id in kept]
        save_job_listings(self._sync.connection, listings, self._sync.clock.now())
        for repository_id in chunk.doubted:
            # Also what was taken as covered in this very chunk; from now on better names are known.
            queue_covered_again(self._sync.connection, repository_id)
            self._webhook_jobs = JobsFromWebhooks(self._sync.connection)
        self._listed_count += len(chunk.listings)
        touched = {each.attempt.repository_id for each in listings}
        for repository_id in touched:
            self._polls[repository_id].save()
        if touched:
            save_job_listings_owed(self._sync.connection, touched)
            logger.info("jobs: %d of %d attempts listed", self._listed_count, self._pending_count)
        for gone in self._polls.keys() - self._left - kept:
            self._polls[gone].row.error = "removed while its jobs were collected"
            self._left.add(gone)


def _listed(run: _Run, asked_at: datetime) -> _Listed:
    """List the jobs of a run's owed attempts, by one listing of all where that gives them."""
    found = _all_attempts(run) if len(run.attempts) > 1 else {}
    listed = _Listed(asked_at)
    for attempt in run.attempts:
        number = attempt.run_attempt
        if number in found:
            listed.jobs[number] = found[number]
            continue
        try:
            path = f"{run.path}/attempts/{number}/jobs"
            listed.jobs[number] = read_jobs(run.poll, path, number)
        except MissingError as error:
            listed.missing[number] = error
    return listed


def _all_attempts(run: _Run) -> dict[int, ReadJobs]:
    """Jobs by attempt from one listing of all; nothing where it does not give all of them."""
    try:
        # A job that does not say its attempt is from the time before there were others.
        read = read_jobs(run.poll, f"{run.path}/jobs", 1, filter="all")
    except MissingError:
        return {}
    by_attempt: dict[int, ReadJobs] = {}
    for row in read.rows:
        of_attempt = by_attempt.setdefault(row["run_attempt"], ReadJobs())
        of_attempt.jobs[row["job_id"]] = row
        of_attempt.total += 1
    for number, count in run.covered.items():
        if count == 0:
            by_attempt.setdefault(number, ReadJobs())
    is_whole = read.total == len(read.jobs)
    is_whole = is_whole and all(a.run_attempt in by_attempt for a in run.attempts)
    return by_attempt if is_whole else {}


def _note_missing(run: _Run, missing: dict[int, MissingError]) -> None:
    confirm_readable(run.poll)
    save_missing_attempts(
        run.poll.connection,
        run.poll.repository.repository_id,
        [((run.run_id, number), error.status_code) for number, error in missing.items()],
        run.poll.clock.now(),
    )


def _is_final(attempt: PendingAttempt, rows: list[Row], now: datetime) -> bool:
    if all(row["status"] == "completed" for row in rows):
        return True
    since = attempt.incomplete_since
    return since is not None and since < now - RELIST_FOR
