"""A run as GitHub shows it is its newest attempt; the earlier ones are asked for here."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from ingestion.github import stored as history
from ingestion.github.cycle import Cycle, Tally
from ingestion.github.loading import Batch
from ingestion.github.rest.endpoints import Payload, get_object
from ingestion.github.rest.errors import (
    STOPPING,
    GitHubError,
    MissingError,
    UnexpectedAnswerError,
)
from ingestion.github.rows import UnreadablePayloadError, workflow_run_row
from ingestion.github.schema import CONTENT_HASH, WORKFLOW_RUNS, Row
from ingestion.github.state import Repository
from ingestion.github.stored import Attempt

logger = logging.getLogger(__name__)

# So many runs may fail before the repository is left for this cycle: GitHub is likely down.
_FAILURES = 3


class RunReader:
    """Adds the runs of one repository to a batch, each behind all its earlier attempts.

    A run enters the batch only when its earlier attempts are in it, so that none is forgotten when
    GitHub fails in between. A run that fails is left out, the others go on; `finish` reports it.
    """

    def __init__(self, cycle: Cycle, repository: Repository, batch: Batch, tally: Tally) -> None:
        self.seen = 0
        self.run_ids: set[int] = set()
        self.newest_created_at: datetime | None = None
        self._cycle = cycle
        self._repository = repository
        self._batch = batch
        self._tally = tally
        self._missing: list[tuple[Attempt, int]] = []
        self._left_out: list[Exception] = []

    def read(self, payloads: Sequence[Payload]) -> None:
        """Take a page of runs.

        Raises:
            GitHubError: what concerns every run, or the last of too many failures.
        """
        rows = []
        for payload in payloads:
            with self._leaving_out(f"run {payload.get('id')}"):
                rows.append(self._row(payload))
        rerun = [row["run_id"] for row in rows if row["run_attempt"] > 1]
        connection = self._cycle.connection
        stored = history.stored_attempts(connection, rerun) if rerun else {}
        missing = history.missing_attempts(connection, rerun) if rerun else set()
        missing |= {attempt for attempt, _ in self._missing}
        for row in rows:
            with self._leaving_out(f"run {row['run_id']}"):
                self._read_earlier(row, stored, missing)
                self._add(row)
            self.run_ids.add(row["run_id"])
            created_at = row["created_at"]
            if created_at and (not self.newest_created_at or created_at > self.newest_created_at):
                self.newest_created_at = created_at

    def read_run(self, run_id: int) -> None:
        """Ask for one run.

        Raises:
            MissingError: it is not there. GitHubError: as `read`.
        """
        with self._leaving_out(f"run {run_id}"):
            self.read([get_object(self._cycle.client, f"{self._path}/{run_id}")])

    def note_missing(self, attempt: Attempt, error: MissingError) -> None:
        """Remember an attempt that GitHub does not have; `finish` writes it down."""
        self._missing.append((attempt, error.status_code))

    def finish(self) -> None:
        """Note missing attempts, if the repository itself is there; then report what failed.

        Raises:
            GitHubError: a run was left out, or the repository is gone.
        """
        if self._missing:
            self._cycle.confirm_readable(self._repository)
            history.save_missing_attempts(
                self._cycle.connection,
                self._repository.repository_id,
                self._missing,
                self._cycle.clock(),
            )
            self._missing.clear()
        if self._left_out:
            raise self._left_out[0]

    @property
    def _path(self) -> str:
        return f"/repos/{self._repository.full_name}/actions/runs"

    @contextmanager
    def _leaving_out(self, what: str) -> Iterator[None]:
        try:
            yield
        except (*STOPPING, MissingError):
            raise
        except (GitHubError, UnreadablePayloadError) as error:
            logger.warning("%s: %s: %s", self._repository.full_name, what, error)
            if error in self._left_out:
                raise
            self._left_out.append(error)
            if len(self._left_out) >= _FAILURES:
                raise

    def _row(self, payload: Payload) -> Row:
        row = workflow_run_row(payload, self._repository.repository_id)
        if row["repository_id"] != self._repository.repository_id:
            raise UnexpectedAnswerError(
                f"{self._repository.full_name} is another repository's name now"
            )
        return row

    def _read_earlier(
        self, row: Row, stored: dict[Attempt, tuple[str, bool]], missing: set[Attempt]
    ) -> None:
        run_id, newest = row["run_id"], row["run_attempt"]
        known_hash, _ = stored.get((run_id, newest), (None, False))
        for number in range(newest - 1, 0, -1):
            attempt = (run_id, number)
            if attempt in missing:
                continue
            if attempt in stored:
                # What was not final when last seen has changed since, if the run has.
                _, is_final = stored[attempt]
                if is_final or known_hash == row[CONTENT_HASH]:
                    continue
            path = f"{self._path}/{run_id}/attempts/{number}"
            try:
                payload = get_object(self._cycle.client, path)
            except MissingError as error:
                self.note_missing(attempt, error)
                continue
            earlier = self._row({"run_attempt": number, **payload})
            if earlier["run_attempt"] != number:
                raise UnexpectedAnswerError(f"GitHub gave another attempt for {path}")
            self._add(earlier)

    def _add(self, row: Row) -> None:
        if self._batch.add(WORKFLOW_RUNS, row):
            self.seen += 1
            self._tally.see(WORKFLOW_RUNS.name)
