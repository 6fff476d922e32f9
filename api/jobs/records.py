"""What answers hold of jobs and their steps."""

from pydantic import Field

from api.records import (
    Conclusion,
    Count,
    Day,
    Id,
    Record,
    RunnerClass,
    Seconds,
    Status,
    Time,
    Url,
    Usd,
    WasteCause,
    WholeSeconds,
)


class Usual(Record):
    """How long the successful ones took in the 28 days before, of whatever branch and event."""

    run_count: Count = Field(description="How many runs it rests on.")
    p50_seconds: Seconds | None = Field(description="Median of the durations.")
    p95_seconds: Seconds | None = Field(description="Percentile 95 of the durations.")


class Step(Record):
    """A step of an executed job."""

    step_number: Count
    name: str | None
    status: Status | str | None
    conclusion: Conclusion | str | None
    started_at: Time | None
    completed_at: Time | None
    duration_seconds: WholeSeconds | None = Field(description="From its start to its end.")


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
    queue_seconds: WholeSeconds | None = Field(
        description="From its creation to its start, where it was executed."
    )
    is_impossible_queue: bool
    duration_seconds: WholeSeconds | None = Field(
        description="From its start to its end, where it was executed."
    )
    is_impossible_duration: bool
    labels: list[str] | None
    runner_class: RunnerClass
    runner_id: Count | None
    runner_name: str | None
    runner_group_name: str | None
    billable_minutes: Count | None = Field(description="Minutes on GitHub's runners, rounded up.")
    self_hosted_minutes: Count | None = Field(description="The same on one's own runners.")
    unknown_minutes: Count | None = Field(description="The same on a runner of an unknown class.")
    wasted_minutes: Count | None = Field(description="Those of them whose outcome nobody used.")
    waste_cause: WasteCause | None
    estimated_cost_usd: Usd | None = Field(
        description="Minutes by the price of that day; null: it has none."
    )
    list_price_usd: Usd | None = Field(
        description="The same without the discount for public repositories."
    )
    cost_day: Day | None
    failed_step_number: Count | None
    failed_step_name: str | None
    steps_left_out: Count = Field(
        description="Steps without a number, or with that of a later one."
    )
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
