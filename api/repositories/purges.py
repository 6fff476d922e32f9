"""GET and DELETE /repositories/{repository_id}/data: the end of a repository's data.

It is deleted by a job, which waits for what is under way (`orchestration/purging.py`): here it is
asked for, in app.purges.
"""

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response
from psycopg import sql

from api.auth.access import current_principal
from api.auth.authentication import Principal
from api.database import current_database
from api.endpoints import endpoint
from api.errors import Problem, not_found
from api.records import Record
from api.repositories.queries import MonitoredRepository, find_repository
from api.repositories.records import Purge
from api.responses import json_response

blueprint = Blueprint("purges", __name__)


class RequestedPurge(Record):
    """How the deletion of a repository's data goes."""

    data: Purge


_FORBIDDEN = "The viewer sees the repository and is no operator"
_STATE = sql.SQL("""
    purge.repository_id,
    purge.full_name,
    purge.requested_at,
    purge.requested_by,
    purge.started_at,
    purge.completed_at,
    purge.error
""")
_READ = sql.SQL("select {} from app.purges as purge where repository_id = %s").format(_STATE)
# What an open request is known to wait for stays.
_REQUEST = sql.SQL("""
    insert into app.purges as purge (repository_id, full_name, requested_by, token_id)
    select repository_id, full_name, %(user)s, %(token)s
    from app.repositories
    where repository_id = %(id)s and removed_at is not null
    on conflict (repository_id) do update set
        full_name = excluded.full_name,
        requested_at = excluded.requested_at,
        requested_by = excluded.requested_by,
        token_id = excluded.token_id,
        started_at = case when purge.completed_at is null then purge.started_at end,
        completed_at = null,
        error = case when purge.completed_at is null then purge.error end
    returning {}
""").format(_STATE)


@blueprint.get("/repositories/<id:repository_id>/data")
@endpoint(
    "How the deletion of a repository's data goes; for operators.",
    tag="repositories",
    answer=RequestedPurge,
    has_freshness=False,
    failures={
        HTTPStatus.FORBIDDEN: f"{_FORBIDDEN}, or has to sign in again for this token.",
        HTTPStatus.NOT_FOUND: "It was not asked for, or the viewer may not see the repository.",
    },
)
def get_data(repository_id: int) -> Response:
    """What was last asked for, and how far it is."""
    check_operator(current_principal(), repository_id)
    with current_database().writing() as connection:
        purge = connection.execute(_READ, [repository_id]).fetchone()
    if purge is None:
        raise Problem(
            HTTPStatus.NOT_FOUND, f"Nobody asked to delete the data of repository {repository_id}."
        )
    return json_response({"data": purge})


@blueprint.delete("/repositories/<id:repository_id>/data")
@endpoint(
    "Deletes all data of a repository that is not monitored any more; for operators.",
    tag="repositories",
    answer=RequestedPurge,
    status=HTTPStatus.ACCEPTED,
    has_freshness=False,
    failures={
        HTTPStatus.FORBIDDEN: f"{_FORBIDDEN}; or what protects writes by cookie is missing; or "
        "the owner of the token has to sign in again.",
        HTTPStatus.CONFLICT: "The repository is monitored.",
    },
)
def delete_data(repository_id: int) -> Response:
    """A job deletes it, as soon as no collection and no build is under way that could bring rows
    back; asking again is the same request. `GET` tells how it goes. A repository that is added
    again before the job comes to it keeps its data."""
    principal = current_principal()
    check_operator(principal, repository_id)
    with current_database().writing() as connection:
        known = find_repository(connection, repository_id)
    if known is None:
        raise not_found(f"Repository {repository_id}")
    return request_purge(principal, known)


def check_operator(principal: Principal, repository_id: int) -> None:
    """Others are told of what they see that it is not theirs to delete, of what is hidden nothing.

    Raises:
        Problem: the principal is no operator.
    """
    if principal.is_operator:
        return
    if repository_id in principal.repository_ids:
        raise Problem(HTTPStatus.FORBIDDEN, "Only operators may delete data.")
    raise not_found(f"Repository {repository_id}")


def request_purge(principal: Principal, known: MonitoredRepository) -> Response:
    """Ask for the deletion, once however often: a 202 that says how it goes.

    Raises:
        Problem: the repository is monitored.
    """
    parameters: dict[str, Any] = {
        "id": known.repository_id,
        "user": principal.user_id,
        "token": principal.token_id,
    }
    with current_database().writing() as connection:
        purge = connection.execute(_REQUEST, parameters).fetchone()
    if purge is None:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"{known.full_name} is monitored. `DELETE /repositories/{known.repository_id}"
            "?purge=true` ends that, and deletes its data.",
        )
    return json_response({"data": purge}, HTTPStatus.ACCEPTED.value)
