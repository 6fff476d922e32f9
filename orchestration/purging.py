"""The data of repositories that operators asked to delete, by DELETE /repositories/{id}/data."""

from dagster import (
    DefaultSensorStatus,
    OpExecutionContext,
    RunRequest,
    SensorEvaluationContext,
    SkipReason,
    job,
    op,
    sensor,
)

from actionsight.database import connect
from actionsight.purging import fulfil, requested
from actionsight.settings import load
from orchestration.dagster_runs import under_way


@op(description="Delete all rows of the repositories that app.purges names, one after the other.")
def purge_requested(context: OpExecutionContext) -> None:
    with connect(str(load().database_url), autocommit=True) as connection:
        for request in requested(connection):
            fulfil(connection, request)
            context.log.info("The request to purge %s has ended", request.full_name)


@job(description="Delete the data of repositories that an operator asked to delete.")
def purge() -> None:
    purge_requested()


@sensor(
    job_name=purge.name,
    minimum_interval_seconds=3,
    default_status=DefaultSensorStatus.RUNNING,
    description="Asks for a purge while one is requested and none is under way.",
)
def purge_requests(context: SensorEvaluationContext) -> RunRequest | SkipReason:
    """Request a run; one that was killed is no more under way, and the next goes on."""
    with connect(str(load().database_url), autocommit=True) as connection:
        if not requested(connection):
            return SkipReason("Nothing is to be purged.")
    running = under_way(context.instance, [purge.name])
    if running:
        return SkipReason(f"The purge {running[0].run_id[:8]} is under way.")
    return RunRequest()
