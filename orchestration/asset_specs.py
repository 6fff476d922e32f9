"""How raw tables appear in Dagster: the keys that dbt's sources carry too, groups and kinds."""

from dagster import AssetDep, AssetSpec, FreshnessPolicy

GITHUB_REST = ["github", "rest"]
GITHUB_WEBHOOKS = ["github", "webhooks"]
_KINDS = {"github/rest": {"dlt", "postgres"}, "github/webhooks": {"redis", "postgres"}}


def raw_table(
    name: str,
    description: str,
    *,
    source: list[str],
    freshness_policy: FreshnessPolicy | None = None,
) -> AssetSpec:
    """A table of schema `raw`, which descends from one of the two ways to observe GitHub."""
    return AssetSpec(
        ["raw", name],
        deps=[AssetDep(source)],
        group_name="raw",
        kinds=_KINDS["/".join(source)],
        description=description,
        freshness_policy=freshness_policy,
    )


# Written wherever a change is seen: by a trigger of the polled table, and by the drain.
repository_history = AssetSpec(
    ["raw", "repository_history"],
    deps=[["raw", "repositories"], ["raw", "webhook_events"]],
    group_name="raw",
    kinds={"postgres"},
    description="Since when a repository has which visibility and which default branch.",
)

# Written by retention, where what they descend from goes.
condensed_tables = [
    AssetSpec(
        ["raw", name],
        deps=[["raw", source]],
        group_name="raw",
        kinds={"postgres"},
        description=description,
    )
    for name, source, description in (
        ("condensed_runs", "webhook_runs", "What is left of old webhooks' words of attempts."),
        ("condensed_jobs", "webhook_jobs", "What is left of old webhooks' words of jobs."),
        ("polls_by_day", "polls", "The numbers of days whose polls went."),
    )
]

# Seen of no GitHub: `actionsight migrate` and `prices load` read them from files.
runner_lists = [
    AssetSpec(["raw", name], group_name="raw", kinds={"csv", "postgres"}, description=description)
    for name, description in (
        ("runner_prices", "What a minute on a class of runner costs: shipped, and one's own."),
        ("runner_labels", "Which labels mean which class of runner: shipped, and one's own."),
    )
]
