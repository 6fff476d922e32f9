"""What others read by name in the database is there: columns may be added, none is lost.

`columns.txt` has a line for each column of `raw`, `app` and `marts`: its table, its name, its type,
and whether it may be null.
"""

from difflib import unified_diff
from pathlib import Path

import pytest

from actionsight.database import connect

pytestmark = pytest.mark.integration

MANIFEST = Path(__file__).with_name("columns.txt")


def columns_of(database_url: str) -> list[str]:
    """A line for each column that a migration, collection's pipeline or a build makes."""
    with connect(database_url) as connection:
        rows = connection.execute(
            """
            select format(
                '%s.%s.%s %s %s', nspname, relname, attname, format_type(atttypid, atttypmod),
                case when attnotnull then 'not null' else 'null' end
            )
            from pg_attribute
            inner join pg_class on pg_class.oid = attrelid
            inner join pg_namespace on pg_namespace.oid = relnamespace
            where nspname in ('raw', 'app', 'marts') and relkind in ('r', 'p', 'v', 'm')
                and attnum > 0 and not attisdropped
            """
        ).fetchall()
    return sorted(line for (line,) in rows)


def test_every_column_is_as_the_manifest_has_it(dbt_database_url: str, tmp_path: Path) -> None:
    expected = MANIFEST.read_text(encoding="utf-8").splitlines()
    actual = columns_of(dbt_database_url)
    found = tmp_path / MANIFEST.name
    found.write_text("".join(f"{line}\n" for line in actual), encoding="utf-8")
    if actual != expected:
        changes = unified_diff(expected, actual, "manifest", "database", lineterm="", n=0)
        pytest.fail(
            "\n".join(changes) + "\n\nA line with - is a name or a type that others may rely on: "
            f"keep it. To add or change columns on purpose:\n    cp {found} {MANIFEST}",
            pytrace=False,
        )
