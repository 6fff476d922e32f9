"""dbt inside the run's own process: a build costs 2 seconds in place of 6.

The one place that knows how dagster-dbt turns dbt's log events into Dagster's (internal to it; the
version is pinned, and a test runs a whole build through here).
"""

import gc
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dagster import AssetExecutionContext, AssetMaterialization, Failure, Output
from dagster_dbt import DagsterDbtTranslator, DbtProject
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from dagster_dbt.dbt_manifest import validate_manifest
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import EventMsg
from google.protobuf.json_format import MessageToDict  # pyrefly: ignore[untyped-import]
from psycopg import Connection

from actionsight.database import connect
from actionsight.settings import load
from orchestration.modelling.parsed_project import parsed_project
from orchestration.row_counts import row_count

# The manifest of set-up is the one that Dagster reads; no file of a build is read again.
_WAYS = ["--quiet", "--no-write-json", "--no-use-colors"]
RESULTS = {"LogModelResult", "LogSeedResult", "LogSnapshotResult", "LogTestResult"}


def build(
    context: AssetExecutionContext,
    project: DbtProject,
    translator: DagsterDbtTranslator,
    *,
    is_hot: bool,
) -> Iterator[Any]:
    """Run `dbt build` for the selected assets; yield each result as soon as dbt has it.

    Args:
        is_hot: the marts are selected, and nothing else (`selectors.yml`).

    Yields:
        Dagster's outputs, check results and observations.

    Raises:
        Failure: dbt could not start, or a model or a blocking test failed; names them.
    """
    yield from _results(context, project, translator, is_hot=is_hot, is_again=False)


def build_while(
    is_wanted: Callable[[], bool],
    context: AssetExecutionContext,
    project: DbtProject,
    translator: DagsterDbtTranslator,
    *,
    is_hot: bool,
) -> None:
    """Build again within a run, pass after pass; the last pass's results are logged.

    An output comes once, so they are events; and those of every pass would fill Dagster's database.

    Raises:
        Failure: as `build`.
    """
    results: list[Any] = []
    try:
        while is_wanted():
            # The project as the pass before parsed it, in cycles; by itself Python looks too rarely
            # (`orchestration/__init__.py`), and a run of many passes would grow with each.
            gc.collect()
            results.clear()
            results.extend(_results(context, project, translator, is_hot=is_hot, is_again=True))
    finally:
        for result in results:
            context.log_event(result)


def rows_written(*selection: str, project: DbtProject) -> dict[str, int]:
    """Run the selected models; give by name how many rows each wrote or deleted.

    Raises:
        Failure: as `build`.
    """
    quietly = ["--log-level-file", "none"]
    parsed = parsed_project(str(load().database_url))
    outcome = dbtRunner(parsed).invoke(["run", *_WAYS, *quietly, *selection, *_places(project)])
    _raise_unless_successful([outcome])
    return {
        result.node.name: result.adapter_response.get("rows_affected", 0)
        for result in getattr(outcome.result, "results", [])
    }


def _places(project: DbtProject) -> list[str]:
    return ["--project-dir", str(project.project_dir), "--profiles-dir", str(project.profiles_dir)]


def _results(
    context: AssetExecutionContext,
    project: DbtProject,
    translator: DagsterDbtTranslator,
    *,
    is_hot: bool,
    is_again: bool,
) -> Iterator[Any]:
    manifest = validate_manifest(project.manifest_path)
    selected = get_updated_cli_invocation_params_for_context(context, manifest, translator)
    arguments = [
        "build",
        *_WAYS,
        # They test the code, not the data; `dbt build` and `make test` run them.
        "--exclude-resource-type",
        "unit_test",
        *(["--exclude-resource-type", "test"] if is_hot else []),
        *(["--selector", "hot"] if is_hot else selected.selection_args),
        *(
            ["--indirect-selection", selected.indirect_selection]
            if selected.indirect_selection and not is_hot
            else []
        ),
        *_places(project),
    ]
    database_url = str(load().database_url)
    with connect(database_url, autocommit=True) as connection:
        for event in _invoke(arguments, parsed_project(database_url)):
            told = MessageToDict(event, preserving_proto_field_name=True)
            if event.info.name == "LogModelResult":
                context.log.info(told["info"]["msg"])
            message = DbtCoreCliEventMessage(raw_event=told, event_history_metadata={})
            for result in message.to_default_asset_events(
                manifest=manifest,
                dagster_dbt_translator=translator,
                context=None if is_again else context,
                project=project,
            ):
                match result:
                    case Output() | AssetMaterialization():
                        rows = _rows(connection, told["data"])
                        yield result.with_metadata({**result.metadata, **rows})
                    case _:
                        yield result


def _rows(connection: Connection[Any], told: Mapping[str, Any]) -> Mapping[str, Any]:
    """How many rows a mart has, and how many of them the build wrote or deleted; none of a view."""
    node = told["node_info"]
    if node["materialized"] != "incremental":
        return {}
    relation = node["node_relation"]
    return {
        # As `mart.sql` says it: "12 rows".
        "rows_changed": int(told["status"].split()[0]),
        **row_count(connection, relation["schema"], relation["alias"]),
    }


def _invoke(arguments: list[str], parsed: Manifest) -> Iterator[EventMsg]:
    """Run dbt; gives the events that tell results, each as soon as dbt has it."""
    events: queue.SimpleQueue[EventMsg | None] = queue.SimpleQueue()
    outcome: list[dbtRunnerResult] = []

    def invoke() -> None:
        try:
            outcome.append(dbtRunner(parsed, [events.put]).invoke(arguments))
        finally:
            events.put(None)

    thread = threading.Thread(target=invoke, name="dbt")
    thread.start()
    try:
        while (event := events.get()) is not None:
            if event.info.name in RESULTS:
                yield event
    finally:
        thread.join()
    _raise_unless_successful(outcome)


def _raise_unless_successful(outcome: list[dbtRunnerResult]) -> None:
    if not outcome:
        raise Failure("dbt ended without a result; its log says why.")
    [done] = outcome
    if done.success:
        return
    if done.exception is not None:
        raise Failure(f"dbt could not build: {done.exception}") from done.exception
    failed = [
        f"{result.node.name}: {result.message}"
        for result in getattr(done.result, "results", [])
        if result.status in {"error", "fail"}
    ]
    raise Failure("dbt build failed:\n" + "\n".join(failed))
