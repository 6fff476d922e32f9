"""How collection appears in Dagster: the keys that dbt's sources carry too, groups and kinds."""

from dagster import AssetDep, AssetSpec

GITHUB_REST = ["github", "rest"]
_KINDS = {"dlt", "postgres"}


def raw_table(name: str, description: str) -> AssetSpec:
    """A table of schema `raw`, which descends from GitHub's REST API."""
    return AssetSpec(
        ["raw", name],
        deps=[AssetDep(GITHUB_REST)],
        group_name="raw",
        kinds=_KINDS,
        description=description,
    )
