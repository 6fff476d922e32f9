"""Whether PostgreSQL holds what the contracts of the marts promise, as a check of each mart.

Keys and checks are constraints, not queries: no build waits for them, and no row can break one.
What could go wrong is that one is not there.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSpec,
    MetadataValue,
    TableRecord,
    multi_asset_check,
)
from psycopg import Connection

from actionsight.database import connect
from actionsight.settings import load
from orchestration.modelling.assets import marts, translator

CHECK = "constraints_hold"
# As PostgreSQL's catalogue names what dbt's contracts know by these words.
_TYPES = {"p": "primary key", "f": "foreign key", "c": "check"}
_CONSTRAINTS = """
    select contype, pg_get_constraintdef(oid), convalidated
    from pg_constraint
    where conrelid = to_regclass(%s) and contype = any(%s)
    order by contype desc, 2
"""
_REQUIRED_COLUMNS = """
    select attname from pg_attribute
    where attrelid = to_regclass(%s) and attnum > 0 and attnotnull and not attisdropped
"""


def promised(mart: Mapping[str, Any]) -> Counter[str]:
    """How many constraints of each type a mart (a node of dbt's manifest) has by its contract."""
    return Counter(each["type"].replace("_", " ") for each in mart["constraints"])


def required_columns(mart: Mapping[str, Any]) -> set[str]:
    """The columns that are never null by its contract."""
    return {
        name
        for name, column in mart["columns"].items()
        if any(constraint["type"] == "not_null" for constraint in column["constraints"])
    }


@multi_asset_check(
    name=CHECK,
    specs=[
        AssetCheckSpec(
            CHECK,
            asset=translator.get_asset_key(mart),
            description="PostgreSQL holds what the contract promises: "
            + ", ".join(
                f"{count} {kind}{'s' * (count > 1)}" for kind, count in promised(mart).items()
            )
            + f", {len(required_columns(mart))} columns that are never null.",
        )
        for mart in marts()
    ],
    can_subset=True,
)
def constraints_hold(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
    """Compare the constraints of each mart's table with its contract."""
    selected = {check.asset_key for check in context.selected_asset_check_keys}
    with connect(str(load().database_url), autocommit=True) as connection:
        for mart in marts():
            if translator.get_asset_key(mart) in selected:
                yield _compared(connection, mart)


def _compared(connection: Connection[Any], mart: Mapping[str, Any]) -> AssetCheckResult:
    table = f"{mart['schema']}.{mart['name']}"
    found = connection.execute(_CONSTRAINTS, [table, list(_TYPES)]).fetchall()
    required = {name for (name,) in connection.execute(_REQUIRED_COLUMNS, [table])}
    valid = Counter(_TYPES[kind] for kind, _, is_validated in found if is_validated)
    lacking = [
        *(f"{count} {kind}" for kind, count in (promised(mart) - valid).items()),
        *(f"not null of {name}" for name in sorted(required_columns(mart) - required)),
    ]
    return AssetCheckResult(
        asset_key=translator.get_asset_key(mart),
        check_name=CHECK,
        passed=not lacking,
        metadata={
            **({"lacking": ", ".join(lacking)} if lacking else {}),
            "constraints": MetadataValue.table(
                [
                    TableRecord({"constraint": definition, "is_validated": is_validated})
                    for _, definition, is_validated in found
                ]
            ),
            "never_null": ", ".join(sorted(required)),
        },
    )
