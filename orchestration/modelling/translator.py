"""How dbt's models appear in Dagster: keys that join them to the raw tables, groups by layer, how
fresh they are to be, and where they are defined."""

from collections.abc import Mapping
from typing import Any

from dagster import AssetKey, AssetSpec, MetadataValue
from dagster_dbt import DagsterDbtTranslator, DbtProject

from orchestration.freshness import nightly


class ModelTranslator(DagsterDbtTranslator):
    """Asset keys `<schema>/<model>`, and `raw/<table>` for a source, which joins the lineage."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> AssetSpec:
        """As dagster-dbt has it, with a freshness policy."""
        return (
            super()
            .get_asset_spec(manifest, unique_id, project)
            .replace_attributes(freshness_policy=nightly)
        )

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        """The key by which collection names the same table."""
        if dbt_resource_props["resource_type"] == "source":
            return AssetKey(["raw", dbt_resource_props["name"]])
        return AssetKey([dbt_resource_props["config"]["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The layer: staging, intermediate or marts."""
        return str(dbt_resource_props["config"].get("schema") or "raw")

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """What a row is; without the SQL, which is longer than all else that a page shows."""
        return str(dbt_resource_props["description"])

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """The columns, and the files in which they are computed and described."""
        return {
            **super().get_metadata(dbt_resource_props),
            "sql": MetadataValue.path(dbt_resource_props["original_file_path"]),
            "definition": MetadataValue.path(_place(dbt_resource_props)),
        }


def _place(dbt_resource_props: Mapping[str, Any]) -> str:
    """The YAML that describes it; dbt notes it as `project://path`."""
    return str(dbt_resource_props.get("patch_path") or "").partition("://")[2]
