"""What /workflows answers."""

from pydantic import Field, create_model

from api.branches.records import Health
from api.changes.levels import Level
from api.records import (
    Conclusion,
    Count,
    Id,
    PartialRecord,
    Record,
    Status,
    Time,
    Url,
    WholeSeconds,
    WorkflowState,
)
from api.stats.comparison import comparable
from api.stats.metrics import Statistics


class LatestRun(Record):
    """The run of a workflow that was created last, as its newest attempt."""

    run_id: Id
    run_number: Count | None
    run_attempt: Count
    status: Status | str | None
    conclusion: Conclusion | str | None
    event: str | None
    head_branch: str | None
    head_sha: str | None
    display_title: str | None
    actor_login: str | None
    created_at: Time
    html_url: Url | None


class Workflow(Record):
    """A workflow as one repository has it."""

    workflow_id: Id
    repository_id: Id
    repository_full_name: str
    name: str
    path: str | None
    state: WorkflowState | str | None = Field(
        description="GitHub's state; null for a workflow that is known by its runs alone."
    )
    html_url: Url | None
    created_at: Time | None
    updated_at: Time | None
    deleted_at: Time | None
    gone_at: Time | None = Field(
        description="Since when its repository lists it no more; its state was the last seen."
    )
    latest_run: LatestRun | None = Field(description="Null: no run is known.")


class RecentRun(Record):
    """A run of the default branch."""

    run_id: Id
    created_at: Time
    status: Status | str | None
    conclusion: Conclusion | str | None
    duration_seconds: WholeSeconds | None = Field(description="As that of the run.")
    run_attempt: Count


ListedWorkflow = create_model(
    "ListedWorkflow",
    __base__=(Workflow, PartialRecord),
    __doc__="A workflow with the parts that `include` names.",
    statistics=(
        comparable(Statistics, Statistics),
        Field(None, description="Of its runs that the filter chooses."),
    ),
    health=(Health, Field(None, description="Of its default branch, now.")),
    recent_runs=(
        list[RecentRun],
        Field(None, description="The newest 30 of the default branch, newest last."),
    ),
)


WorkflowWithStatistics = create_model(
    "WorkflowWithStatistics",
    __base__=(Workflow, PartialRecord),
    __doc__="A workflow, the statistics of its runs that the filter chooses, and the parts that "
    "`include` names.",
    statistics=(comparable(Statistics, Statistics), ...),
    health=(Health, Field(None, description="Of its default branch, now.")),
    levels=(
        list[Level],
        Field(
            None,
            description="Levels of the durations of its successful runs, by group and oldest "
            "first; none where none ever changed.",
        ),
    ),
)
