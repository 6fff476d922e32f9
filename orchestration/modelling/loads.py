"""What is owed: loads that have committed and that no build has taken in."""

from psycopg import sql

from actionsight.database import connect


def unbuilt_load_count(database_url: str) -> int:
    """How many committed loads no build has taken in yet."""
    with connect(database_url) as connection:
        built = connection.execute("select to_regclass('marts.built_loads')").fetchone()
        # Where somebody dropped the marts nothing is built, whatever was recorded before.
        owed = "loads" if built == (None,) else "unbuilt_loads"
        counted = connection.execute(
            sql.SQL("select count(*) from raw.{}").format(sql.Identifier(owed))
        ).fetchone()
    return int(counted[0]) if counted else 0
