"""Access: what a blueprint asks of its visitors, and which repositories a viewer may see."""

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, cast

from flask import Blueprint, Flask, current_app, g, request

from actionsight.api_tokens import find_token
from api.database import Connection, current_database
from api.errors import Problem

_EXTENSION = "access"


class Access(Enum):
    """What a visitor needs: nothing, a signature over the body, a session, or a session or token.

    SESSION is for what concerns the session itself: its view finds it, and asks GitHub for no
    rights, so that a person can sign out while GitHub is away.
    """

    PUBLIC = "public"
    SIGNED = "signed"
    SESSION = "session"
    VIEWER = "viewer"


@dataclass(frozen=True)
class Viewer:
    """Who asks. Every query takes `repository_ids`: what is not in it does not exist for them."""

    token_id: int
    repository_ids: tuple[int, ...]


def init_app(app: Flask) -> None:
    """Check every request before its view runs."""
    app.extensions[_EXTENSION] = {}
    app.before_request(_check)


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


def _check() -> None:
    if request.endpoint is None:
        return  # no such route: the 404 tells nothing
    access = access_of(current_app, request.blueprint)
    # Whether a body is signed well is known only once it is read: its view checks that, as the
    # views of sessions check theirs. A route that nobody declared is closed, not open.
    if access not in (Access.PUBLIC, Access.SIGNED, Access.SESSION):
        g.viewer = _viewer()


def _viewer() -> Viewer:
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        raise _unauthorized("Send an API token: `Authorization: Bearer …`.", "")
    with current_database().writing() as connection:
        found = find_token(connection, given.token)
        if found is None or found.user_id is not None:
            raise _unauthorized(
                "The API token is unknown, expired or revoked.", ', error="invalid_token"'
            )
        return Viewer(found.token_id, _monitored(connection))


def _monitored(connection: Connection) -> tuple[int, ...]:
    """All that is monitored: an API token has an operator's rights."""
    rows = connection.execute(
        "select repository_id from app.repositories where removed_at is null order by 1"
    ).fetchall()
    return tuple(row["repository_id"] for row in rows)


def _unauthorized(detail: str, error: str) -> Problem:
    challenge = f'Bearer realm="actionsight"{error}'
    return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})
