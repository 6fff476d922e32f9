"""What answers hold of jobs and their steps."""

from pydantic import Field

from api.records import (
    Conclusion,
    Count,
    Day,
    Id,
    Record,
    Seconds,
    Status,
    Time,
    Url,
    Usd,
    WholeSeconds,
)


class Usual(Record):
    """How long the successful ones took in the 28 days before, of whatever branch and event."""

    run_count: Count = Field(description="How many runs it rests on.")
    p50_seconds: Seconds | None
    p95_seconds: Seconds | None


class Step(Record):
    """A step of an executed job."""

    step_number: Count
    name: str | None
    status: Status | str | None
    conclusion: Conclusion | str | None
    started_at: Time | None
    completed_at: Time | None
    duration_seconds: WholeSeconds | None


class FailedStep(Record):
    """The lowest-numbered step that ended failure or timed_out."""

    number: Count
    name: str | None


class Job(Record):
    """A job as it is listed under an attempt of a run."""

    job_id: Id
    run_id: Id
    run_attempt: Count
    repository_id: Id
    repository_full_name: str
    workflow_id: Id
    workflow_name: str
    day: Day
    run_created_at: Time
    name: str | None
    head_branch: str | None
    status: Status | str | None
    conclusion: Conclusion | str | None
    created_at: Time | None
    started_at: Time | None
    completed_at: Time | None
    is_executed: bool = Field(description="Whether a runner took it, in this attempt.")
    is_carried_over: bool = Field(
        description="Whether it is a copy of an earlier attempt's job, which a re-run lists again."
    )
    was_gated: bool = Field(description="Whether it was seen to wait for an approval.")
    queue_seconds: WholeSeconds | None
    is_impossible_queue: bool
    duration_seconds: WholeSeconds | None
    is_impossible_duration: bool
    labels: list[str] | None
    runner_class: str
    runner_id: Count | None
    runner_name: str | None
    runner_group_name: str | None
    billable_minutes: Count | None
    self_hosted_minutes: Count | None
    unknown_minutes: Count | None
    wasted_minutes: Count | None
    waste_cause: str | None
    estimated_cost_usd: Usd | None
    list_price_usd: Usd | None
    cost_day: Day | None
    failed_step_number: Count | None
    failed_step_name: str | None
    steps_left_out: Count
    html_url: Url | None


class JobOfRun(Job):
    """A job of a run, beside what is usual for it."""

    failed_step: FailedStep | None
    step_count: Count = Field(description="How many steps of it are known.")
    usual: Usual = Field(description="Of the successful jobs of its name in its workflow.")
    steps: list[Step] | None = Field(description="Null unless `include=steps` asks for them.")


class StepOfJob(Step):
    """A step, beside what is usual for it."""

    usual_p50_seconds: Seconds | None = Field(
        description="Median of the successful steps of its name in the workflow's jobs of this "
        "name, over the 28 days before."
    )


class JobDetail(Job):
    """A job with its steps, beside what is usual for it."""

    failed_step: FailedStep | None
    step_count: Count = Field(description="How many steps of it are known.")
    usual: Usual = Field(description="Of the successful jobs of its name in its workflow.")
    steps: list[StepOfJob]
