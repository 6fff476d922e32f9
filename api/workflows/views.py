"""GET /workflows and GET /workflows/{workflow_id}."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response
from pydantic import Field

from api.auth.access import current_principal
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.errors import not_found
from api.filters import (
    OfRepositories,
    RunFilter,
    WorkflowRunsFilter,
    read_filter,
    visible_repositories,
)
from api.pagination import Page, PageParameters, read_page
from api.parameters import Text, Texts
from api.records import list_of
from api.responses import Body, data_body, list_body
from api.stats.comparison import (
    Comparison,
    ComparisonParameters,
    comparable_one,
    key_of,
    read_comparison,
    told,
)
from api.stats.metrics import terms
from api.stats.views import ChosenTerms, read_compared_statistics
from api.workflows.queries import find_workflow, list_workflows
from api.workflows.records import Workflow, WorkflowWithStatistics

blueprint = Blueprint("workflows", __name__)

_CONDITIONS = ("state", "name", "status", "conclusion")


class WorkflowsQuery(PageParameters, OfRepositories):
    """What GET /workflows may be asked."""

    state: Texts = Field(
        (),
        description="Workflows in one of these states, such as `active`, that their repository "
        "lists.",
    )
    name: Text | None = Field(None, description="Workflows whose name contains this, in any case.")
    status: Texts = Field((), description="Workflows whose latest run has one of these statuses.")
    conclusion: Texts = Field(
        (), description="Workflows whose latest run has one of these conclusions."
    )


class WorkflowQuery(ChosenTerms, ComparisonParameters, WorkflowRunsFilter):
    """What GET /workflows/{workflow_id} may be asked; `repository` chooses as which one has it."""


@blueprint.get("/workflows")
@endpoint(
    "Workflows, each with its latest run.",
    tag="workflows",
    query=WorkflowsQuery,
    answer=list_of(Workflow),
    is_list=True,
)
def get_workflows(query: WorkflowsQuery) -> Response:
    """In the order of their ids; one that several repositories have is a row of each."""
    with current_database().reading() as connection:
        repository_ids = visible_repositories(connection, current_principal(), query.repository)
        conditions = {
            name: list(given) if isinstance(given, tuple) else given
            for name in _CONDITIONS
            if (given := getattr(query, name))
        }
        asked = {"repository": list(repository_ids)} if query.repository else {}
        applied = {**asked, **conditions}
        page = read_page(query, "/workflows", applied)
        key = CacheKey("/workflows", applied, repository_ids, page)
        return cached_response(connection, key, lambda: _list(connection, key, conditions, page))


@blueprint.get("/workflows/<id:workflow_id>")
@endpoint(
    "One workflow with its latest run, and the statistics of its runs that the filter chooses.",
    tag="workflows",
    query=WorkflowQuery,
    answer=comparable_one(WorkflowWithStatistics),
)
def get_workflow(query: WorkflowQuery, workflow_id: int) -> Response:
    """The filter chooses the runs of `statistics`; the latest run is the latest of all.

    Of a workflow that several repositories have, since a ruleset requires it there, it is that of
    the repository which defines it, else of the one with the newest run, among those that the
    viewer sees; `repository_id` says which, and `repository` chooses.
    """
    with current_database().reading() as connection:
        chosen = in_one_repository(
            connection,
            read_filter(connection, current_principal(), query, workflow_id=workflow_id),
            workflow_id,
        )
        comparison = read_comparison(connection, query, chosen)
        applied = {
            **chosen.applied,
            **({"fields": list(query.fields)} if query.fields else {}),
            **({"compare": query.compare} if query.compare else {}),
        }
        route = "/workflows/{workflow_id}"
        key = CacheKey(route, key_of(applied, comparison), chosen.repository_ids)
        fields = query.fields or tuple(terms())
        return cached_response(
            connection,
            key,
            lambda: _one(connection, chosen, comparison, workflow_id, fields, applied),
            is_expensive=True,
        )


def in_one_repository(connection: Connection, chosen: RunFilter, workflow_id: int) -> RunFilter:
    """The filter, for the workflow as one repository has it."""
    if len(chosen.repository_ids) < 2:
        return chosen
    workflow = find_workflow(connection, chosen.repository_ids, workflow_id)
    return (
        chosen if workflow is None else replace(chosen, repository_ids=(workflow["repository_id"],))
    )


def _list(connection: Connection, key: CacheKey, conditions: dict[str, Any], page: Page) -> Body:
    rows = list_workflows(connection, key.repository_ids, conditions, page)
    shown, token = page.cut(rows, lambda row: (row["workflow_id"], row["repository_id"]))
    return list_body(shown, token, applied=key.applied)


def _one(
    connection: Connection,
    chosen: RunFilter,
    comparison: Comparison | None,
    workflow_id: int,
    fields: tuple[str, ...],
    applied: dict[str, Any],
) -> Body:
    workflow = find_workflow(connection, chosen.repository_ids, workflow_id)
    if workflow is None:
        raise not_found(f"Workflow {workflow_id}")
    workflow["statistics"] = read_compared_statistics(connection, chosen, comparison, fields)
    return data_body(workflow, applied=applied, **told(comparison))
