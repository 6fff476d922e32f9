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
from ingestion.github.loops.failures import settle
from ingestion.github.loops.open_jobs import list_open_jobs
from ingestion.github.loops.webhook_coverage import ToldJobs, is_sampled
from ingestion.github.runs.attempts import confirm_readable
from ingestion.github.runs.job_listing import ReadJobs, WholeListing, gone_jobs, read_jobs
from ingestion.github.schema import WORKFLOW_JOBS, Row
from ingestion.github.state.job_listings import (
    JobListing,
    OwedAttempt,
    Queue,
    count_owed,
    owe_told_again,
    owed_attempts,
    save_job_listings_owed,
    settle_owed,
)
from ingestion.github.state.runs import save_missing_attempts
from ingestion.github.sync import Cycle, Expected, Tally, Turn

logger = logging.getLogger(__name__)

# A load costs some 0.3 s and a transaction; what it holds is in memory, and lost to a kill.
ATTEMPTS_PER_LOAD = 1_000
JOBS_PER_LOAD = 5_000
# So many runs are taken from the queue at once.
_RUNS_PER_LOOK = 500
# A completed attempt whose jobs are not all completed is listed again for so long, by our clock:
# how old the attempt is says nothing about when we first saw it.
SETTLED_AFTER = timedelta(days=1)
# So many runs in a row may fail before a repository is left for this cycle.
_FAILURES = 3

Watcher = Callable[[int, int], None]


@dataclass(frozen=True)
class _Run:
    """A run whose jobs are owed for some of its attempts; `told`: how many there are, by attempt,
    where that is known."""

    turn: Turn
    run_id: int
    attempts: list[OwedAttempt]
    told: dict[int, int]

    @property
    def path(self) -> str:
        return f"{self.turn.path}/actions/runs/{self.run_id}"


@dataclass
class _Listed:
    """Jobs as listed under each attempt, when that was asked; attempts that are not there."""

    asked_at: datetime
    jobs: dict[int, ReadJobs] = field(default_factory=dict)
    missing: dict[int, MissingError] = field(default_factory=dict)


