"""Which joins of a statement would cross nodes, were large tables spread over them by repository.

Rows of one repository are on one node. So a join of large tables stays there if it says that all
are of the same repository: by `repository_id = repository_id`, `using` or `in`, directly or by way
of what is joined to both. What adds rows of several repositories up is joined where it ends.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

Names = frozenset[str]
_REPOSITORY = "repository_id"
_PARAMETER = re.compile(r"%\(\w+\)s|%s")


def crossings(statement: str, large: Names) -> set[Names]:
    """The large tables of each join that does not hold on to the repository.

    Args:
        statement: PostgreSQL's SQL, with parameters as psycopg has them.
        large: the tables that are spread.
    """
    found = set()
    for scope in _scopes(statement):
        sources = _sources(scope)
        tables = {name: _large_in(source, large) for name, source in sources.items()}
        groups = {name: name for name in sources}
        for left, right in _pairs(scope, sources):
            groups = {
                name: groups[right] if group == groups[left] else group
                for name, group in groups.items()
            }
        spread = [name for name in sources if tables[name]]
        if len({groups[name] for name in spread}) > 1:
            found.add(frozenset(table for name in spread for table in tables[name]))
        found |= set(_members_of_others(scope, Names().union(*tables.values()), large))
    return found


def _scopes(statement: str) -> list[Scope]:
    text = _PARAMETER.sub("null", statement).replace("%%", "%")
    return traverse_scope(cast("exp.Query", sqlglot.parse_one(text, dialect="postgres")))


def _sources(scope: Scope) -> dict[str, Scope | exp.Table]:
    """What a part of a statement reads, and what it names of the part around it."""
    around = scope.parent.sources if scope.parent else {}
    named = {column.table for column in scope.external_columns if column.table}
    return {
        **{name: around[name] for name in named if name in around},
        **{name: source for name, (_, source) in scope.selected_sources.items()},
    }


def _large_in(source: Scope | exp.Table, large: Names) -> Names:
    """The large tables whose rows a source has; totals of many repositories are rows of none."""
    if isinstance(source, exp.Table):
        return large & {source.name}
    if _adds_up_repositories(source.expression):
        return Names()
    inner = [each for _, each in source.selected_sources.values()]
    inner += [*source.set_operation_scopes, *source.subquery_scopes]
    return Names().union(*(_large_in(each, large) for each in inner))


def _adds_up_repositories(query: Any) -> bool:
    if not isinstance(query, exp.Select):
        return False
    grouped, distinct = query.args.get("group"), query.args.get("distinct")
    if grouped:
        # Some are numbers of what is selected.
        return _REPOSITORY not in _names_of(
            query.selects[int(each.name) - 1] if isinstance(each, exp.Literal) else each
            for each in grouped.expressions
        )
    if distinct:
        return _REPOSITORY not in _names_of([distinct.args.get("on") or query])
    return any(
        total.parent_select is query and not total.find_ancestor(exp.Window)
        for each in query.selects
        for total in each.find_all(exp.AggFunc)
    )


def _pairs(scope: Scope, sources: Mapping[str, Scope | exp.Table]) -> Iterator[tuple[str, str]]:
    """Names that are of one repository."""
    for left, right in _equalities(scope):
        if left in sources and right in sources:
            yield left, right
    for join in scope.expression.args.get("joins") or ():
        if any(column.name == _REPOSITORY for column in join.args.get("using") or ()):
            yield from ((join.alias_or_name, name) for name in scope.selected_sources)
    # A lateral part says it by itself.
    for name, source in sources.items():
        if isinstance(source, Scope):
            for part in source.traverse():
                for pair in _equalities(part):
                    yield from ((name, each) for each in pair if each in sources)


def _equalities(scope: Scope) -> Iterator[tuple[str, str]]:
    for equality in scope.find_all(exp.EQ):
        for left, right in zip(_row(equality.left), _row(equality.right), strict=False):
            if left.name.endswith(_REPOSITORY) and right.name.endswith(_REPOSITORY):
                yield left.table, right.table


def _members_of_others(scope: Scope, tables: Names, large: Names) -> Iterator[Names]:
    """As a join: `in` of what another large table has, without its repository."""
    for member in scope.find_all(exp.In):
        query = member.args.get("query")
        within = large & {table.name for table in query.find_all(exp.Table)} if query else Names()
        if within and tables and _REPOSITORY not in _names_of(_row(member.this)):
            yield tables | within


def _row(side: Any) -> list[Any]:
    """What is compared, each with its counterpart: one value, or those of a row."""
    return side.expressions if isinstance(side, exp.Tuple) else [side]


def _names_of(parts: Any) -> set[str]:
    return {column.name for part in parts for column in part.find_all(exp.Column)}
