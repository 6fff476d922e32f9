"""What the API needs in its database, and what brings it."""

from api.database import READ_TABLES, Connection

_MIGRATE = "Run `actionsight migrate`."
_BUILD = "Run `actionsight sync`, or `dbt build`."

REQUIRED = (
    ("app.repositories", _MIGRATE),
    ("app.api_tokens", _MIGRATE),
    *((f"marts.{name}", _BUILD) for name in READ_TABLES),
)


def find_missing(connection: Connection) -> list[dict[str, str]]:
    """The tables that are not there or cannot be read (`name`), each with its `remedy`."""
    rows = connection.execute(
        """
        select name
        from unnest(%s::text[]) as name
        where to_regclass(name) is null or not has_table_privilege(to_regclass(name), 'select')
        """,
        [[name for name, _ in REQUIRED]],
    ).fetchall()
    missing = {row["name"] for row in rows}
    return [{"name": name, "remedy": remedy} for name, remedy in REQUIRED if name in missing]
