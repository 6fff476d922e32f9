"""What /changes answers."""

from typing import Literal

from pydantic import Field

from api.records import Count, Id, Record, Seconds, Since, Usd


class Change(Record):
    """A measure of a workflow or a job that clearly differs from the period before."""

    subject: Literal["workflow", "job"]
    repository_id: Id
    repository_full_name: str
    workflow_id: Id
    workflow_name: str
    job_name: str | None = Field(
        description="Null: of the workflow's runs, or of its jobs without a name (see `subject`)."
    )
    measure: Literal[
        "success_duration_p50_seconds",
        "success_rate",
        "job_queue_p95_seconds",
        "flaky_rate",
        "estimated_cost_usd",
    ]
    direction: Literal["up", "down"] = Field(description="Where the value went.")
    is_worse: bool
    before: Seconds = Field(description="The measure in the period before.")
    after: Seconds = Field(description="The measure in the range.")
    before_count: Count = Field(
        description="Values that the measure is of before: durations, decided runs, waits, or runs."
    )
    after_count: Count = Field(description="The same of the range.")
    impact_seconds: Seconds | None = Field(
        description="Seconds in 28 days, positive where it is worse. Durations: the difference for "
        "each success. Waits: for the twentieth that waits so long. Rates: for each run more that "
        "fails, a median duration; for each occurrence more, the mean time lost. Null: see "
        "`impact_usd`."
    )
    impact_usd: Usd | None = Field(description="Of costs, dollars in 28 days.")
    since: Since | None = Field(
        description="The run with which a change of level in the same direction began, on the "
        "default branch where that shows one."
    )
    still_holds: bool | None = Field(
        description="Whether that level is the current one; null: no change of level is known."
    )
