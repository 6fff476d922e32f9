"""What becomes of a repository's poll that failed: it is noted, and the others go on."""

import logging
from typing import Any

from psycopg import Connection

from actionsight.github.errors import GitHubError, MissingError
from actionsight.repositories import hide_repository
from ingestion.github.runs.attempts import confirm_readable
from ingestion.github.state.runs import first_created
from ingestion.github.sync import RepositoryPoll, Sync

logger = logging.getLogger(__name__)


def record_failure(sync: Sync, poll: RepositoryPoll, error: Exception) -> None:
    """End a poll that failed; a repository that is not there any more is hidden at once."""
    if isinstance(error, MissingError):
        try:
            confirm_readable(poll)
        except MissingError as missing:
            error = missing
            hide_repository(sync.connection, poll.repository.repository_id, sync.clock())
        except GitHubError as unclear:
            logger.debug("%s: %s", poll.repository.full_name, unclear)
    sync.fail(poll, error)


def has_no_runs(connection: Connection[Any], poll: RepositoryPoll, error: Exception) -> bool:
    """Whether a poll failed since its repository has no Actions: nothing below them is there, while
    the repository is, and none of its runs was ever seen."""
    if not isinstance(error, MissingError):
        return False
    repository_id = poll.repository.repository_id
    if first_created(connection, repository_id) is not None:
        return False
    try:
        confirm_readable(poll)
    except GitHubError:
        return False
    return True
