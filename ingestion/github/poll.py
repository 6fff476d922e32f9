"""One loop's poll of one repository: who asks GitHub for it, and what it says in raw.polls."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from psycopg import Connection

from actionsight.github.client import GitHubClient
from actionsight.github.errors import GitHubError, RateLimitError
from ingestion.github.clock import Clock
from ingestion.github.rows import UnreadablePayloadError
from ingestion.github.state.polls import PollRow, save_poll
from ingestion.github.state.repositories import Repository, save_trouble

logger = logging.getLogger(__name__)

# What stops a poll of one repository, and none of the others.
Expected = (GitHubError, UnreadablePayloadError)


@dataclass
class RepositoryPoll:
    """The poll of a repository, from its beginning to its end or failure.

    Other threads ask GitHub through its client; its connection is the main thread's alone.

    Attributes:
        row: what it writes to raw.polls.
        retry_after: when it is tried again after a failure.
        counted: the requests of this client that the row tells of already.
        left_out: what was wrong with elements of listings that could not be read, while the others
            were.
    """

    repository: Repository
    row: PollRow
    client: GitHubClient
    connection: Connection[Any]
    clock: Clock
    retry_after: timedelta
    counted: int = 0
    left_out: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Where the repository is found."""
        return f"/repos/{self.repository.full_name}"

    @property
    def has_failed(self) -> bool:
        """Whether it cannot end well any more."""
        return self.row.error is not None and self.row.ended_at is None

    def leave_out(self, what: str, payload: Mapping[str, Any], error: Exception) -> None:
        """Note an element that could not be read."""
        self.left_out.append(f"{what} {payload.get('id')!r:.40}: {error}")

    def save(self) -> None:
        """Write the row as it stands."""
        sent = self.client.request_count
        self.row.request_count += sent - self.counted
        self.counted = sent
        self.clock.github_time = self.client.server_time or self.clock.github_time
        save_poll(self.connection, self.row)

    def fail(self, error: Exception) -> None:
        """Keep a repository's trouble to itself: note it, and let the others go on."""
        if self.row.error is None:
            self.row.error = str(error)
            logger.warning("%s: %s: %s", self.repository.full_name, self.row.loop, error)
        self.save()
        # A limit that is used up is no trouble of a repository.
        if not isinstance(error, RateLimitError):
            self._note_trouble(str(error))

    def finish(self) -> None:
        """Write the row, whose rows are all in; after an error, without an end.

        What was left out is a trouble, but holds up nothing.
        """
        if self.row.error is None:
            self.row.ended_at = self.clock.now()
            if self.left_out:
                self.row.error = f"left out: {self.left_out[0]}"
                logger.warning("%s: %s", self.repository.full_name, self.row.error)
                self._note_trouble(self.row.error)
        self.save()

    def _note_trouble(self, trouble: str) -> None:
        save_trouble(
            self.connection,
            self.row.repository_id,
            self.row.loop,
            trouble,
            self.clock.now() + self.retry_after,
        )
