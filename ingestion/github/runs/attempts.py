"""A run as GitHub shows it is its newest attempt; the earlier ones are asked for here."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from actionsight.github.errors import (
    CredentialError,
    MissingError,
    UnexpectedResponseError,
)
from actionsight.github.pagination import Payload, get_object
from ingestion.github.concurrency import map_concurrently
from ingestion.github.poll import Expected, RepositoryPoll
from ingestion.github.rows import UnreadablePayloadError, workflow_run_row
from ingestion.github.runs.writer import RunWriter
from ingestion.github.schema import CONTENT_HASH, Row
from ingestion.github.state.repositories import Repository
from ingestion.github.state.runs import (
    Attempt,
    missing_attempts,
    save_missing_attempts,
    stored_attempts,
)

logger = logging.getLogger(__name__)

# So many runs may fail before the repository is left for this sync: GitHub is likely down.
_FAILURES = 3


class AnotherRepositoryError(UnexpectedResponseError):
    """The name that was asked for belongs to another repository by now."""


@dataclass
class ParsedRuns:
    """Rows of runs, and what was wrong with those that could not be read.

    `name_and_privacy`: name of the repository and whether it is private, as the first run tells.
    """

    rows: list[Row] = field(default_factory=list)
    left_out: list[tuple[Payload, UnreadablePayloadError]] = field(default_factory=list)
    name_and_privacy: tuple[str, bool] | None = None

    def read(self, payloads: Iterable[Payload], repository: Repository) -> None:
        """Take payloads of runs.

        Raises:
            AnotherRepositoryError: they are not this repository's.
        """
        for payload in payloads:
            try:
                row = workflow_run_row(payload, repository.repository_id)
            except UnreadablePayloadError as error:
                self.left_out.append((payload, error))
                continue
            if row["repository_id"] != repository.repository_id:
                raise AnotherRepositoryError(
                    f"{repository.full_name} is another repository's name now"
                )
            self.name_and_privacy = self.name_and_privacy or _name_and_privacy(payload)
            self.rows.append(row)


class RunCollector:
    """Adds the runs of one poll to a writer, each behind all its earlier attempts.

    A run enters the load only when its earlier attempts are in it, so that none is forgotten when
    GitHub fails in between. A run that fails is left out, the others go on; `finish` reports it.
    """

    def __init__(self, poll: RepositoryPoll, writer: RunWriter) -> None:
        self.poll = poll
        self.writer = writer
        self._missing: list[tuple[Attempt, int]] = []
        self._left_out: list[Exception] = []

    def take(self, read: ParsedRuns) -> None:
        """Take runs as GitHub gave them.

        Raises:
            GitHubError: what concerns every run, or the last of too many failures.
        """
        for payload, unreadable in read.left_out:
            self.poll.leave_out("run", payload, unreadable)
        rows = read.rows
        rerun = [row["run_id"] for row in rows if row["run_attempt"] > 1]
        earlier, failed = self._earlier(rows, rerun) if rerun else ({}, set())
        for row in rows:
            if row["run_id"] in failed:
                continue
            for each in (*earlier.get(row["run_id"], ()), row):
                self.writer.add(self.poll, each)

    def leave_out(self, error: Exception) -> None:
        """Go on without a run that could not be had; `finish` reports it.

        Raises:
            Exception: the last of too many, or one that concerns every run.
        """
        logger.warning("%s: %s", self.poll.repository.full_name, error)
        self._left_out.append(error)
        if isinstance(error, CredentialError) or len(self._left_out) >= _FAILURES:
            raise error

    def note_missing(self, attempt: Attempt, error: MissingError) -> None:
        """Remember an attempt that GitHub does not have; `finish` writes it down."""
        self._missing.append((attempt, error.status_code))

    def finish(self) -> None:
        """Note missing attempts, if the repository itself is there; then report what failed.

        Raises:
            GitHubError: a run was left out, or the repository is gone.
        """
        if self._missing:
            confirm_readable(self.poll)
            save_missing_attempts(
                self.poll.connection,
                self.poll.repository.repository_id,
                self._missing,
                self.poll.clock.now(),
            )
            self._missing.clear()
        if self._left_out:
            raise self._left_out[0]

    def _earlier(
        self, rows: Sequence[Row], rerun: Sequence[int]
    ) -> tuple[dict[int, list[Row]], set[int]]:
        """Earlier attempts that are not stored as final, by run; and the runs that failed."""
        stored = stored_attempts(self.poll.connection, rerun)
        missing = missing_attempts(self.poll.connection, rerun)
        missing |= {attempt for attempt, _ in self._missing}
        wanted = [
            attempt for row in rows for attempt in _unknown(row, stored) if attempt not in missing
        ]
        found: dict[int, list[Row]] = {}
        failed: set[int] = set()
        for attempt, outcome in map_concurrently(self._ask, wanted):
            try:
                found.setdefault(attempt[0], []).append(outcome.result())
            except UnreadablePayloadError as error:
                self.poll.leave_out("attempt", {"id": attempt}, error)
            except MissingError as error:
                self.note_missing(attempt, error)
            except Expected as error:
                failed.add(attempt[0])
                self.leave_out(error)
        return found, failed

    def _ask(self, attempt: Attempt) -> Row:
        run_id, number = attempt
        path = f"{self.poll.path}/actions/runs/{run_id}/attempts/{number}"
        payload = get_object(self.poll.client, path)
        read = ParsedRuns()
        read.read([{"run_attempt": number, **payload}], self.poll.repository)
        for _, error in read.left_out:
            raise error
        (row,) = read.rows
        if (row["run_id"], row["run_attempt"]) != attempt:
            raise UnexpectedResponseError(f"GitHub gave another attempt for {path}")
        return row


def confirm_readable(poll: RepositoryPoll) -> None:
    """Make sure that a 404 below a repository is not a 404 of the repository.

    Raises:
        MissingError: it is.
        AnotherRepositoryError: the name has become another repository's.
    """
    found = get_object(poll.client, poll.path)
    if found.get("id") != poll.repository.repository_id:
        raise AnotherRepositoryError(
            f"{poll.repository.full_name} is another repository's name now"
        )


def ask_run(poll: RepositoryPoll, run_id: int) -> ParsedRuns:
    """One run, as it is now.

    Raises:
        MissingError: it is not there. GitHubError: it could not be had.
    """
    read = ParsedRuns()
    read.read([get_object(poll.client, f"{poll.path}/actions/runs/{run_id}")], poll.repository)
    return read


def _name_and_privacy(payload: Payload) -> tuple[str, bool] | None:
    repository = payload.get("repository")
    if not isinstance(repository, dict):
        return None
    full_name, private = repository.get("full_name"), repository.get("private")
    if isinstance(full_name, str) and isinstance(private, bool):
        return full_name, private
    return None


def _unknown(row: Row, stored: dict[Attempt, tuple[str, bool]]) -> Iterable[Attempt]:
    """Earlier attempts of a run to ask for: what was not final when last seen has changed since, if
    the run has."""
    run_id, newest = row["run_id"], row["run_attempt"]
    known_hash, _ = stored.get((run_id, newest), (None, False))
    for number in range(newest - 1, 0, -1):
        if (run_id, number) in stored:
            _, is_final = stored[run_id, number]
            if is_final or known_hash == row[CONTENT_HASH]:
                continue
        yield run_id, number
