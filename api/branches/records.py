"""What /branches/health answers, and `health` wherever a workflow has it."""

from typing import Literal

from pydantic import Field

from api.records import (
    Conclusion,
    Count,
    Id,
    PartialRecord,
    Rate,
    Record,
    Seconds,
    Since,
    Time,
    Url,
    WholeSeconds,
)

State = Literal["green", "red", "unknown"]
HealthGroup = Literal["default_branch", "merge_queue"]


class Health(Record):
    """The state of a workflow on its default branch, or in the merge queue."""

    state: State = Field(
        description="Whether the newest decided attempt succeeded; `unknown`: none was decided."
    )
    since: Since | None = Field(
        description="Red: the run that began the streak of failures. Green: the attempt that ended "
        "the last red interval, or the first that is known."
    )
    failure_streak: Count = Field(description="Runs that failed in a row, up to the newest.")
    last_green: Since | None = Field(description="The newest run that succeeded.")
    compare_url: Url | None = Field(
        description="GitHub's comparison of the last green commit with the first red one; null "
        "where the state is not red, or one of them is not known."
    )


class FailingJob(Record):
    """A job that failed in the attempt that the state is of."""

    job_id: Id
    name: str | None
    run_id: Id
    run_attempt: Count
    conclusion: Conclusion | str | None
    failed_step_number: int | None
    failed_step_name: str | None
    html_url: Url | None


class BranchHealth(PartialRecord):
    """The health of a workflow in one of its groups of runs, now and over the range."""

    repository_id: Id
    repository_full_name: str
    workflow_id: Id
    workflow_name: str
    gone_at: Time | None = Field(
        description="Since when the repository lists the workflow no more."
    )
    health_group: HealthGroup = Field(
        description="`default_branch`: what was pushed, scheduled or dispatched there; "
        "`merge_queue`: what the merge queue tried."
    )
    head_branch: str | None = Field(description="The default branch of now; null in the queue.")
    health: Health
    red_seconds: WholeSeconds | None = Field(
        description="How long it was red in the range, up to `Actionsight-As-Of`; null: not known."
    )
    interval_count: Count = Field(description="Red intervals that reach into the range.")
    recovery_count: Count = Field(
        description="Red intervals that ended in the range and whose start is known."
    )
    mttr_seconds: Seconds | None = Field(description="Mean length of those.")
    recovery_p50_seconds: Seconds | None = Field(description="Median length of those.")
    breakage_count: Count = Field(description="Red intervals that began in the range.")
    decisive_count: Count = Field(description="Runs of the range that were decided.")
    breakage_rate: Seconds | None = Field(description="Breakages ÷ decisive runs.")
    green_share: Rate | None = Field(
        description="1 - red seconds ÷ seconds of known state in the range."
    )
    failing_jobs: list[FailingJob] = Field(
        [], description="With `include=failing_jobs`: what failed, where the state is red."
    )


class RedInterval(Record):
    """A time in which a branch was red."""

    repository_id: Id
    repository_full_name: str
    workflow_id: Id
    workflow_name: str
    health_group: HealthGroup
    started_at: Time
    ended_at: Time | None = Field(description="Null: it is open.")
    duration_seconds: WholeSeconds | None = Field(description="Null: it is open.")
    red_seconds: WholeSeconds | None = Field(
        description="How much of it lies in the range, up to `Actionsight-As-Of`; null: not known."
    )
    failed_attempt_count: Count = Field(description="Failed attempts that ended in it.")
    is_start_known: bool = Field(
        description="False: it begins with the first decided attempt that is known."
    )
    first_failed: Since
    recovered_by: Since | None
