"""What reads the marts, as dbt's exposures have it, at the end of the lineage."""

from dagster import AssetSpec, MetadataValue
from dagster_dbt import DagsterDbtTranslator, DbtProject
from dagster_dbt.dbt_manifest import validate_manifest

from actionsight.settings import Settings


def exposure_specs(
    project: DbtProject, translator: DagsterDbtTranslator, settings: Settings
) -> list[AssetSpec]:
    """An asset per exposure, which nothing of Dagster's materialises."""
    manifest = validate_manifest(project.manifest_path)
    return [
        AssetSpec(
            ["exposures", exposure["name"]],
            deps=[
                translator.get_asset_spec(manifest, unique_id, project).key
                for unique_id in exposure["depends_on"]["nodes"]
            ],
            group_name="exposures",
            kinds={exposure["type"]},
            description=f"**{exposure['label']}**: {exposure['description']}",
            metadata={
                "read_in": ", ".join(exposure["config"]["meta"]["read_in"]),
                **_address(exposure["config"]["meta"].get("path"), settings),
            },
        )
        for exposure in manifest["exposures"].values()
    ]


def _address(path: str | None, settings: Settings) -> dict[str, MetadataValue]:
    return {} if path is None else {"address": MetadataValue.url(settings.public_root + path)}
