"""Every dbt model as an asset, its tests as checks."""

import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from dagster import AssetExecutionContext
from dagster_dbt import DbtProject, dbt_assets
from dagster_dbt.dbt_manifest import validate_manifest

from actionsight.backlog import is_build_owed
from actionsight.settings import ROOT, load
from orchestration.levels.assets import look_after_build
from orchestration.modelling import dbt_runner, parsed_project
from orchestration.modelling.translator import ModelTranslator
from orchestration.webhooks.drains import Drains

# The job that builds the marts alone, after each load.
HOT_BUILD = "build"

# No further pass begins after so long: a run is to be looked at, and then forgotten, as one. What
# comes while one run ends and the next begins waits longest, so those of webhooks are fewer.
PASSES_SECONDS = 60
HOT_PASSES_SECONDS = 300

project = DbtProject(project_dir=ROOT, profiles_dir=ROOT, target_path=parsed_project.FOLDER)
translator = ModelTranslator()


@cache
def marts() -> list[Mapping[str, Any]]:
    """Every mart, those of schema `intermediate` among them, as dbt's manifest has it."""
    nodes = validate_manifest(project.manifest_path)["nodes"].values()
    return [
        node
        for node in nodes
        if node["resource_type"] == "model" and node["config"]["materialized"] == "incremental"
    ]


@dbt_assets(
    manifest=project.manifest_path,
    project=project,
    dagster_dbt_translator=translator,
    name="models",
)
def models(context: AssetExecutionContext) -> Iterator[Any]:
    """Build the selected models of all loads that no build has taken in.

    What comes meanwhile is drained and built in further passes: this process has imported all and
    needs two seconds, a tick and a new run would need ten. So are new levels of the durations that
    were built.
    """
    began = time.monotonic()
    settings = load()
    is_hot = context.run.job_name == HOT_BUILD
    # A part of the models leaves its loads unbuilt, whatever it does.
    is_of_all_marts = is_hot or not context.is_subset
    drains = Drains(settings)
    passes_seconds = HOT_PASSES_SECONDS if is_hot else PASSES_SECONDS

    def is_another_wanted() -> bool:
        if not is_of_all_marts or time.monotonic() - began > passes_seconds:
            return False
        drains.drain()
        return is_build_owed(str(settings.database_url))

    try:
        if is_of_all_marts:
            drains.drain()
        yield from dbt_runner.build(context, project, translator, is_hot=is_hot)
        # What the look brings is built, however long it took.
        if is_of_all_marts and look_after_build(context):
            began = time.monotonic()
        dbt_runner.build_while(is_another_wanted, context, project, translator, is_hot=is_hot)
    finally:
        # Once for all: those of every pass would fill Dagster's database.
        for drained in drains.materialisations():
            context.log_event(drained)
