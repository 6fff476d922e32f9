"""The dlt sources: endpoint → table, and how each is merged.

    GET /repos/{owner}/{name}                        → raw.repositories
    GET /repos/{…}/actions/workflows                 → raw.workflows
    GET /repos/{…}/actions/runs[/{id}[/attempts/{n}]]→ raw.workflow_runs
    GET /repos/{…}/actions/runs/{id}/…/jobs          → raw.workflow_jobs

Never fetched: logs, artifacts, commits, pull requests, people.
"""

from collections.abc import Iterable, Iterator, Mapping

import dlt
import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema, TSchemaContractDict, TUpsertStrategyDict
from dlt.extract import DltResource, DltSource

from ingestion.github.schema import CONTENT_HASH, Kind, Row, Table

# New columns are welcome (they come with a release of ours), a changed type stops the load.
SCHEMA_CONTRACT: TSchemaContractDict = {
    "tables": "evolve",
    "columns": "evolve",
    "data_type": "freeze",
}
WRITE_DISPOSITION: TUpsertStrategyDict = {
    "disposition": "merge",
    "strategy": "upsert",
    "skip_unchanged_rows": True,
    "row_version_column_name": CONTENT_HASH,
}
_ARROW: dict[Kind, pa.DataType] = {
    "bigint": pa.int64(),
    "text": pa.string(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "json": pa.string(),
}


def github_source(pipeline_name: str, rows: Mapping[Table, Iterable[Row]]) -> DltSource:
    """A dlt source of one resource per table, which yields the given rows.

    Raises:
        pyarrow.ArrowInvalid: a value does not fit its column.
    """
    batches = {table: to_arrow(table, group) for table, group in rows.items()}

    def resources() -> Iterator[DltResource]:
        for table, batch in batches.items():
            yield dlt.resource(
                [batch],
                name=table.name,
                primary_key=table.key,
                columns=_columns(table),
                write_disposition=WRITE_DISPOSITION,
            )

    declare = dlt.source(name=pipeline_name, max_table_nesting=0, schema_contract=SCHEMA_CONTRACT)
    return declare(resources)()


def to_arrow(table: Table, rows: Iterable[Row]) -> pa.Table:
    """Rows as one arrow table with exactly the table's columns, `content_hash` last.

    Raises:
        pyarrow.ArrowInvalid: a value does not fit its column.
    """
    fields = [
        pa.field(column.name, _ARROW[column.kind], nullable=not column.is_required)
        for column in table.columns
    ]
    schema = pa.schema([*fields, pa.field(CONTENT_HASH, pa.string(), nullable=False)])
    return pa.Table.from_pylist(list(rows), schema=schema)


def _columns(table: Table) -> list[TColumnSchema]:
    hints: list[TColumnSchema] = [
        {"name": column.name, "data_type": column.kind, "nullable": not column.is_required}
        for column in table.columns
    ]
    return [*hints, {"name": CONTENT_HASH, "data_type": "text", "nullable": False}]
