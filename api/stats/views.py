"""GET /stats."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, get_args

from flask import Blueprint, Response
from pydantic import BeforeValidator, Field, WithJsonSchema, create_model

from api.auth.access import current_principal
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.errors import bad_query
from api.filters import RunFilter, RunsFilter, read_filter
from api.pagination import Page, PageParameters, read_page
from api.parameters import Parameters, sort_schema, split
from api.records import Filter, Next, PartialRecord
from api.responses import CSV, Body, current_media_type, data_body, list_body
from api.stats.comparison import (
    COMPARED,
    Comparison,
    ComparisonParameters,
    comparable,
    compared_row,
    key_of,
    read_comparison,
    rules_of_terms,
    told,
    with_parts,
)
from api.stats.groups import ALIASES, GROUPS, GroupBy, group_of
from api.stats.metrics import Statistics, terms, terms_by_day
from api.stats.queries import Question, read_groups, read_previous_groups, read_statistics

blueprint = Blueprint("stats", __name__)

MOST_GROUPS = 2


def _fields(values: list[str]) -> tuple[str, ...]:
    names = split(values)
    for name in names:
        if name not in terms():
            raise ValueError("must be terms of GET /definitions, such as run_count,success_rate")
    return tuple(names)


def group_by_of(known: Sequence[str]) -> Callable[[list[str]], tuple[str, ...]]:
    """One or two of the groups that are known."""

    def read(values: list[str]) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(ALIASES.get(name, name) for name in split(values)))
        if not all(name in known for name in names):
            raise ValueError(f"must be one of {', '.join(known)}")
        if len(names) > MOST_GROUPS:
            raise ValueError(f"must be {MOST_GROUPS} at most")
        return names

    return read


def group_by_schema(known: Sequence[str]) -> WithJsonSchema:
    """What such a parameter may be."""
    return WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "enum": list(known)},
            "maxItems": MOST_GROUPS,
        }
    )


class ChosenTerms(Parameters):
    """Which terms an answer has."""

    fields: Annotated[
        tuple[str, ...],
        BeforeValidator(_fields),
        WithJsonSchema({"type": "array", "items": {"type": "string", "enum": list(terms())}}),
    ] = Field(
        (),
        description="These terms alone, separated by commas; what none of them needs is not read. "
        "All terms where it is left out (of `/stats` without a beginning of the range: those that "
        "add up over days).",
    )


class StatsQuery(PageParameters, ChosenTerms, ComparisonParameters, RunsFilter):
    """What GET /stats may be asked."""

    group_by: Annotated[
        tuple[str, ...],
        BeforeValidator(group_by_of(get_args(GroupBy))),
        group_by_schema(get_args(GroupBy)),
    ] = Field(
        (),
        description="One object per group instead of one in all, by one or two of these. Those of "
        "a workflow are of one repository each: an id can occur in several. Of a time every bucket "
        "of the range is there. By `runner` (a label) and `job_name` a run is in each group of "
        "which it executed a job, and numbers about jobs are of those jobs alone.",
    )
    sort: Annotated[
        str | None, sort_schema((*(GROUPS[each].key for each in get_args(GroupBy)), *terms()))
    ] = Field(
        None,
        description="A key or a term by which the groups are ordered, with `-` in front where the "
        "greatest comes first; unknown ones come last. By default the keys.",
    )


Group = group_of("StatisticsGroup", Statistics)
ComparableStatistics = comparable(Statistics, Statistics)
ComparableGroup = comparable(Group, Statistics, names=tuple(terms()))


StatsAnswer = create_model(
    "StatsAnswer",
    __base__=PartialRecord,
    __doc__="One object; with `group_by` a list of groups, and the token of its next page.",
    data=(ComparableStatistics | list[ComparableGroup], ...),  # type: ignore[valid-type]
    next=(Next, Field(None)),
    filter=(Filter, ...),
    compared=COMPARED,
)


@blueprint.get("/stats")
@endpoint(
    "Counts, rates, sums and exact percentiles of the runs that the filter chooses.",
    tag="statistics",
    query=StatsQuery,
    answer=StatsAnswer,
    is_list=True,
)
def get_stats(query: StatsQuery) -> Response:
    """Without a range over all history: then the numbers are those that add up over days, and
    percentiles and flaky commits those that `fields` asks for. A rate or a percentile over nothing
    is null, never 0."""
    with current_database().reading() as connection:
        chosen = read_filter(connection, current_principal(), query, default_days=None)
        comparison = read_comparison(connection, query, chosen)
        fields = query.fields or (tuple(terms()) if "from" in chosen.values else terms_by_day())
        applied = {**chosen.applied, **_asked(query)}
        if not query.group_by:
            _refuse_without_groups(query)
            key = CacheKey("/stats", key_of(applied, comparison), chosen.repository_ids)
            return cached_response(
                connection,
                key,
                lambda: _whole(connection, chosen, comparison, fields, applied),
                is_expensive=True,
            )
        question = Question(fields, query.group_by, _sort(query))
        if comparison and any(GROUPS[name].is_date for name in question.groups):
            comparison = comparison.by_day()
        page = read_page(query, "/stats", applied)
        key = CacheKey("/stats", key_of(applied, comparison), chosen.repository_ids, page)
        return cached_response(
            connection,
            key,
            lambda: _groups(connection, chosen, comparison, question, page, applied),
            is_expensive=True,
        )


def _asked(query: StatsQuery) -> dict[str, Any]:
    """What the answer echoes beside the filter."""
    asked: dict[str, Any] = {}
    if query.fields:
        asked["fields"] = list(query.fields)
    if query.group_by:
        asked["group_by"] = list(query.group_by)
    if query.sort:
        asked["sort"] = query.sort
    if query.compare:
        asked["compare"] = query.compare
    return asked


def _refuse_without_groups(query: StatsQuery) -> None:
    for name in ("sort", "next"):
        if getattr(query, name) is not None:
            raise bad_query(name, "needs `group_by`")


def _sort(query: StatsQuery) -> str | None:
    if query.sort is None:
        return None
    keys = Question((), query.group_by).keys
    name = query.sort.removeprefix("-")
    if name not in terms() and name not in keys:
        raise bad_query(
            "sort", f"must be a key ({', '.join(keys)}) or a term, with or without `-` in front"
        )
    return query.sort


def _whole(
    connection: Connection,
    chosen: RunFilter,
    comparison: Comparison | None,
    fields: tuple[str, ...],
    applied: Mapping[str, Any],
) -> Body:
    statistics = read_compared_statistics(connection, chosen, comparison, fields)
    if current_media_type() == CSV:
        return list_body([statistics], None, applied=applied)
    return data_body(statistics, applied=applied, **told(comparison))


def read_compared_statistics(
    connection: Connection,
    chosen: RunFilter,
    comparison: Comparison | None,
    fields: tuple[str, ...],
) -> dict[str, Any]:
    """The chosen terms over the filter's runs, and what they are compared with."""
    if comparison is None:
        return read_statistics(connection, chosen, fields)
    rules = rules_of_terms()
    needed = with_parts(fields, rules)
    now = read_statistics(connection, chosen, needed)
    before = None
    if comparison.is_collected({}):
        before = read_statistics(connection, comparison.previous, needed)
    return {**{name: now[name] for name in fields}, **compared_row(fields, rules, now, before)}


def _groups(
    connection: Connection,
    chosen: RunFilter,
    comparison: Comparison | None,
    question: Question,
    page: Page,
    applied: Mapping[str, Any],
) -> Body:
    if comparison is None:
        rows, token = read_groups(connection, chosen, question, page)
        return list_body(rows, token, applied=applied)
    rules, fields = rules_of_terms(), question.fields
    question = replace(question, fields=with_parts(fields, rules))
    rows, token = read_groups(connection, chosen, question, page)
    previous = read_previous_groups(connection, comparison.previous, question, rows)
    compared = []
    for row, found in zip(rows, previous, strict=True):
        before = found if comparison.is_collected(row) else None
        shown = {name: row[name] for name in row if name not in question.fields or name in fields}
        compared.append({**shown, **compared_row(fields, rules, row, before)})
    return list_body(compared, token, applied=applied, **told(comparison))
