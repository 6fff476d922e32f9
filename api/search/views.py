"""GET /search."""

from typing import Annotated

from flask import Blueprint, Response
from pydantic import BeforeValidator, Field, WithJsonSchema

from api.auth.access import current_principal
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.database import current_database
from api.endpoints import endpoint
from api.filters import visible_repositories
from api.pagination import MOST_ROWS
from api.parameters import CONTROLS, TEXT_SCHEMA, Parameters, text, whole_number
from api.records import list_of
from api.responses import list_body
from api.search.queries import search
from api.search.records import Hit

blueprint = Blueprint("search", __name__)

LEAST_CHARACTERS = 2


def _q(value: str) -> str:
    stripped = text(value).strip(" ")
    if len(stripped) < LEAST_CHARACTERS:
        raise ValueError(f"must be at least {LEAST_CHARACTERS} characters")
    return stripped


class SearchQuery(Parameters):
    """What GET /search may be asked."""

    q: Annotated[
        str,
        BeforeValidator(_q),
        WithJsonSchema(
            {**TEXT_SCHEMA, "pattern": f"^ *[^ {CONTROLS}][^{CONTROLS}]*[^ {CONTROLS}] *$"}
        ),
    ] = Field(
        description="A part of a name, in any case; a number; the first digits of a commit; or an "
        "address at GitHub of a repository, workflow, run, job, pull request, commit or branch."
    )
    limit: Annotated[
        int,
        BeforeValidator(whole_number(1, MOST_ROWS)),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_ROWS}),
    ] = Field(20, description="How many hits at most.")


@blueprint.get("/search")
@endpoint(
    "Repositories, workflows, jobs, runs, branches, commits and actors.",
    tag="installation",
    query=SearchQuery,
    answer=list_of(Hit),
    is_list=True,
)
def get_search(query: SearchQuery) -> Response:
    """Of what the viewer sees: what is named exactly first, all at once. Branches, actors and
    numbers are those of recent runs, jobs those of the last four weeks."""
    with current_database().reading(
        "job_statistics_by_day", "repository_statistics_by_day"
    ) as connection:
        repository_ids = visible_repositories(connection, current_principal(), ())
        applied = {"q": query.q, "limit": query.limit}
        key = CacheKey("/search", applied, repository_ids)
        return cached_response(
            connection,
            key,
            lambda: list_body(
                search(connection, repository_ids, query.q, query.limit), None, applied=applied
            ),
            is_expensive=True,
        )
