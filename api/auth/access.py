"""Access: what a blueprint asks of its visitors, and which repositories a viewer may see."""

from collections.abc import Callable
from dataclasses import dataclass
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
    Visitor,
    read_visitor,
    sends_credentials,
    signed_out,
)
from api.auth.grants import GrantEndedError
from api.auth.permissions import Known
from api.current import current_settings
from api.database import Connection, current_database

_EXTENSION = "access"


class Access(Enum):
    """What a visitor needs: nothing, a signature over the body, a session, or a session or token.

    OPTIONAL is for what tells everybody something, and a viewer more: who sends nothing is nobody,
    who sends something that opens nothing is refused. SESSION is for what concerns the session
    itself: its view finds it, and asks GitHub for no rights, so that a person can sign out while
    GitHub is away.
    """

    PUBLIC = "public"
    OPTIONAL = "optional"
    SIGNED = "signed"
    SESSION = "session"
    VIEWER = "viewer"


@dataclass(frozen=True)
class Viewer:
    """Who asks. Every query takes `repository_ids`: what is not in it does not exist for them.

    Attributes:
        user_id: the person, by GitHub's id; None: a token of the operator's command line.
        token_id: by which API token; None: by a session.
        login: as GitHub last told it, for people to read.
        is_operator: sees and manages all that is monitored.
        repository_ids: what they may see of what is monitored.
        grant_id: by which GitHub is asked on their behalf; None: it cannot be.
    """

    user_id: int | None
    token_id: int | None
    login: str | None
    is_operator: bool
    repository_ids: tuple[int, ...]
    grant_id: int | None = None


def init_app(app: Flask) -> None:
    """Give this application, which has its settings and its database, its knowledge of people.

    `find_visitor` and `find_viewer` are to run, in this order, before the view of every request.
    """
    app.extensions[_EXTENSION] = {}
    permissions.init_app(app)


def register(app: Flask, blueprint: Blueprint, access: Access) -> None:
    """Register a blueprint together with what it asks of its visitors."""
    app.extensions[_EXTENSION][blueprint.name] = access
    app.register_blueprint(blueprint)


def access_of(app: Flask, blueprint_name: str | None) -> Access | None:
    """What was declared for a blueprint; None if nothing was."""
    declared: dict[str | None, Access] = app.extensions[_EXTENSION]
    return declared.get(blueprint_name)


def current_viewer() -> Viewer:
    """Who sent the request that is answered now; behind `Access.VIEWER` there always is one."""
    viewer: Any = g.viewer
    return cast(Viewer, viewer)


def viewer_if_any() -> Viewer | None:
    """Behind `Access.OPTIONAL`: who sent the request; None: nobody in particular.

    Raises:
        psycopg.Error: somebody did, and the database could not say who.
    """
    if error := g.get("viewer_error"):
        raise error
    viewer: Any = g.get("viewer")
    return cast(Viewer | None, viewer)


# Whether a body is signed well is known only once it is read: its view checks that, as the views of
# sessions check theirs.
_CHECKED_BY_VIEW = frozenset({Access.PUBLIC, Access.SIGNED, Access.SESSION})


def find_visitor() -> None:
    """Find out who sends the request, as far as its route wants to know: `g.visitor`.

    Raises:
        Problem: 401, 403.
    """
    if request.endpoint is None:
        return  # no such route: the 404 tells nothing
    access = access_of(current_app, request.blueprint)
    if access is Access.OPTIONAL:
        if sends_credentials(request, current_settings()):
            _note_error(_find_visitor)
    # A route that nobody declared is closed, not open.
    elif access not in _CHECKED_BY_VIEW:
        _find_visitor()


def find_viewer() -> None:
    """Find out what the visitor may see: `g.viewer`. GitHub may be asked for that.

    Raises:
        Problem: 401, 403, GitHub ended the sign-in.
    """
    visitor: Visitor | None = g.get("visitor")
    if visitor is None:
        return
    if access_of(current_app, request.blueprint) is Access.OPTIONAL:
        _note_error(lambda: _find_viewer(visitor))
    else:
        _find_viewer(visitor)


def _note_error(find: Callable[[], None]) -> None:
    try:
        find()
    except psycopg.Error as error:
        g.viewer_error = error


def _find_visitor() -> None:
    with current_database().writing() as connection:
        g.visitor = read_visitor(connection, request, current_settings(), _needed_scope())


def _needed_scope() -> Scope:
    """What an API token must be for: /metrics, or anything that answers or changes something."""
    if access_of(current_app, request.blueprint) is Access.OPTIONAL:
        return "metrics"
    return "read" if request.method in SAFE_METHODS else "manage"


def _find_viewer(visitor: Visitor) -> None:
    # No connection is held while GitHub is asked.
    readable = _readable(visitor)
    with current_database().writing() as connection:
        repository_ids = _visible(connection, readable, public_for(current_settings()))
    g.viewer = Viewer(
        visitor.user_id,
        visitor.token_id,
        visitor.login,
        visitor.is_operator,
        repository_ids,
        visitor.person.grant_id if visitor.person else None,
    )


def _readable(visitor: Visitor) -> Known | None:
    """What GitHub lists for the visitor; None: they see everything."""
    if visitor.is_operator or visitor.person is None:
        return None
    try:
        return permissions.current_rights().readable(visitor.person)
    except GrantEndedError:
        raise signed_out(visitor.token_id) from None


def public_for(settings: Settings) -> timedelta:
    """How long a repository counts as public after GitHub last said so: as long as a person's own
    rights, and the poll that is due may take its time."""
    return permissions.HARD_LIMIT + timedelta(minutes=settings.poll_minutes)


def _visible(
    connection: Connection, readable: Known | None, public_for: timedelta
) -> tuple[int, ...]:
    """What is monitored, as far as it is public or readable.

    Whether a repository is public is read after GitHub was asked, so that one that was closed
    meanwhile is closed. What nobody could confirm for too long is not public, and one that GitHub
    denies is for operators alone. A right that was read before a webhook took it is none.
    """
    rows = connection.execute(
        """
        select
            repository_id,
            visibility = 'public' and visibility_seen_at > now() - %s as is_public,
            unreachable_since is null as is_reachable,
            coalesce(rights_invalid_before < %s, true) as are_rights_valid
        from app.repositories where removed_at is null order by 1
        """,
        [public_for, readable.read_at if readable else None],
    ).fetchall()
    return tuple(
        row["repository_id"]
        for row in rows
        if readable is None
        or (
            row["is_reachable"]
            and (
                row["is_public"]
                or (row["are_rights_valid"] and row["repository_id"] in readable.roles)
            )
        )
    )
