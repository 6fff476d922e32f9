"""GET /repositories."""

from typing import Any

from flask import Blueprint, Response

from api.auth.access import current_principal
from api.database import Connection
from api.endpoints import endpoint
from api.filters import REPOSITORY, visible_repositories
from api.freshness import read_freshness
from api.pagination import PAGE_PARAMETERS, TEXT, WHOLE_NUMBER, read_page
from api.parameters import Arguments
from api.repositories.queries import list_repositories, read_as_built
from api.repositories.schemas import REPOSITORIES
from api.responses import data_body, tag_of, tagged_response

blueprint = Blueprint("repositories", __name__)


@blueprint.get("/repositories")
@endpoint(
    "Monitored repositories, how far their collection has come, and what troubles it.",
    parameters=(REPOSITORY, *PAGE_PARAMETERS),
    answer=REPOSITORIES,
)
def get_repositories(arguments: Arguments) -> Response:
    """In the order of their names."""
    principal, asked = current_principal(), arguments["repository"]

    def read(connection: Connection, is_built: bool) -> tuple[Any, ...]:
        repository_ids = visible_repositories(connection, principal, asked)
        applied: dict[str, Any] = {"repository": list(repository_ids)} if asked else {}
        page = read_page(arguments, [TEXT, WHOLE_NUMBER], "/repositories", applied)
        rows = list_repositories(connection, repository_ids, page, is_built=is_built)
        return page, rows, applied, read_freshness(connection, repository_ids)

    page, rows, applied, freshness = read_as_built(read)
    shown, token = page.cut(rows, lambda row: (row["full_name"].lower(), row["repository_id"]))
    # It tells how collection is doing, which changes with every poll: not worth caching.
    body = data_body(shown, applied=applied, next=token)
    return tagged_response(tag_of(body), lambda: body, freshness)
