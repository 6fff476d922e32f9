"""What /flaky-jobs answers."""

from typing import Any

from pydantic import Field, create_model

from api.records import (
    Count,
    Day,
    Id,
    PartialRecord,
    Rate,
    Record,
    Since,
    Time,
    Url,
    Usd,
    WholeSeconds,
)
from api.stats.comparison import AmountRule, RateRule, Rule, comparable, comparable_list


class FlakyJobStatistics(PartialRecord):
    """How often a job failed and then passed in one run, and what that cost."""

    occurrence_count: Count = Field(description="Runs in which it failed and then passed.")
    executed_run_count: Count = Field(description="Runs in which it executed.")
    flaky_rate: Rate | None = Field(description="Occurrences ÷ runs in which it executed.")
    flaky_rate_lower_bound: Rate | None = Field(
        description="Of the 95 % Wilson interval of the rate; by it jobs are ranked."
    )
    flaky_rate_upper_bound: Rate | None = Field(description="Of the same.")
    lost_seconds: WholeSeconds | None = Field(
        description="From the failed jobs' ends to those of the passing ones."
    )
    flaky_wasted_minutes: Count | None = Field(description="Minutes of the failed executions.")
    flaky_cost_usd: Usd | None = Field(description="Cost of the failed executions.")


RULES: dict[str, Rule] = {
    "occurrence_count": AmountRule("executed_run_count"),
    "executed_run_count": AmountRule("executed_run_count"),
    "flaky_rate": RateRule("occurrence_count", "executed_run_count"),
    "flaky_rate_lower_bound": None,
    "flaky_rate_upper_bound": None,
    "lost_seconds": AmountRule("executed_run_count"),
    "flaky_wasted_minutes": AmountRule("executed_run_count"),
    "flaky_cost_usd": AmountRule("executed_run_count"),
}


class FlakyWeek(Record):
    """A week of a flaky job."""

    week: Day = Field(description="Its Monday.")
    occurrence_count: Count = Field(
        description="Runs of the week in which it failed and then passed."
    )
    executed_run_count: Count = Field(description="Runs of the week in which it executed.")


class FlakyStep(Record):
    """A step that failed in occurrences."""

    step_number: int | None
    name: str
    occurrence_count: Count = Field(description="Occurrences in which it failed.")


class FlakyRunner(Record):
    """A runner on which occurrences failed."""

    runner_name: str
    occurrence_count: Count = Field(description="Occurrences that failed on it.")


class FlakyJob(FlakyJobStatistics):
    """A job, by its name in a workflow, that failed and then passed in at least one run."""

    repository_id: Id
    repository_full_name: str
    workflow_id: Id
    workflow_name: str
    job_name: str | None
    is_lower_bound: bool = Field(description="Whether the cost is of the priced jobs alone.")
    by_week: list[FlakyWeek] = Field(description="Every week of the range.")
    first_occurrence: Since
    last_occurrence: Since
    steps: list[FlakyStep] = Field(description="The three that failed most often.")
    runners: list[FlakyRunner] = Field(description="The three on which it failed most often.")


ComparableFlakyJob = comparable(FlakyJob, FlakyJobStatistics)
_FLAKY_COMMIT_COUNT: Any = (
    Count,
    Field(
        description="Commits that both failed and succeeded in one workflow: a weak signal, since "
        "pull requests test a moving merge, and in no other number here."
    ),
)
FlakyJobs = create_model(
    "FlakyJobs",
    __base__=comparable_list(ComparableFlakyJob),
    __doc__="Flaky jobs, and beside them the flaky commits.",
    flaky_commit_count=_FLAKY_COMMIT_COUNT,
)


class FlakyOccurrence(Record):
    """A job that failed and then passed in one run, with its evidence."""

    repository_id: Id
    repository_full_name: str
    workflow_id: Id
    workflow_name: str
    job_name: str | None
    run_id: Id
    run_number: Count | None
    created_at: Time = Field(description="Of the run.")
    event: str | None
    head_branch: str | None
    head_sha: str | None
    display_title: str | None
    actor_login: str | None
    html_url: Url | None
    failed_attempt: Count
    failed_job_id: Id
    failed_job_html_url: Url | None
    failed_conclusion: str
    failed_at: Time | None
    failed_step_number: int | None
    failed_step_name: str | None
    failed_runner_name: str | None
    passed_attempt: Count
    passed_job_id: Id
    passed_job_html_url: Url | None
    passed_at: Time | None
    passed_runner_name: str | None
    lost_seconds: WholeSeconds | None = Field(
        description="From the failed job's end to that of the passing one."
    )
    flaky_wasted_minutes: Count | None = Field(
        description="Minutes of the failed executions of its name."
    )
    flaky_cost_usd: Usd | None = Field(description="Cost of those.")
    is_lower_bound: bool
