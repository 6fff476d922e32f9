"""GET /workflows and GET /workflows/{workflow_id}."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from api.auth.access import current_principal
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.errors import not_found
from api.filters import (
    REPOSITORY,
    RUN_PARAMETERS,
    RunFilter,
    read_filter,
    visible_repositories,
)
from api.pagination import PAGE_PARAMETERS, WHOLE_NUMBER, Page, read_page
from api.parameters import ID_SCHEMA, TEXT_SCHEMA, Arguments, Parameter, identifier, text
from api.responses import data_body
from api.stats.queries import read_statistics
from api.workflows.queries import find_workflow, list_workflows
from api.workflows.schemas import WORKFLOW, WORKFLOWS

blueprint = Blueprint("workflows", __name__)

WORKFLOW_ID = Parameter("workflow_id", "GitHub's id.", identifier, ID_SCHEMA, place="path")
OF_REPOSITORY = replace(
    REPOSITORY, description="The workflow as one of these repositories has it: `owner/name` or id."
)
CONDITIONS = (
    Parameter(
        "state",
        "Workflows in one of these states, such as `active`, that their repository lists.",
        text,
        TEXT_SCHEMA,
        many=True,
    ),
    Parameter("name", "Workflows whose name contains this, in any case.", text, TEXT_SCHEMA),
    Parameter(
        "status",
        "Workflows whose latest run has one of these statuses.",
        text,
        TEXT_SCHEMA,
        many=True,
    ),
    Parameter(
        "conclusion",
        "Workflows whose latest run has one of these conclusions.",
        text,
        TEXT_SCHEMA,
        many=True,
    ),
)


@blueprint.get("/workflows")
@endpoint(
    "Workflows, each with the status and conclusion of its latest run.",
    parameters=(REPOSITORY, *CONDITIONS, *PAGE_PARAMETERS),
    answer=WORKFLOWS,
)
def get_workflows(arguments: Arguments) -> Response:
    """In the order of their ids; one that several repositories have is a row of each."""
    with current_database().reading() as connection:
        repository_ids = visible_repositories(
            connection, current_principal(), arguments["repository"]
        )
        conditions = {
            parameter.name: list(given) if parameter.many else given
            for parameter in CONDITIONS
            if (given := arguments[parameter.name])
        }
        asked = {"repository": list(repository_ids)} if arguments["repository"] else {}
        applied = {**asked, **conditions}
        page = read_page(arguments, [WHOLE_NUMBER, WHOLE_NUMBER], "/workflows", applied)
        key = CacheKey("/workflows", applied, repository_ids, page)
        return cached_response(connection, key, lambda: _list(connection, key, conditions, page))


@blueprint.get("/workflows/<workflow_id>")
@endpoint(
    "One workflow with its latest run, and the statistics of its runs that the filter chooses.",
    parameters=(WORKFLOW_ID, OF_REPOSITORY, *RUN_PARAMETERS),
    answer=WORKFLOW,
)
def get_workflow(arguments: Arguments) -> Response:
    """The filter chooses the runs of `statistics`; the latest run is the latest of all.

    Of a workflow that several repositories have, since a ruleset requires it there, it is that of
    the repository which defines it, else of the one with the newest run, among those that the
    viewer sees; `repository_id` says which, and `repository` chooses.
    """
    principal, workflow_id = current_principal(), arguments["workflow_id"]
    with current_database().reading() as connection:
        chosen = _in_one_repository(
            connection,
            read_filter(connection, principal, {**arguments, "workflow": (workflow_id,)}),
            workflow_id,
        )
        key = CacheKey("/workflows/{workflow_id}", chosen.applied, chosen.repository_ids)
        return cached_response(
            connection, key, lambda: _one(connection, chosen, workflow_id), is_expensive=True
        )


def _list(connection: Connection, key: CacheKey, conditions: dict[str, Any], page: Page) -> bytes:
    rows = list_workflows(connection, key.repository_ids, conditions, page)
    shown, token = page.cut(rows, lambda row: (row["workflow_id"], row["repository_id"]))
    return data_body(shown, applied=key.applied, next=token)


def _in_one_repository(connection: Connection, chosen: RunFilter, workflow_id: int) -> RunFilter:
    """The filter, for the workflow as one repository has it."""
    if len(chosen.repository_ids) < 2:
        return chosen
    workflow = find_workflow(connection, chosen.repository_ids, workflow_id)
    return (
        chosen if workflow is None else replace(chosen, repository_ids=(workflow["repository_id"],))
    )


def _one(connection: Connection, chosen: RunFilter, workflow_id: int) -> bytes:
    workflow = find_workflow(connection, chosen.repository_ids, workflow_id)
    if workflow is None:
        raise not_found(f"Workflow {workflow_id}")
    workflow["statistics"] = read_statistics(connection, chosen)
    return data_body(workflow, applied=chosen.applied)
