"""What becomes of a repository's turn that failed: it is noted, and the others go on."""

import logging

from actionsight.github.errors import GitHubError, MissingError
from actionsight.repositories import hide_repository
from ingestion.github.runs.attempts import confirm_readable
from ingestion.github.state.runs import first_created
from ingestion.github.sync import Cycle, Turn

logger = logging.getLogger(__name__)


def settle(cycle: Cycle, turn: Turn, error: Exception) -> None:
    """End a turn that failed; a repository that is not there any more is hidden at once."""
    if isinstance(error, MissingError):
        try:
            confirm_readable(turn)
        except MissingError as missing:
            error = missing
            hide_repository(cycle.connection, turn.repository.repository_id, cycle.clock())
        except GitHubError as unclear:
            logger.debug("%s: %s", turn.repository.full_name, unclear)
    cycle.fail(turn, error)


def has_no_runs(cycle: Cycle, turn: Turn, error: Exception) -> bool:
    """Whether a turn failed since its repository has no Actions: nothing below them is there, while
    the repository is, and none of its runs was ever seen."""
    if not isinstance(error, MissingError):
        return False
    repository_id = turn.repository.repository_id
    if first_created(cycle.connection, repository_id) is not None:
        return False
    try:
        confirm_readable(turn)
    except GitHubError:
        return False
    return True
