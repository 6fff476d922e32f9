"""What GitHub says, now, of who may decide about a repository."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from actionsight.github.errors import BadCredentialError, GitHubError, RefusedError
from api.auth.authentication import Principal, signed_out
from api.auth.grants import GrantEndedError
from api.auth.permissions import current_permissions
from api.collector import current_collector
from api.errors import RETRY_SECONDS, Kind, Problem
from api.github import GitHub, Installed, Repository, owner_of

logger = logging.getLogger(__name__)

T = TypeVar("T")


def as_user(principal: Principal, ask: Callable[[GitHub], T]) -> T:
    """Ask GitHub in the name of who asks us, as a user.

    Raises:
        Problem: 401 or 403, the sign-in has ended; 503, GitHub cannot be asked.
        RefusedError: GitHub refuses.
    """
    return _as_user(principal, lambda grant_id: current_permissions().as_user(grant_id, ask))


def installed_for(principal: Principal) -> Installed:
    """What who asks, as a user, reaches of the App's installations, as of some minutes ago.

    Raises:
        Problem, RefusedError: as `as_user`.
    """
    return _as_user(
        principal,
        lambda grant_id: current_permissions().installed(principal.user_id or 0, grant_id),
    )


def _as_user(principal: Principal, ask: Callable[[int], T]) -> T:
    if principal.grant is None:
        raise signed_out(principal.token_id)
    try:
        return ask(principal.grant.grant_id)
    except GrantEndedError:
        raise signed_out(principal.token_id) from None
    except RefusedError:
        raise
    except GitHubError as error:
        raise _away(error) from None


def as_collector(full_name: str) -> Repository | None:
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


def repository_as_seen_by(principal: Principal, full_name: str) -> Repository | None:
    """A repository as GitHub shows it to who asks: to an operator through the collector, whose
    credential decides what can be monitored; None: it shows nothing.

    Raises:
        Problem: 401 or 403, the sign-in has ended; 503, GitHub cannot be asked.
    """
    if principal.is_operator:
        return as_collector(full_name)
    try:
        return as_user(principal, lambda github: github.repository(full_name))
    except RefusedError:
        return None


def is_installed_owner(principal: Principal, owner: str) -> bool:
    """Whether the App is installed on that account, as the App or who asks is told.

    Raises:
        Problem: 401 or 403, the sign-in has ended; 503, GitHub cannot be asked.
    """
    try:
        if owner.lower() in current_collector().owners():
            return True
        return as_user(
            principal, lambda github: owner.lower() in map(owner_of, github.installations())
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
        kind=Kind.GITHUB_AWAY,
        headers={"Retry-After": RETRY_SECONDS},
    )
