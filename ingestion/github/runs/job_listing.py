"""The jobs of an attempt as GitHub lists them, and those that it lists no more."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection

from actionsight.github.pagination import iter_pages
from ingestion.github.loader import Batch
from ingestion.github.poll import RepositoryPoll
from ingestion.github.rows import UnreadablePayloadError, gone_row, workflow_job_row
from ingestion.github.schema import WORKFLOW_JOBS, Row
from ingestion.github.state.jobs import (
    job_rows,
    job_rows_from_webhooks,
    jobs_from_webhooks,
    jobs_of_attempts,
)
from ingestion.github.state.runs import Attempt


@dataclass
class ReadJobs:
    """A listing of jobs, read to its end, each job once (one can come twice); or unchanged.

    `total` is what it claims; `is_readable`: no element of it was left out.
    """

    total: int = 0
    jobs: dict[int, Row] = field(default_factory=dict)
    etag: str | None = None
    is_unchanged: bool = False
    is_readable: bool = True

    @property
    def rows(self) -> list[Row]:
        """The rows of the jobs."""
        return list(self.jobs.values())

    @property
    def is_whole(self) -> bool:
        """Whether it lists every job there is: what it lacks is gone. An attempt that has had jobs
        is never without, so an empty one is not believed."""
        return self.is_readable and bool(self.jobs) and len(self.jobs) >= self.total


def read_jobs(
    poll: RepositoryPoll, path: str, run_attempt: int, *, etag: str | None = None, **params: str
) -> ReadJobs:
    """Read a listing; one that gives fewer than it claims once more: jobs may have come meanwhile.

    Raises:
        GitHubError: a page could not be had.
    """
    read = _read(poll, path, run_attempt, etag, params)
    if len(read.jobs) < read.total and read.is_readable:
        again = _read(poll, path, run_attempt, None, params)
        again.jobs = read.jobs | again.jobs
        return again
    return read


def _read(
    poll: RepositoryPoll, path: str, run_attempt: int, etag: str | None, params: dict[str, str]
) -> ReadJobs:
    read = ReadJobs()
    batch = Batch()
    pages = iter_pages(poll.client, path, "jobs", etag=etag, **params)
    for number, page in enumerate(pages):
        if number == 0:
            read.is_unchanged = page.is_unchanged
            # The ETag of a first page says nothing of a second one.
            read.etag = None if page.has_next else page.etag
        read.total = max(read.total, page.total_count)
        for payload in page.payloads:
            try:
                row = workflow_job_row(payload, poll.repository.repository_id, run_attempt)
            except UnreadablePayloadError as error:
                read.is_readable = False
                poll.leave_out("job", payload, error)
            else:
                batch.add(WORKFLOW_JOBS, row)
    read.jobs = {row["job_id"]: row for row in batch.of(WORKFLOW_JOBS)}
    return read


@dataclass(frozen=True)
class WholeListing:
    """All jobs of an attempt, as listed then; `is_final`: there will be no others."""

    attempt: Attempt
    job_ids: Collection[int]
    asked_at: datetime
    is_final: bool


def gone_jobs(
    connection: Connection[Any], listings: Collection[WholeListing], noticed_at: datetime
) -> list[Row]:
    """Stamped rows of the jobs that attempts had and do not have by these listings any more.

    What webhooks alone told counts once there will be no other listing: jobs may come after one.
    """
    by_attempt = {each.attempt: each for each in listings}
    known = jobs_of_attempts(connection, by_attempt.keys())
    final = {attempt for attempt, each in by_attempt.items() if each.is_final}
    observed = jobs_from_webhooks(connection, final)
    gone = [job for attempt, job in known if job not in by_attempt[attempt].job_ids]
    gone_by_webhook = [
        job
        for attempt, job, received_at in observed
        if job not in by_attempt[attempt].job_ids and received_at < by_attempt[attempt].asked_at
    ]
    rows = job_rows(connection, gone) + job_rows_from_webhooks(connection, gone_by_webhook)
    return [gone_row(row, noticed_at) for row in rows]
