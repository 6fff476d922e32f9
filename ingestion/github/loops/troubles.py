"""What becomes of a repository's turn that failed: it is noted, and the others go on."""

import logging

from ingestion.github import state
from ingestion.github.cycle import Cycle, Turn
from ingestion.github.loops.attempts import confirm_readable
from ingestion.github.rest.errors import GitHubError, MissingError

logger = logging.getLogger(__name__)


def settle(cycle: Cycle, turn: Turn, error: Exception) -> None:
    """End a turn that failed; a repository that is not there any more is hidden at once."""
    if isinstance(error, MissingError):
        try:
            confirm_readable(turn)
        except MissingError as missing:
            error = missing
            state.hide_repository(cycle.connection, turn.repository.repository_id, cycle.clock())
        except GitHubError as unclear:
            logger.debug("%s: %s", turn.repository.full_name, unclear)
    cycle.fail(turn, error)
