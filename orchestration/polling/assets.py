"""The raw tables that polling fills, as assets; all of the work is `ingestion.github`'s."""

from collections.abc import Iterator
from uuid import UUID

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetSpec,
    DataVersion,
    MaterializeResult,
    multi_asset,
)

from actionsight.settings import load
from ingestion.github import stages
from ingestion.github.cycle import StageResult, cycle
from ingestion.github.prepare import prepare
from orchestration.raw_tables import GITHUB_REST, raw_table
from orchestration.runs import sign

POLLS = AssetKey(["raw", "polls"])
COLLECTED = "every_repository_was_collected"

github_rest = AssetSpec(
    GITHUB_REST,
    group_name="github",
    kinds={"github"},
    description="GitHub's REST API; each poll notes what is left of the rate limit.",
)


@multi_asset(
    name="github",
    specs=[
        raw_table(name, description, source=GITHUB_REST)
        for name, description in (
            ("repositories", "One row per monitored repository."),
            ("workflows", "One row per workflow."),
            ("workflow_runs", "One row per run and attempt, as polling last saw it."),
            ("workflow_jobs", "One row per job as listed under an attempt, with its steps."),
            ("polls", "One row per poll, repository and loop: what was seen and changed."),
        )
    ],
    check_specs=[
        AssetCheckSpec(
            COLLECTED,
            asset=POLLS,
            description="No repository has had trouble in the last poll; names those that had.",
        )
    ],
)
def polled_tables(
    context: AssetExecutionContext,
) -> Iterator[MaterializeResult[None] | AssetCheckResult]:
    """Collect from GitHub all that is new, and history that is still owed."""
    sign(context)
    settings = load()
    prepare(settings)
    with cycle(settings, poll_id=UUID(context.run.run_id)) as under_way:
        repositories = stages.collect_repositories(under_way)
        yield _collected("repositories", repositories)
        yield _collected("workflows", repositories)
        runs = stages.collect_runs(under_way)
        yield _collected("workflow_runs", runs)
        jobs = stages.collect_jobs(under_way)
        yield _collected("workflow_jobs", jobs)
    yield MaterializeResult(
        asset_key=POLLS,
        metadata={"requests": sum(s.request_count for s in (repositories, runs, jobs))},
    )
    context.log_event(_rate_limit(jobs))
    yield _every_repository_was_collected(repositories.refused | jobs.troubles)


def _collected(table: str, stage: StageResult) -> MaterializeResult[None]:
    """A table's materialisation, with what the stage saw and what of it was new or changed.

    Its data version is the load that changed it last: a poll that changed nothing leaves the models
    as fresh as they were.
    """
    return MaterializeResult(
        asset_key=["raw", table],
        data_version=DataVersion(str(stage.versions[table])),
        metadata={
            "rows_seen": stage.rows_seen.get(table, 0),
            "rows_changed": stage.rows_changed.get(table, 0),
            "requests": stage.request_count,
            "loads": list(stage.load_ids),
            **_remaining(stage),
        },
    )


def _rate_limit(stage: StageResult) -> AssetMaterialization:
    return AssetMaterialization(AssetKey(GITHUB_REST), metadata=_remaining(stage))


def _remaining(stage: StageResult) -> dict[str, int | str]:
    limit = stage.rate_limit
    if limit is None:
        return {}
    return {
        "rate_limit": limit.limit,
        "rate_limit_remaining": limit.remaining,
        "rate_limit_resets_at": limit.resets_at.isoformat(),
    }


def _every_repository_was_collected(troubles: dict[str, str]) -> AssetCheckResult:
    """Trouble is shown, and stops neither the other repositories nor the build of what came."""
    return AssetCheckResult(
        check_name=COLLECTED,
        asset_key=POLLS,
        passed=not troubles,
        severity=AssetCheckSeverity.ERROR,
        metadata={**troubles},
    )
