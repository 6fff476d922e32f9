"""What GitHub says, now, of who may decide about a repository."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from actionsight.github.errors import BadCredentialError, GitHubError, RefusedError
from api.auth.access import Viewer
from api.auth.authentication import signed_out
from api.auth.grants import GrantEndedError
from api.auth.permissions import current_rights
from api.collector import current_collector
from api.errors import RETRY_SECONDS, Problem
from api.github import GitHub, Installed, Repository, owner_of

logger = logging.getLogger(__name__)

T = TypeVar("T")


def ask_as_person(viewer: Viewer, ask: Callable[[GitHub], T]) -> T:
    """Ask GitHub in the name of the viewer, who is a person.

    Raises:
        Problem: 401 or 403, the sign-in has ended; 503, GitHub cannot be asked.
        RefusedError: GitHub refuses.
    """
    return _as_person(viewer, lambda grant_id: current_rights().as_person(grant_id, ask))


def installed_for(viewer: Viewer) -> Installed:
    """What the viewer, who is a person, reaches of the App's installations, as of some minutes ago.

    Raises:
        Problem, RefusedError: as `ask_as_person`.
    """
    return _as_person(
        viewer, lambda grant_id: current_rights().installed(viewer.user_id or 0, grant_id)
    )


def _as_person(viewer: Viewer, ask: Callable[[int], T]) -> T:
    if viewer.grant_id is None:
        raise signed_out(viewer.token_id)
    try:
        return ask(viewer.grant_id)
    except GrantEndedError:
        raise signed_out(viewer.token_id) from None
    except RefusedError:
        raise
    except GitHubError as error:
        raise _away(error) from None


def ask_as_collector(full_name: str) -> Repository | None:
    """A repository as the collector reads it; None: it cannot.

    Raises:
        Problem: 503, GitHub cannot be asked.
    """
    try:
        return current_collector().ask(full_name, lambda github: github.repository(full_name))
    except RefusedError:
        return None
    except BadCredentialError as error:
        logger.error("GitHub refuses the collector's credential")
        raise _away(error) from None
    except GitHubError as error:
        raise _away(error) from None


def shown_to(viewer: Viewer, full_name: str) -> Repository | None:
    """A repository as GitHub shows it to the viewer: to an operator through the collector, whose
    credential decides what can be monitored; None: it shows nothing.

    Raises:
        Problem: 401 or 403, the sign-in has ended; 503, GitHub cannot be asked.
    """
    if viewer.is_operator:
        return ask_as_collector(full_name)
    try:
        return ask_as_person(viewer, lambda github: github.repository(full_name))
    except RefusedError:
        return None


def is_installed_owner(viewer: Viewer, owner: str) -> bool:
    """Whether the App is installed on that account, as the App or the viewer is told.

    Raises:
        Problem: 401 or 403, the sign-in has ended; 503, GitHub cannot be asked.
    """
    try:
        if owner.lower() in current_collector().owners():
            return True
        return ask_as_person(
            viewer, lambda github: owner.lower() in map(owner_of, github.installations())
        )
    except RefusedError:
        return False
    except GitHubError as error:
        raise _away(error) from None


def _away(error: Exception) -> Problem:
    # Its text names what was asked for, which may be private; its kind is enough.
    logger.warning("GitHub could not be asked: %s", type(error).__name__)
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "GitHub could not be asked. Try again in a moment.",
        headers={"Retry-After": RETRY_SECONDS},
    )