@dataclass
class _Chunk:
    """Listed jobs on their way into one load, with the listings that it settles.

    `whole`: listings by which other jobs are gone. `doubted`: repositories of which webhooks told
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
    cycle: Cycle,
    tally: Tally,
    *,
    of_new: bool,
    of_open: bool,
    of_history: bool,
    watch: Watcher | None = None,
) -> None:
    """List the jobs that are owed; what was listed and loaded is never asked for again.

    Args:
        of_new: of runs since the head began.
        of_open: of runs that are under way, as far as there is cause.
        of_history: of runs before the head began, after the others.
        watch: is told how many attempts were listed so far, of how many.
    """
    collecting = _Jobs(cycle, tally, is_urgent=of_new, watch=watch)
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
        self, cycle: Cycle, tally: Tally, *, is_urgent: bool, watch: Watcher | None
    ) -> None:
        self._cycle = cycle
        self._tally = tally
        self._watch = watch
        priority = cycle.priority("jobs" if is_urgent else "backfill")
        self._turns = {
            repository.repository_id: cycle.begin(repository, "jobs", priority)
            for repository in cycle.repositories()
        }
        self._told = ToldJobs(cycle.connection)
        self._chunk = _Chunk()
        self._failures: Counter[int] = Counter()
        self._left: set[int] = set()
        # History spends what is left over.
        self._may_wait = priority == Priority.BACKFILL
        self._owed_count = 0
        self._listed_count = 0

    def go_through(self, *, is_history: bool) -> None:
        """Go through a queue once; a repository that fails again and again is left out."""
        queue = Queue(self._turns.keys() - self._left, is_history, self._cycle.clock())
        owed_count = count_owed(self._cycle.connection, queue)
        self._owed_count += owed_count
        if owed_count:
            logger.info("jobs of %d attempts are owed", owed_count)
        for run, outcome in map_concurrently(self._ask, self._wanted(queue)):
            self._take(run, outcome.result)
            if self._watch is not None:
                self._watch(self._listed_count + len(self._chunk.listings), self._owed_count)
            if self._chunk.is_full:
                self._load()
        self._load()

    def go_through_open(self) -> None:
        """List the jobs of runs that are under way."""
        list_open_jobs(self._cycle, self._tally, self._turns, self._left)

    def finish(self) -> None:
        """Write what was done, and what is left."""
        for turn in self._turns.values():
            self._cycle.finish(turn)
        save_job_listings_owed(self._cycle.connection, self._turns.keys())

    def _wanted(self, queue: Queue) -> Iterator[_Run]:
        """Runs to ask for; what webhooks told goes straight into the chunk."""
        # Each of a run's attempts has a place of its own in the queue; the first brings them all.
        given: set[int] = set()
        while True:
            page = owed_attempts(self._cycle.connection, queue, _RUNS_PER_LOOK)
            if not page:
                return
            told = self._told.counts(
                [(a.run_id, a.run_attempt) for _, attempts in page for a in attempts]
            )
            for (_, run_id), attempts in page:
                if self._cycle.is_over:
                    return
                turn = self._turns[attempts[0].repository_id]
                if turn.repository.repository_id in self._left or run_id in given:
                    continue
                if len(attempts) > 1:
                    given.add(run_id)
                counts = {
                    attempt.run_attempt: told[run_id, attempt.run_attempt]
                    for attempt in attempts
                    if (run_id, attempt.run_attempt) in told
                }
                if len(attempts) == len(counts) and not is_sampled(run_id):
                    self._trust(attempts, counts)
                else:
                    yield _Run(turn, run_id, attempts, counts)
            queue = replace(queue, after=page[-1][0])

    def _trust(self, attempts: Iterable[OwedAttempt], counts: dict[int, int]) -> None:
        for attempt in attempts:
            count = counts[attempt.run_attempt]
            self._chunk.listings.append(
                JobListing(attempt, count, count, is_settled=True, is_told=True)
            )

    def _ask(self, run: _Run) -> _Listed:
        return _listed(run, self._cycle.clock())

    def _take(self, run: _Run, result: Callable[[], _Listed]) -> None:
        repository_id = run.turn.repository.repository_id
        if repository_id in self._left:
            return
        try:
            listed = result()
            if listed.missing:
                self._note_missing(run, listed.missing)
        except Expected as error:
            self._fail(run, error)
            return
        self._failures[repository_id] = 0
        for attempt in run.attempts:
            if attempt.run_attempt in listed.jobs:
                self._add(run, attempt, listed.jobs[attempt.run_attempt], listed.asked_at)

    def _add(self, run: _Run, attempt: OwedAttempt, read: ReadJobs, asked_at: datetime) -> None:
        rows = read.rows
        run.turn.poll.seen += sum([self._chunk.batch.add(WORKFLOW_JOBS, row) for row in rows])
        is_settled = _is_settled(self._cycle, attempt, rows)
        self._chunk.listings.append(
            JobListing(attempt, read.total, len(rows), is_settled=is_settled)
        )
        if read.is_whole:
            self._chunk.whole.append(
                WholeListing(attempt.key, read.jobs.keys(), asked_at, is_settled)
            )
        told = run.told.get(attempt.run_attempt)
        if told is not None and told != len(rows):
            logger.warning(
                "%s: run %d has %d jobs, not the %d that were taken for granted: what was not "
                "listed for such a reason is listed now",
                run.turn.repository.full_name,
                run.run_id,
                len(rows),
                told,
            )
            self._chunk.doubted.add(run.turn.repository.repository_id)

    def _note_missing(self, run: _Run, missing: dict[int, MissingError]) -> None:
        confirm_readable(run.turn)
        save_missing_attempts(
            self._cycle.connection,
            run.turn.repository.repository_id,
            [((run.run_id, number), error.status_code) for number, error in missing.items()],
            self._cycle.clock(),
        )

    def _fail(self, run: _Run, error: Exception) -> None:
        repository_id = run.turn.repository.repository_id
        self._failures[repository_id] += 1
        if isinstance(error, RateLimitError) and self._may_wait:
            logger.info("%s: %s", run.turn.repository.full_name, error)
            self._left.add(repository_id)
            return
        settle(self._cycle, run.turn, error)
        if isinstance(error, CredentialError) or self._failures[repository_id] >= _FAILURES:
            self._left.add(repository_id)

    def _load(self) -> None:
        chunk, self._chunk = self._chunk, _Chunk()
        for row in gone_jobs(self._cycle.connection, chunk.whole, self._cycle.clock()):
            chunk.batch.add(WORKFLOW_JOBS, row)
        self._tally.see(WORKFLOW_JOBS.name, len(chunk.batch))
        kept = self._cycle.load("github_jobs", chunk.batch, self._turns, self._tally)
        listings = [each for each in chunk.listings if each.attempt.repository_id in kept]
        settle_owed(self._cycle.connection, listings, self._cycle.clock())
        for repository_id in chunk.doubted:
            # Also what was taken as told in this very chunk; from now on better names are known.
            owe_told_again(self._cycle.connection, repository_id)
            self._told = ToldJobs(self._cycle.connection)
        self._listed_count += len(chunk.listings)
        touched = {each.attempt.repository_id for each in listings}
        for repository_id in touched:
            self._cycle.save(self._turns[repository_id])
        if touched:
            save_job_listings_owed(self._cycle.connection, touched)
            logger.info("jobs: %d of %d attempts listed", self._listed_count, self._owed_count)
        for gone in self._turns.keys() - self._left - kept:
            self._turns[gone].poll.error = "removed while its jobs were collected"
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
            listed.jobs[number] = read_jobs(run.turn, path, number)
        except MissingError as error:
            listed.missing[number] = error
    return listed


def _all_attempts(run: _Run) -> dict[int, ReadJobs]:
    """Jobs by attempt from one listing of all; nothing where it does not give all of them."""
    try:
        # A job that does not say its attempt is from the time before there were others.
        read = read_jobs(run.turn, f"{run.path}/jobs", 1, filter="all")
    except MissingError:
        return {}
    by_attempt: dict[int, ReadJobs] = {}
    for row in read.rows:
        of_attempt = by_attempt.setdefault(row["run_attempt"], ReadJobs())
        of_attempt.jobs[row["job_id"]] = row
        of_attempt.total += 1
    for number, count in run.told.items():
        if count == 0:
            by_attempt.setdefault(number, ReadJobs())
    is_whole = read.total == len(read.jobs)
    is_whole = is_whole and all(a.run_attempt in by_attempt for a in run.attempts)
    return by_attempt if is_whole else {}


def _is_settled(cycle: Cycle, attempt: OwedAttempt, rows: list[Row]) -> bool:
    if all(row["status"] == "completed" for row in rows):
        return True
    since = attempt.unsettled_since
    return since is not None and since < cycle.clock() - SETTLED_AFTER
