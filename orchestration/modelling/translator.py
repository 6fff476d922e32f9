"""How dbt's models appear in Dagster: keys that join them to the raw tables, groups by layer."""

from collections.abc import Mapping
from typing import Any

from dagster import AssetKey
from dagster_dbt import DagsterDbtTranslator


class ModelTranslator(DagsterDbtTranslator):
    """Asset keys `<schema>/<model>`, and `raw/<table>` for a source, which joins the lineage."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        """The key by which collection names the same table."""
        if dbt_resource_props["resource_type"] == "source":
            return AssetKey(["raw", dbt_resource_props["name"]])
        return AssetKey([dbt_resource_props["config"]["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The layer: staging, intermediate or marts."""
        return str(dbt_resource_props["config"].get("schema") or "raw")
