"""GET /repositories/selections: what was asked to be monitored, and what GitHub says to it."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response

from api.auth.access import current_principal
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.errors import Problem
from api.pagination import Page, PageParameters, read_page
from api.records import list_of
from api.repositories.records import Selection
from api.responses import body_response, list_body

blueprint = Blueprint("selections", __name__)


@blueprint.get("/repositories/selections")
@endpoint(
    "What was selected to be monitored, by name; for operators.",
    tag="repositories",
    query=PageParameters,
    answer=list_of(Selection),
    is_list=True,
    has_freshness=False,
    failures={
        HTTPStatus.FORBIDDEN: "The viewer is no operator, or has to sign in again for this token."
    },
)
def get_selections(query: PageParameters) -> Response:
    """Every `owner/name` and `owner/*` that the settings, the command line or people named and
    nobody removed, with what GitHub says to it: a name that is wrong or not readable shows here
    alone, since nothing is monitored by it. In the order of the names."""
    if not current_principal().is_operator:
        raise Problem(HTTPStatus.FORBIDDEN, "Only operators see what was selected.")
    page = read_page(query, "/repositories/selections", {})
    with current_database().snapshot() as connection:
        rows = _list(connection, page)
    shown, token = page.cut(rows, lambda row: (row["name"],))
    return body_response(list_body(shown, token, applied={}))


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
