"""What answers hold of runs."""

from typing import Literal, TypeAlias

from pydantic import Field

from api.jobs.records import FailedStep, JobOfRun, Usual
from api.records import (
    Conclusion,
    Count,
    Day,
    Id,
    Rate,
    Record,
    Seconds,
    Since,
    Status,
    Time,
    Url,
    WholeSeconds,
)


class Run(Record):
    """A run, as its newest attempt."""

    run_id: Id
    run_number: Count | None
    run_attempt: Count
    repository_id: Id
    repository_full_name: str
    workflow_id: Id
    workflow_name: str
    name: str | None
    display_title: str | None
    event: str | None
    status: Status | str | None
    conclusion: Conclusion | str | None
    is_completed: bool
    is_decisive: bool
    head_branch: str | None
    head_sha: str | None
    head_repository_id: Id | None
    pull_request_numbers: list[int] | None = Field(
        description="Of the pull requests that GitHub counts the run to; null: nobody knows."
    )
    actor_id: Id | None
    actor_login: str | None
    triggering_actor_id: Id | None
    triggering_actor_login: str | None
    day: Day
    created_at: Time = Field(description="Of its first attempt.")
    run_started_at: Time | None
    updated_at: Time | None
    ended_at: Time | None
    duration_seconds: WholeSeconds | None = Field(
        description="From the start of the attempt to the end of its last executed job."
    )
    api_duration_seconds: WholeSeconds | None = Field(
        description="From its start to its last update, which can be days later."
    )
    queue_seconds: WholeSeconds | None = Field(
        description="From its start to that of its first executed job."
    )
    time_to_signal_seconds: WholeSeconds | None = Field(
        description="From the run's creation to the end of its first attempt."
    )
    time_to_red_seconds: WholeSeconds | None = Field(
        description="From its start to the end of the first job that failed."
    )
    red_overrun_seconds: WholeSeconds | None = Field(
        description="From there to its end: what failing fast would save."
    )
    busy_seconds: WholeSeconds | None = Field(
        description="Sum of the durations of its executed jobs."
    )
    covered_seconds: WholeSeconds | None = Field(
        description="Time in which at least one of its jobs ran."
    )
    parallelism: Seconds | None = Field(description="Busy ÷ covered seconds.")
    idle_seconds: WholeSeconds | None = Field(description="Duration - covered seconds.")
    first_attempt_conclusion: Conclusion | str | None
    is_flaky: bool
    ambiguous_name_count: Count = Field(
        description="Names of jobs that executed twice in an attempt: no flakiness is told."
    )
    health_group: str | None
    jobs_listed: Count = Field(description="Jobs as listed, also those that were not executed.")
    jobs_executed: Count = Field(description="Jobs that a runner executed.")
    was_approved: bool = Field(description="Whether it was seen to wait for an approval.")
    html_url: Url | None
    gone_at: Time | None = Field(
        description="Since when GitHub has it no more; it stays in every statistic."
    )


class Attempt(Record):
    """An attempt of a run, with its jobs."""

    run_attempt: Count
    is_known: bool = Field(
        description="False: it could not be had, so that nothing but jobs may be known of it."
    )
    status: Status | str | None
    conclusion: Conclusion | str | None
    created_at: Time | None
    run_started_at: Time | None
    updated_at: Time | None
    ended_at: Time | None
    duration_seconds: WholeSeconds | None = Field(
        description="From the start of the attempt to the end of its last executed job."
    )
    api_duration_seconds: WholeSeconds | None = Field(
        description="From its start to its last update, which can be days later."
    )
    queue_seconds: WholeSeconds | None = Field(
        description="From its start to that of its first executed job."
    )
    time_to_red_seconds: WholeSeconds | None = Field(
        description="From its start to the end of the first job that failed."
    )
    red_overrun_seconds: WholeSeconds | None = Field(
        description="From there to its end: what failing fast would save."
    )
    busy_seconds: WholeSeconds | None = Field(
        description="Sum of the durations of its executed jobs."
    )
    covered_seconds: WholeSeconds | None = Field(
        description="Time in which at least one of its jobs ran."
    )
    parallelism: Seconds | None = Field(description="Busy ÷ covered seconds.")
    idle_seconds: WholeSeconds | None = Field(description="Duration - covered seconds.")
    jobs_listed: Count | None = Field(
        description="Jobs as listed, also those that were not executed."
    )
    jobs_executed: Count | None = Field(description="Jobs that a runner executed.")
    actor_login: str | None
    triggering_actor_login: str | None = Field(description="Who started this attempt.")
    html_url: Url | None
    gone_at: Time | None
    jobs: list[JobOfRun] = Field(description="In the order in which they started.")


