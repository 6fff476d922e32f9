"""dlt's pipelines: endpoint → table, by arrow and COPY, merged by key, unchanged rows left alone.

    GET /repos/{owner}/{name}                        → raw.repositories
    GET /repos/{…}/actions/workflows                 → raw.workflows
    GET /repos/{…}/actions/runs[/{id}[/attempts/{n}]]→ raw.workflow_runs
    GET /repos/{…}/actions/runs/{id}/…/jobs          → raw.workflow_jobs

Never fetched: logs, artifacts, commits, pull requests, people.

One per table group and place, which is a local folder and staging datasets that nobody else uses
meanwhile: two pipelines on one staging dataset would lose rows.

The folder is scratch. What a killed process left in it is dropped: its rows are asked for again,
since no cursor has moved past them, and loading them later would put older states over those that
another process, on whatever machine, has loaded meanwhile. What such a process had stored already,
a trigger noted in raw.unbuilt_loads (`raw.note_rows`).
"""

import logging
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import dlt
import pyarrow as pa
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema, TSchemaContractDict, TUpsertStrategyDict
from dlt.common.storages import LiveSchemaStorage
from dlt.destinations.impl.postgres.configuration import (
    PostgresClientConfiguration,
    PostgresCredentials,
)
from dlt.destinations.impl.postgres.postgres import PostgresClient
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
from dlt.extract import DltResource, DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from ingestion.database_errors import LoadError
from ingestion.github.schema import CONTENT_HASH, DATASET, Kind, Row, Table
from ingestion.github.sql_client import SqlClient

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
# By sections and key.
_DLT_SETTINGS: dict[tuple[str, ...], Any] = {
    ("normalize", "parquet_normalizer", "add_dlt_load_id"): True,
    # The tables and our own cursors are the state; dlt's would only cost requests.
    ("restore_from_destination",): False,
    ("intercept_signals",): False,
    ("load", "workers"): 2,
    # A file that nobody reads, and what telemetry would tell.
    ("enable_runtime_trace",): False,
}


class _Settings(ConfigProvider):
    """All that dlt is configured by: nothing of the environment or of files.

    dlt asks for some four hundred values a load, and for each in every place that could hold it.
    """

    name = "Actionsight"
    supports_secrets = True  # dlt need not find out what is one
    supports_sections = True

    def get_value(
        self,
        key: str,
        hint: type[Any],  # noqa: ARG002 dlt gives it
        pipeline_name: str | None,
        *sections: str,
    ) -> tuple[Any, str]:
        """A setting and its key; None where there is none, and for any single pipeline."""
        return None if pipeline_name else _DLT_SETTINGS.get((*sections, key)), key


class _Schemas(LiveSchemaStorage):
    """The schemas of a pipeline, which nobody else changes in its folder meanwhile.

    dlt would read, check and build them again from their files a dozen times a load.
    """

    def __getitem__(self, name: str) -> Schema:
        return self.live_schemas[name] if name in self.live_schemas else super().__getitem__(name)


class _Postgres(dlt.destinations.postgres):
    """dlt's PostgreSQL, whose capabilities are the same whatever is configured: dlt asks for them a
    dozen times a load, and would each time look for every field of the configuration."""

    database_url: str
    idle: deque[Any]
    """The connections that no job uses."""

    def client(self, schema: Schema, initial_config: Any = None) -> PostgresClient:
        """What one job asks PostgreSQL by."""
        client = super().client(schema, initial_config)
        client.sql_client = SqlClient(
            cast(Psycopg2SqlClient, client.sql_client), self.database_url, self.idle
        )
        return client

    def capabilities(
        self,
        config: PostgresClientConfiguration | None = None,
        naming: NamingConvention | None = None,
    ) -> DestinationCapabilitiesContext:
        """What PostgreSQL can do."""
        return super().capabilities(config or self.spec(), naming)


class Pipelines:
    """The pipelines of a place; whoever uses them holds the lock of those who load.

    Args:
        place: names the folder and the staging datasets.
    """

    def __init__(self, database_url: str, folder: Path, place: str) -> None:
        Container()[PluggableRunContext].providers.providers = [_Settings()]
        # It warns at every load that jsonb columns travel as text, which is what we want.
        logging.getLogger("dlt").setLevel(logging.ERROR)
        self._database_url = database_url
        self._credentials = PostgresCredentials(_with_password(database_url))
        self._folder = folder / place
        self._place = place
        self._pipelines: dict[str, dlt.Pipeline] = {}
        self._idle: deque[Any] = deque()

    def load(self, pipeline_name: str, rows: Mapping[Table, Iterable[Row]]) -> str:
        """Load these rows, even if there are none, and give dlt's load id.

        Raises:
            LoadError: PostgreSQL refused.
        """
        source = github_source(pipeline_name, rows)
        try:
            info = self._pipeline(pipeline_name).run(source, loader_file_format="csv")
        except PipelineStepFailed as error:
            reason = str(_root(error)).partition("\n")[0]
            raise LoadError(f"PostgreSQL did not take rows of {pipeline_name}: {reason}") from error
        finally:
            self._close_connections()
        # dlt keeps the files of every load for ever.
        shutil.rmtree(self._folder / pipeline_name / "load" / "loaded", ignore_errors=True)
        return info.loads_ids[0]

    def _close_connections(self) -> None:
        # Between two loads hours may pass.
        while self._idle:
            self._idle.pop().close()

    def _pipeline(self, name: str) -> dlt.Pipeline:
        if name not in self._pipelines:
            shutil.rmtree(self._folder / name, ignore_errors=True)
            group = name.removeprefix("github_")
            destination = _Postgres(
                credentials=self._credentials,
                destination_name="postgres",
                staging_dataset_name_layout=f"{DATASET}_staging_{self._place}_{group}",
            )
            destination.database_url = self._database_url
            destination.idle = self._idle
            pipeline = dlt.pipeline(
                name,
                pipelines_dir=str(self._folder),
                destination=destination,
                dataset_name=DATASET,
            )
            pipeline._schema_storage = _Schemas(pipeline._schema_storage_config)
            self._pipelines[name] = pipeline
        return self._pipelines[name]


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


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _root(error: BaseException) -> BaseException:
    return list(_causes(error))[-1]


def _with_password(url: str) -> str:
    """The address with some password: dlt refuses one without, even where none is needed."""
    parts = urlsplit(url)
    if parts.password or not parts.hostname:
        return url
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.rstrip(':')}:unused{at}{host}"))
