"""The data of repositories that operators asked to delete, by DELETE /repositories/{id}/data."""

from dagster import OpExecutionContext, job, op

from actionsight.database import connect
from actionsight.purging import fulfil, requested
from actionsight.settings import load
from orchestration.run_kinds import of_kind


@op(description="Delete all rows of the repositories that app.purges names, one after the other.")
def purge_requested(context: OpExecutionContext) -> None:
    with connect(str(load().database_url), autocommit=True) as connection:
        for request in requested(connection):
            fulfil(connection, request)
            context.log.info("The request to purge %s has ended", request.full_name)


@job(
    description="Delete the data of repositories that an operator asked to delete.",
    tags=of_kind("purge"),
)
def purge() -> None:
    purge_requested()