class RunDetail(Run):
    """A run with all its attempts and their jobs, beside what is usual for it."""

    usual: Usual = Field(description="Of the successful runs of its workflow.")
    previous_run_id: Id | None = Field(
        description="The run of its workflow and branch that was created before it."
    )
    next_run_id: Id | None = Field(
        description="The run of its workflow and branch that was created after it."
    )
    attempts: list[Attempt] = Field(description="From the first on, each number once.")


class Timeline(Record):
    """Runs as columns, oldest first: the values at one place belong to one run."""

    run_count: Count = Field(description="How many runs the filter chooses.")
    is_thinned: bool = Field(
        description="Whether not all of them are here, but of each of many buckets of runs in a "
        "row those with the shortest and the longest duration."
    )
    run_id: list[Id]
    run_attempt: list[Count]
    created_at: list[Time]
    duration_seconds: list[WholeSeconds | None]
    queue_seconds: list[WholeSeconds | None]
    conclusion: list[Conclusion | str | None]
    head_sha: list[str | None]
    display_title: list[str | None]


class DefaultBranchEvidence(Record):
    """The newest job of this name on the default branch that was decided before this one began."""

    conclusion: Conclusion | str
    run: Since
    red_since: Since | None = Field(
        description="The run with which its failures in a row there began; null: it passed."
    )


class RunOnBranch(Since):
    """A run, and its branch."""

    head_branch: str


class ElsewhereEvidence(Record):
    """Jobs of this name on other branches that began within 24 hours before or after this one."""

    failed_branch_count: Count = Field(description="Branches on which such a job failed.")
    branch_count: Count = Field(description="Branches on which such a job was decided.")
    runs: list[RunOnBranch] = Field(
        description="Of the newest three of these branches, the newest run that failed so."
    )


class FlakyEvidence(Record):
    """Flaky occurrences of this name in the 28 days before the run."""

    occurrence_count: Count = Field(description="Runs in which it failed and then passed.")
    executed_run_count: Count = Field(description="Runs in which a job of the name executed.")
    flaky_rate: Rate | None = Field(description="Occurrences ÷ runs in which it executed.")
    flaky_rate_lower_bound: Rate | None = Field(description="Of the 95 % Wilson interval.")
    flaky_rate_upper_bound: Rate | None = Field(description="Of the same.")
    last: Since | None = Field(description="The run of the newest one.")
    same_step_count: Count = Field(description="Those in which the same step failed.")


class RunnerEvidence(Record):
    """Decided jobs of this name on the same runner in the 28 days before the run."""

    runner_name: str
    failure_count: Count = Field(description="Those that failed or timed out.")
    job_count: Count = Field(description="All of them.")


Context: TypeAlias = Literal[
    "default_branch", "elsewhere", "flaked_before", "only_here", "no_history"
]


class JobFailure(Record):
    """A failed job, and what tells whether the change of its run is the reason."""

    job_id: Id
    name: str | None
    run_attempt: Count
    conclusion: Conclusion | str
    started_at: Time | None
    completed_at: Time | None
    duration_seconds: WholeSeconds | None = Field(description="From its start to its end.")
    failed_step: FailedStep | None
    html_url: Url | None
    usual: Usual = Field(description="Of the successful jobs of its name in its workflow.")
    context: Context = Field(
        description="The first that holds: it is also red on the default branch, it failed on "
        "another branch, it was flaky before, it failed only here, it never ran before."
    )
    default_branch: DefaultBranchEvidence | None = Field(
        description="Null: no job of this name was decided there before."
    )
    elsewhere: ElsewhereEvidence
    flaky: FlakyEvidence
    runner: RunnerEvidence | None = Field(description="Null: the runner's name is unknown.")
