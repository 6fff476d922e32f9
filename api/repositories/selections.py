"""GET /repositories/selections: what was asked to be monitored, and what GitHub says to it."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response

from api.auth.access import current_principal
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.errors import Problem
from api.pagination import NEXT_SCHEMA, PAGE_PARAMETERS, TEXT, Page, read_page
from api.parameters import Arguments
from api.responses import json_response
from api.schemas import COUNT, ID, TIME, described, nullable, record
from api.schemas import TEXT as TEXT_SCHEMA

blueprint = Blueprint("selections", __name__)

STATES = ("waiting", "followed", "refused")

_SELECTION = record(
    {
        "name": described(
            TEXT_SCHEMA, "As asked, in lower case: `owner/name`, or `owner/*` for all of an owner."
        ),
        "state": {
            "type": "string",
            "enum": list(STATES),
            "description": "GitHub was not asked yet; it names what is monitored; or GitHub "
            "refuses it (`last_error`).",
        },
        "repository_id": described(nullable(ID), "What GitHub calls it; null for `owner/*`."),
        "repository_count": described(COUNT, "Repositories that are monitored by it."),
        "added_at": TIME,
        "listed_at": described(
            nullable(TIME), "When GitHub last listed the repositories of `owner/*`; null: not yet."
        ),
        "last_error": described(
            nullable(TEXT_SCHEMA), "Why GitHub refuses it; it is tried again. Null: it does not."
        ),
    }
)
_ANSWER = record({"data": {"type": "array", "items": _SELECTION}, "next": NEXT_SCHEMA})


@blueprint.get("/repositories/selections")
@endpoint(
    "What was selected to be monitored, by name; for operators.",
    parameters=PAGE_PARAMETERS,
    answer=_ANSWER,
    has_freshness=False,
    failures={
        HTTPStatus.FORBIDDEN: "The viewer is no operator, or has to sign in again for this token."
    },
)
def get_selections(arguments: Arguments) -> Response:
    """Every `owner/name` and `owner/*` that the settings, the command line or people named and
    nobody removed, with what GitHub says to it: a name that is wrong or not readable shows here
    alone, since nothing is monitored by it. In the order of the names."""
    if not current_principal().is_operator:
        raise Problem(HTTPStatus.FORBIDDEN, "Only operators see what was selected.")
    page = read_page(arguments, [TEXT], "/repositories/selections", {})
    with current_database().snapshot() as connection:
        rows = _list(connection, page)
    shown, token = page.cut(rows, lambda row: (row["name"],))
    return json_response({"data": shown, "next": token})


def _list(connection: Connection, page: Page) -> list[dict[str, Any]]:
    """The selections of a page, and one more."""
    (after,) = page.after or (None,)
    return connection.execute(
        """
        select
            selection.name,
            case
                when selection.last_error is not null then 'refused'
                when selection.repository_id is null and selection.listed_at is null
                    then 'waiting'
                else 'followed'
            end as state,
            selection.repository_id,
            (
                select count(*) from app.repositories
                where removed_at is null and (
                    repositories.repository_id = selection.repository_id
                    or repositories.selected_by = selection.name
                )
            ) as repository_count,
            selection.added_at,
            selection.listed_at,
            selection.last_error
        from app.repository_selections as selection
        where selection.removed_at is null and (%(after)s::text is null or name > %(after)s)
        order by selection.name
        limit %(limit)s
        """,
        {"after": after, "limit": page.limit + 1},
    ).fetchall()
