"""The dlt sources: endpoint → table, and how each is merged.

    GET /repos/{owner}/{name}                        → raw.repositories
    GET /repos/{…}/actions/workflows                 → raw.workflows
    GET /repos/{…}/actions/runs[/{id}[/attempts/{n}]]→ raw.workflow_runs
    GET /repos/{…}/actions/runs/{id}/…/jobs          → raw.workflow_jobs

Never fetched: logs, artifacts, commits, pull requests, people.
"""

from collections.abc import Iterator, Mapping

import dlt
import pyarrow as pa
from dlt.common.schema.typing import TSchemaContractDict, TUpsertStrategyDict
from dlt.extract import DltResource, DltSource

from ingestion.github.schema import CONTENT_HASH, Table

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


def github_source(pipeline_name: str, batches: Mapping[Table, pa.Table]) -> DltSource:
    """A dlt source of one resource per table, which yields the given rows."""

    def resources() -> Iterator[DltResource]:
        for table, batch in batches.items():
            yield dlt.resource(
                [batch],
                name=table.name,
                primary_key=table.key,
                columns=table.dlt_columns,
                write_disposition=WRITE_DISPOSITION,
            )

    declare = dlt.source(name=pipeline_name, max_table_nesting=0, schema_contract=SCHEMA_CONTRACT)
    return declare(resources)()
