"""How many rows a table has, as materialisations show it."""

from typing import Any

from psycopg import Connection, sql

# More are not counted behind each load: PostgreSQL's own estimate is then within a few percent.
COUNTED = 10_000
# Where Dagster's pages look for it.
ROW_COUNT = "dagster/row_count"


def row_count(connection: Connection[Any], schema: str, table: str) -> dict[str, int]:
    """Metadata of a materialisation: the number of rows, beyond some thousand an estimate."""
    name = sql.Identifier(schema, table)
    counted = connection.execute(
        sql.SQL("select count(*) from (select from {} limit {}) as first_ones").format(
            name, sql.Literal(COUNTED)
        )
    ).fetchone()
    count = counted[0] if counted else 0
    if count == COUNTED:
        estimated = connection.execute(
            "select greatest(reltuples::bigint, %s) from pg_class where oid = %s::regclass",
            [COUNTED, name.as_string()],
        ).fetchone()
        count = estimated[0] if estimated else count
    return {ROW_COUNT: count}
