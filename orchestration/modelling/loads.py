"""What is owed: loads that have committed and that no build has taken in."""

from actionsight.database import connect


def unbuilt_load_count(database_url: str) -> int:
    """How many committed loads no build has taken in yet."""
    with connect(database_url) as connection:
        built = connection.execute("select to_regclass('marts.built_loads')").fetchone()
        if built == (None,):
            counted = connection.execute("select count(*) from raw.loads").fetchone()
        else:
            counted = connection.execute(
                """
                select count(*) from raw.loads
                where not exists (
                    select from marts.built_loads where built_loads.load_id = loads.load_id
                )
                """
            ).fetchone()
    return int(counted[0]) if counted else 0
