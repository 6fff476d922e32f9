"""A rule of retention: what goes once it is so many days old."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, LiteralString, TypeVar

from psycopg import Connection, sql
from psycopg.rows import scalar_row

# How much one transaction takes away: others wait for it no longer than for a load.
BATCH = 1_000

Source = TypeVar("Source")


@dataclass(frozen=True)
class Rule(Generic[Source]):
    """What of a source (a connection, say) goes once it is older than a setting says.

    `what`: as a person calls it. `days`: the field of `Settings`; where that is 0 it stays for
    ever. `count`: how many things from before a moment would go. `remove`: takes some of them away,
    all or nothing, and gives how many; 0: none are left.
    """

    what: str
    days: str
    count: Callable[[Source, datetime], int]
    remove: Callable[[Source, datetime], int]


def in_database(
    what: str,
    days: str,
    *,
    old: LiteralString,
    remove: LiteralString,
    needs: LiteralString = "raw.polls",
) -> Rule[Connection[Any]]:
    """A rule by a clause and a statement.

    Args:
        old: `from … where …` of what is older than `%(before)s`.
        remove: takes `%(batch)s` of `{old}` away, and gives how many.
        needs: a table without which there is nothing to do; dbt makes some.
    """
    counting = sql.SQL("select count(*) {old}").format(old=sql.SQL(old))
    removing = sql.SQL(remove).format(old=sql.SQL(old))

    def count_old(connection: Connection[Any], before: datetime) -> int:
        return _number(connection, counting, {"before": before})

    def remove_some(connection: Connection[Any], before: datetime) -> int:
        with connection.transaction():
            return _number(connection, removing, {"before": before, "batch": BATCH})

    def _number(
        connection: Connection[Any], statement: sql.Composed, values: dict[str, Any]
    ) -> int:
        with connection.cursor(row_factory=scalar_row) as cursor:
            if cursor.execute("select to_regclass(%s)", [needs]).fetchone() is None:
                return 0
            return int(cursor.execute(statement, values).fetchone() or 0)

    return Rule(what, days, count_old, remove_some)


def deleted(
    what: str,
    days: str,
    *,
    table: LiteralString,
    key: LiteralString,
    where: LiteralString,
    needs: LiteralString = "raw.polls",
) -> Rule[Connection[Any]]:
    """A rule by which rows of a table, as `old`, go of which a condition holds."""
    delete = """
        with gone as (
            delete from {table} where {key} in (select {key} {{old}} limit %(batch)s)
            returning true
        )

        select count(*) from gone
    """
    return in_database(
        what,
        days,
        old=f"from {table} as old where {where}",
        remove=delete.format(table=table, key=key),
        needs=needs,
    )


def remove(rule: Rule[Source], source: Source, before: datetime) -> int:
    """Remove by a rule all that is from before a moment, batch by batch; give how much it was."""
    removed = 0
    while count := rule.remove(source, before):
        removed += count
    return removed
