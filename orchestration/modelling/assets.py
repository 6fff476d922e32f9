"""Every dbt model as an asset, its tests as checks."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dagster import AssetExecutionContext
from dagster_dbt import DbtProject, dbt_assets

from actionsight.settings import ROOT
from orchestration.modelling import in_process
from orchestration.modelling.translator import ModelTranslator
from orchestration.runs import sign

# Parsed once at set-up, into the environment that the packages live in.
project = DbtProject(
    project_dir=ROOT, profiles_dir=ROOT, target_path=Path(sys.prefix) / "share" / "actionsight"
)
translator = ModelTranslator()


@dbt_assets(
    manifest=project.manifest_path,
    project=project,
    dagster_dbt_translator=translator,
    name="models",
)
def models(context: AssetExecutionContext) -> Iterator[Any]:
    """Build the selected models of all loads that no build has taken in, and test them."""
    sign(context)
    yield from in_process.build(context, project, translator)
