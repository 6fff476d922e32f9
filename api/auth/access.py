"""Access: what a blueprint asks of who comes, and which repositories they may see."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from typing import Any, cast

import psycopg
from flask import Blueprint, Flask, current_app, g, request

from actionsight.api_tokens import Scope
from actionsight.settings import Settings
from api.auth import permissions
from api.auth.authentication import (
    SAFE_METHODS,
    Principal,
    read_principal,
    sends_credentials,
    signed_out,
)
from api.auth.grants import GrantEndedError
from api.auth.permissions import RepositoryRoles
from api.auth.visibility import visible_to
from api.current import current_settings
from api.database import current_database

_EXTENSION = "access"


class Access(Enum):
    """What a request needs: nothing, a signature over the body, a session, or a session or token.

    OPTIONAL is for what tells everybody something, and who is known more: who sends nothing is
    nobody, who sends something that opens nothing is refused. SESSION is for what concerns the
    session itself: its view finds it, and asks GitHub for no rights, so that a person can sign out
    while GitHub is away.
    """

    PUBLIC = "public"
    OPTIONAL = "optional"
    SIGNED = "signed"
    SESSION = "session"
    AUTHENTICATED = "authenticated"


def init_app(app: Flask) -> None:
    """Give this application, which has its settings and its database, its knowledge of who asks.

    `authenticate` and `authorize` are to run, in this order, before the view of every request.
    """
    app.extensions[_EXTENSION] = {}
    permissions.init_app(app)


def register(app: Flask, blueprint: Blueprint, access: Access) -> None:
    """Register a blueprint together with what it asks of who comes."""
    app.extensions[_EXTENSION][blueprint.name] = access
    app.register_blueprint(blueprint)


def access_of(app: Flask, blueprint_name: str | None) -> Access | None:
    """What was declared for a blueprint; None if nothing was."""
    declared: dict[str | None, Access] = app.extensions[_EXTENSION]
    return declared.get(blueprint_name)


def current_principal() -> Principal:
    """Who sent the request that is answered now; `Access.AUTHENTICATED` says that somebody did."""
    principal: Any = g.principal
    return cast(Principal, principal)


def principal_if_any() -> Principal | None:
    """Behind `Access.OPTIONAL`: who sent the request; None: nobody in particular.

    Raises:
        psycopg.Error: somebody did, and the database could not say who.
    """
    if error := g.get("principal_error"):
        raise error
    principal: Any = g.get("principal")
    return cast(Principal | None, principal)


# Whether a body is signed well is known only once it is read: its view checks that, as the views of
# sessions check theirs.
_CHECKED_BY_VIEW = frozenset({Access.PUBLIC, Access.SIGNED, Access.SESSION})


def authenticate() -> None:
    """Find out who sends the request, as far as its route wants to know: `g.principal`.

    Raises:
        Problem: 401, 403.
    """
    if request.endpoint is None:
        return  # no such route: the 404 tells nothing
    access = access_of(current_app, request.blueprint)
    if access is Access.OPTIONAL:
        if sends_credentials(request, current_settings()):
            _note_error(_authenticate)
    # A route that nobody declared is closed, not open.
    elif access not in _CHECKED_BY_VIEW:
        _authenticate()


def authorize() -> None:
    """Find out what the principal may see; GitHub may be asked for that.

    Raises:
        Problem: 401, 403, GitHub ended the sign-in.
    """
    principal: Principal | None = g.get("principal")
    if principal is None:
        return
    if access_of(current_app, request.blueprint) is Access.OPTIONAL:
        _note_error(lambda: _authorize(principal))
    else:
        _authorize(principal)


def _note_error(find: Callable[[], None]) -> None:
    try:
        find()
    except psycopg.Error as error:
        g.principal_error = error


def _authenticate() -> None:
    g.principal = read_principal(current_database(), request, current_settings(), _needed_scope())


def _needed_scope() -> Scope:
    """What an API token must be for: /metrics, or anything that answers or changes something."""
    if access_of(current_app, request.blueprint) is Access.OPTIONAL:
        return "metrics"
    return "read" if request.method in SAFE_METHODS else "manage"


def _authorize(principal: Principal) -> None:
    # No connection is held while GitHub is asked.
    visible = visible_to(
        current_database(),
        principal.user_id,
        _readable(principal),
        principal.snapshot,
        public_for(current_settings()),
    )
    g.principal = replace(
        principal, repository_ids=visible.repository_ids, snapshot=visible.snapshot
    )


def _readable(principal: Principal) -> RepositoryRoles | None:
    """What GitHub lists for the principal; None: they see everything."""
    if principal.is_operator or principal.grant is None:
        return None
    try:
        return permissions.current_permissions().readable(principal.grant)
    except GrantEndedError:
        raise signed_out(principal.token_id) from None


def public_for(settings: Settings) -> timedelta:
    """How long a repository counts as public after GitHub last said so: as long as a person's own
    rights, and the poll that is due may take its time."""
    return permissions.HARD_LIMIT + timedelta(minutes=settings.poll_minutes)
