"""What becomes of a repository's poll that failed: it is noted, and the others go on."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from actionsight.github.errors import GitHubError, MissingError
from actionsight.repositories import hide_repository
from ingestion.github.poll import Expected, RepositoryPoll
from ingestion.github.runs.attempts import confirm_readable
from ingestion.github.state.runs import first_created

logger = logging.getLogger(__name__)


@contextmanager
def failure_recorded(poll: RepositoryPoll) -> Generator[None]:
    """What fails in here is the end of this poll alone."""
    try:
        yield
    except Expected as error:
        record_failure(poll, error)


def record_failure(poll: RepositoryPoll, error: Exception) -> None:
    """End a poll that failed; a repository that is not there any more is hidden at once."""
    if isinstance(error, MissingError):
        try:
            confirm_readable(poll)
        except MissingError as missing:
            error = missing
            hide_repository(poll.connection, poll.repository.repository_id, poll.clock.now())
        except GitHubError as unclear:
            logger.debug("%s: %s", poll.repository.full_name, unclear)
    poll.fail(error)


def has_no_runs(poll: RepositoryPoll) -> bool:
    """Whether nothing is there below a repository since it has no Actions: it is there itself, and
    none of its runs was ever seen."""
    if first_created(poll.connection, poll.repository.repository_id) is not None:
        return False
    try:
        confirm_readable(poll)
    except GitHubError:
        return False
    return True
