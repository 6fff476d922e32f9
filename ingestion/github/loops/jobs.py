"""Stage 3: the jobs of every completed attempt, newest day first, in chunks of one load each."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby

from ingestion.github import state, stored
from ingestion.github.cycle import Cycle, Tally
from ingestion.github.loading import Batch
from ingestion.github.order import job_order
from ingestion.github.rest.endpoints import Listing, listing
from ingestion.github.rest.errors import STOPPING, MissingError
from ingestion.github.rows import workflow_job_row
from ingestion.github.schema import WORKFLOW_JOBS, Row
from ingestion.github.state import Poll, Repository
from ingestion.github.stored import JobListing, OwedAttempt

logger = logging.getLogger(__name__)

# A load costs some 0.2 s and a transaction; what it holds is lost to a kill, and held in memory.
ATTEMPTS_PER_LOAD = 300
JOBS_PER_LOAD = 5_000
# A completed attempt whose jobs are not all completed is listed again for so long, by our clock:
# how old the attempt is says nothing about when we first saw it.
SETTLED_AFTER = timedelta(days=1)
# So many runs in a row may fail before a repository is left for this cycle.
_FAILURES = 3


@dataclass
class _Chunk:
    """Listed jobs on their way into one load, with the listings that it settles."""

    batch: Batch = field(default_factory=lambda: Batch(job_order))
    listings: list[JobListing] = field(default_factory=list)
    attempt_count: int = 0

    @property
    def is_full(self) -> bool:
        return self.attempt_count >= ATTEMPTS_PER_LOAD or len(self.batch) >= JOBS_PER_LOAD


def collect_jobs(cycle: Cycle, tally: Tally) -> None:
    """List the jobs that are owed; what was listed and loaded is never asked for again."""
    repositories = {repository.repository_id: repository for repository in cycle.repositories()}
    polls = {id_: cycle.poll(repository, "jobs") for id_, repository in repositories.items()}
    owed = stored.owed_attempts(cycle.connection, repositories.keys())
    if owed:
        logger.info("jobs of %d attempts are owed", len(owed))
    chunk, listed_count = _Chunk(), 0
    failures: Counter[int] = Counter()
    for run_id, group in groupby(owed, key=lambda attempt: attempt.run_id):
        attempts = list(group)
        repository_id = attempts[0].repository_id
        if repository_id not in repositories or failures[repository_id] >= _FAILURES:
            continue
        failures[repository_id] += 1
        poll = polls[repository_id]
        try:
            with cycle.fetching(repositories[repository_id], poll):
                poll.seen += _read_run(cycle, repositories[repository_id], run_id, attempts, chunk)
                failures[repository_id] = 0
        except STOPPING:
            _load(cycle, chunk, polls, tally)
            raise
        chunk.attempt_count += len(attempts)
        listed_count += len(attempts)
        if chunk.is_full:
            _load(cycle, chunk, polls, tally)
            _report(cycle, listed_count, len(owed))
            chunk = _Chunk()
            for gone in polls.keys() - state.still_monitored(cycle.connection, polls.keys()):
                polls[gone].error = "removed while its jobs were collected"
                repositories.pop(gone, None)
    _load(cycle, chunk, polls, tally)
    for poll in polls.values():
        cycle.finish(poll)
        if poll.error is None:
            state.save_trouble(cycle.connection, poll.repository_id, None)


def _read_run(
    cycle: Cycle,
    repository: Repository,
    run_id: int,
    attempts: list[OwedAttempt],
    chunk: _Chunk,
) -> int:
    """Read the jobs of a run's owed attempts into the chunk; give how many."""
    path = f"/repos/{repository.full_name}/actions/runs/{run_id}"
    found = _all_attempts(cycle, repository, path, attempts) if len(attempts) > 1 else {}
    count = 0
    for attempt in attempts:
        number = attempt.run_attempt
        if number in found:
            total, rows = len(found[number]), found[number]
        else:
            try:
                total, rows = _listed(
                    listing(cycle.client, f"{path}/attempts/{number}/jobs", "jobs"),
                    repository,
                    number,
                )
            except MissingError as error:
                cycle.confirm_readable(repository)
                stored.save_missing_attempts(
                    cycle.connection,
                    repository.repository_id,
                    [((run_id, number), error.status_code)],
                    cycle.clock(),
                )
                continue
        count += sum([chunk.batch.add(WORKFLOW_JOBS, row) for row in rows])
        chunk.listings.append(
            JobListing(attempt, total, len(rows), is_settled=_is_settled(cycle, attempt, rows))
        )
    return count


def _all_attempts(
    cycle: Cycle, repository: Repository, path: str, attempts: Iterable[OwedAttempt]
) -> dict[int, list[Row]]:
    """Jobs by attempt from one listing of all; nothing where it does not give all of them."""
    pages = listing(cycle.client, f"{path}/jobs", "jobs", filter="all")
    # A job that does not say its attempt is from the time before there were others.
    total, rows = _listed(pages, repository, 1)
    by_attempt: dict[int, list[Row]] = {}
    for row in rows:
        by_attempt.setdefault(row["run_attempt"], []).append(row)
    is_whole = total == len(rows) and all(a.run_attempt in by_attempt for a in attempts)
    return by_attempt if is_whole else {}


def _listed(
    pages: Iterator[Listing], repository: Repository, run_attempt: int
) -> tuple[int, list[Row]]:
    """The total that a listing claims, and its rows, each job once (one can come twice)."""
    total = 0
    rows = Batch(job_order)
    for page in pages:
        total = max(total, page.total_count)
        for payload in page.payloads:
            rows.add(
                WORKFLOW_JOBS, workflow_job_row(payload, repository.repository_id, run_attempt)
            )
    return total, rows.of(WORKFLOW_JOBS)


def _is_settled(cycle: Cycle, attempt: OwedAttempt, rows: list[Row]) -> bool:
    if all(row["status"] == "completed" for row in rows):
        return True
    since = attempt.unsettled_since
    return since is not None and since < cycle.clock() - SETTLED_AFTER


def _load(cycle: Cycle, chunk: _Chunk, polls: dict[int, Poll], tally: Tally) -> None:
    tally.see(WORKFLOW_JOBS.name, len(chunk.batch))
    cycle.load("github_jobs", chunk.batch, polls, tally)
    stored.save_job_listings(cycle.connection, chunk.listings, cycle.clock())
    for poll in polls.values():
        if poll.load_ids:
            state.save_poll(cycle.connection, poll)


def _report(cycle: Cycle, listed_count: int, owed_count: int) -> None:
    limit = cycle.client.rate_limit
    logger.info(
        "jobs: %d of %d attempts listed%s",
        listed_count,
        owed_count,
        f"; {limit.remaining:,} of {limit.limit:,} requests left" if limit else "",
    )
