"""The raw tables that polling fills, as assets; all of the work is `ingestion.github`'s."""

from collections.abc import Iterator
from uuid import UUID

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetSpec,
    DataVersion,
    Failure,
    MaterializeResult,
    multi_asset,
)

from actionsight.settings import load
from ingestion.github import stages
from ingestion.github.cycle import StageResult, cycle
from ingestion.github.prepare import prepare
from orchestration.polling.translator import GITHUB_REST, raw_table
from orchestration.runs import sign

github_rest = AssetSpec(
    GITHUB_REST,
    group_name="github",
    kinds={"github"},
    description="GitHub's REST API; each poll notes what is left of the rate limit.",
)


@multi_asset(
    name="github",
    specs=[
        raw_table("repositories", "One row per monitored repository."),
        raw_table("workflows", "One row per workflow."),
        raw_table("workflow_runs", "One row per run and attempt, as polling last saw it."),
        raw_table("workflow_jobs", "One row per job as listed under an attempt, with its steps."),
        raw_table("polls", "One row per poll, repository and loop: what was seen and changed."),
    ],
)
def polled_tables(context: AssetExecutionContext) -> Iterator[MaterializeResult[None]]:
    """Collect from GitHub all that is new, and history that is still owed.

    Raises:
        Failure: nothing could be collected from some repository; the others were.
    """
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
        asset_key=["raw", "polls"],
        metadata={"requests": sum(s.request_count for s in (repositories, runs, jobs))},
    )
    context.log_event(_rate_limit(jobs))
    _raise_if_troubled(repositories.refused | jobs.troubles)


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


def _raise_if_troubled(troubles: dict[str, str]) -> None:
    """All that could be collected is stored by now: a failed run only makes trouble visible."""
    if troubles:
        lines = [f"{name}: {trouble}" for name, trouble in troubles.items()]
        raise Failure("Some repositories could not be collected:\n" + "\n".join(lines))
