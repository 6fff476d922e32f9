"""GET /workflows and GET /workflows/{workflow_id}."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from flask import Blueprint, Response
from pydantic import BeforeValidator, Field

from api.auth.access import current_principal
from api.branches.queries import Branch, health_record, read_health
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.changes.levels import read_levels
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.errors import bad_query, not_found
from api.filters import DEFAULT_DAYS, RunFilter, RunsFilter, WorkflowRunsFilter, read_filter
from api.pagination import Page, PageParameters, read_page
from api.parameters import Text, Texts, sort_schema, split
from api.responses import Body, data_body, list_body
from api.stats.comparison import (
    Comparison,
    ComparisonParameters,
    comparable_list,
    comparable_one,
    compared_row,
    key_of,
    read_comparison,
    rules_of_terms,
    told,
    with_parts,
)
from api.stats.metrics import terms
from api.stats.queries import Question, over_nothing, read_all_groups, read_previous_groups, within
from api.stats.views import ChosenTerms, read_compared_statistics
from api.workflows.queries import find_workflow, read_recent_runs, workflow_keys, workflows_of
from api.workflows.records import ListedWorkflow, WorkflowWithStatistics

blueprint = Blueprint("workflows", __name__)

_CONDITIONS = ("state", "name", "status", "conclusion")
Part = Literal["statistics", "health", "recent_runs"]
PartOfOne = Literal["health", "levels"]


class WorkflowsQuery(PageParameters, ChosenTerms, ComparisonParameters, RunsFilter):
    """What GET /workflows may be asked; what chooses runs chooses those of `statistics`."""

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
    include: Annotated[tuple[Part, ...], BeforeValidator(split)] = Field(
        (), description="Parts that are left out otherwise."
    )
    sort: Annotated[str | None, sort_schema(("name", *terms()))] = Field(
        None,
        description="`name` or a term of the statistics, with `-` in front where the greatest "
        "comes first; unknown ones come last. By default the ids.",
    )


class WorkflowQuery(ChosenTerms, ComparisonParameters, WorkflowRunsFilter):
    """What GET /workflows/{workflow_id} may be asked; `repository` chooses as which one has it."""

    include: Annotated[tuple[PartOfOne, ...], BeforeValidator(split)] = Field(
        (), description="Parts that are left out otherwise."
    )


@blueprint.get("/workflows")
@endpoint(
    "Workflows, each with its latest run, and with the parts that `include` names.",
    tag="workflows",
    query=WorkflowsQuery,
    answer=comparable_list(ListedWorkflow),
    is_list=True,
)
def get_workflows(query: WorkflowsQuery) -> Response:
    """One that several repositories have is a row of each. `statistics` are of the runs that the
    filter chooses, `health` and `recent_runs` of the default branch, now."""
    term = _sorting_term(query)
    has_statistics = "statistics" in query.include
    # Only health reads intervals.
    further = ["branch_health_intervals"] if "health" in query.include else []
    with current_database().reading(*further) as connection:
        chosen = read_filter(
            connection,
            current_principal(),
            query.model_copy(update={"status": (), "conclusion": ()}),
            default_days=DEFAULT_DAYS if has_statistics or term else None,
        )
        comparison = read_comparison(connection, query, chosen) if has_statistics else None
        conditions = {
            name: list(given) if isinstance(given, tuple) else given
            for name in _CONDITIONS
            if (given := getattr(query, name))
        }
        asked = {
            name: list(given) if isinstance(given, tuple) else given
            for name in ("include", "fields", "sort", "compare")
            if (given := getattr(query, name))
        }
        applied = {**chosen.applied, **conditions, **asked}
        page = read_page(query, "/workflows", applied)
        route = "/workflows"
        key = CacheKey(route, key_of(applied, comparison), chosen.repository_ids, page)

        def compute() -> Body:
            if query.workflow:
                conditions["workflow"] = list(query.workflow)
            keys = workflow_keys(connection, chosen.repository_ids, conditions)
            values = _values(connection, chosen, keys, query.sort, term)
            shown, token = _cut(keys, values, page, query.sort)
            rows = _with_parts(connection, chosen, comparison, shown, query)
            return list_body(rows, token, applied=applied, **told(comparison))

        is_expensive = has_statistics or term is not None
        return cached_response(connection, key, compute, is_expensive=is_expensive)


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
    marts = {"health": "branch_health_intervals", "levels": "level_changes"}
    with current_database().reading(*(marts[part] for part in query.include)) as connection:
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
            **({"include": list(query.include)} if query.include else {}),
        }
        route = "/workflows/{workflow_id}"
        key = CacheKey(route, key_of(applied, comparison), chosen.repository_ids)
        fields = query.fields or tuple(terms())
        return cached_response(
            connection,
            key,
            lambda: _one(
                connection, chosen, comparison, workflow_id, fields, query.include, applied
            ),
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


Pair = tuple[int, int]


@functools.total_ordering
@dataclass(frozen=True)
class _Reversed:
    """A value that sorts the other way round."""

    value: Any

    def __lt__(self, other: "_Reversed") -> bool:
        return bool(other.value < self.value)


def _sorting_term(query: WorkflowsQuery) -> str | None:
    """The term by which workflows are ordered; None: by ids or names."""
    name = (query.sort or "name").removeprefix("-")
    if name == "name":
        return None
    if name not in terms():
        raise bad_query("sort", "must be `name` or a term, with or without `-` in front")
    return name


def _pair(row: Mapping[str, Any]) -> Pair:
    return row["workflow_id"], row["repository_id"]


def _values(
    connection: Connection,
    chosen: RunFilter,
    keys: Sequence[Mapping[str, Any]],
    sort: str | None,
    term: str | None,
) -> dict[Pair, Any]:
    """What workflows are ordered by."""
    if sort is None:
        return {_pair(row): 0 for row in keys}
    if term is None:
        return {_pair(row): row["name"].lower() for row in keys}
    found = read_all_groups(connection, chosen, Question((term,), ("workflow",)))
    known = {_pair(row): row[term] for row in found}
    nothing = over_nothing(term)
    return {_pair(row): known.get(_pair(row), nothing) for row in keys}


def _cut(
    keys: Sequence[Mapping[str, Any]], values: Mapping[Pair, Any], page: Page, sort: str | None
) -> tuple[list[Pair], str | None]:
    """A page of the workflows in their order. There are a few thousand at most, and what they are
    ordered by is known of all of them, so they are put in order here."""
    is_descending = (sort or "").startswith("-")

    def position(value: Any, pair: Pair) -> tuple[Any, ...]:
        # By the value, those without one last; then by the ids.
        if value is None:
            return (True, 0, *pair)
        return (False, _Reversed(value) if is_descending else value, *pair)

    ordered = sorted(map(_pair, keys), key=lambda pair: position(values[pair], pair))
    if page.after is not None:
        value, workflow_id, repository_id = page.after
        last = position(value, (workflow_id, repository_id))
        ordered = [pair for pair in ordered if position(values[pair], pair) > last]
    rows = [
        {"value": values[pair], "workflow_id": pair[0], "repository_id": pair[1]}
        for pair in ordered[: page.limit + 1]
    ]
    shown, token = page.cut(rows, lambda row: (row["value"], *_pair(row)))
    return [_pair(row) for row in shown], token


def _with_parts(
    connection: Connection,
    chosen: RunFilter,
    comparison: Comparison | None,
    pairs: Sequence[Pair],
    query: WorkflowsQuery,
) -> list[dict[str, Any]]:
    workflows = workflows_of(connection, pairs)
    rows = [workflows[pair] for pair in pairs]
    if "statistics" in query.include:
        statistics = _statistics(connection, chosen, comparison, pairs, query.fields)
        for row in rows:
            row["statistics"] = statistics[_pair(row)]
    if "health" in query.include:
        branches = [Branch(repository_id, workflow_id) for workflow_id, repository_id in pairs]
        health = read_health(connection, branches)
        for row, branch in zip(rows, branches, strict=True):
            row["health"] = health_record(health[branch])
    if "recent_runs" in query.include:
        recent = read_recent_runs(connection, pairs)
        for row in rows:
            row["recent_runs"] = recent[_pair(row)]
    return rows


def _statistics(
    connection: Connection,
    chosen: RunFilter,
    comparison: Comparison | None,
    pairs: Sequence[Pair],
    fields: tuple[str, ...],
) -> dict[Pair, dict[str, Any]]:
    """The chosen terms of each workflow, and what they are compared with."""
    names = fields or tuple(terms())
    rules = rules_of_terms()
    question = Question(names if comparison is None else with_parts(names, rules), ("workflow",))
    if not pairs:
        return {}
    keys = [{"workflow_id": pair[0], "repository_id": pair[1]} for pair in pairs]
    of_page = within(chosen, keys)
    found = {_pair(row): row for row in read_all_groups(connection, of_page, question)}
    nothing = {name: over_nothing(name) for name in question.fields}
    rows = [found.get(pair, {**key, **nothing}) for pair, key in zip(pairs, keys, strict=True)]
    if comparison is None:
        return {_pair(row): {name: row[name] for name in names} for row in rows}
    before = read_previous_groups(connection, comparison.previous, question, rows)
    return {
        _pair(row): {
            **{name: row[name] for name in names},
            **compared_row(
                names,
                rules,
                row,
                found_before if comparison.is_collected(row) else None,
            ),
        }
        for row, found_before in zip(rows, before, strict=True)
    }


def filter_of_workflow(
    connection: Connection, query: WorkflowRunsFilter, workflow_id: int
) -> RunFilter:
    """The filter of a route below a workflow, for the workflow as one repository has it.

    Raises:
        Problem: as `read_filter`; 404 too where none of the repositories that are asked for has it.
    """
    chosen = read_filter(connection, current_principal(), query, workflow_id=workflow_id)
    if not chosen.repository_ids:
        raise not_found(f"Workflow {workflow_id}")
    return in_one_repository(connection, chosen, workflow_id)


def _one(
    connection: Connection,
    chosen: RunFilter,
    comparison: Comparison | None,
    workflow_id: int,
    fields: tuple[str, ...],
    include: tuple[PartOfOne, ...],
    applied: dict[str, Any],
) -> Body:
    workflow = find_workflow(connection, chosen.repository_ids, workflow_id)
    if workflow is None:
        raise not_found(f"Workflow {workflow_id}")
    workflow["statistics"] = read_compared_statistics(connection, chosen, comparison, fields)
    branch = Branch(workflow["repository_id"], workflow_id)
    if "health" in include:
        workflow["health"] = health_record(read_health(connection, [branch])[branch])
    if "levels" in include:
        workflow["levels"] = read_levels(connection, branch.repository_id, workflow_id)
    return data_body(workflow, applied=applied, **told(comparison))
