"""What /runners answers."""

from typing import Any

from pydantic import Field, create_model

from api.records import Count, PartialRecord, Rate, Record, RunnerClass, Seconds, Time, WholeSeconds
from api.stats.comparison import AmountRule, PercentileRule, RateRule, Rule, comparable
from api.stats.metrics import PERCENTILES, PERCENTS, Percentiles, fields_of


def _queue() -> Percentiles:
    [found] = [each for each in PERCENTILES if each.prefix == "job_queue"]
    return found


QUEUE = _queue()


class _RunnerUse(PartialRecord):
    """How much a set of labels is asked for, and what runs."""

    run_count: Count = Field(description="Runs with such a job.")
    job_count: Count = Field(description="Jobs that are not carried over.")
    jobs_executed: Count = Field(description="Jobs that a runner executed.")
    queue_within_count: Count = Field(
        description="Executed jobs that waited no longer than `within_seconds`."
    )
    queue_within_rate: Rate | None = Field(description="Those ÷ jobs with a known wait.")
    busy_seconds: WholeSeconds | None = Field(description="Sum of the executed jobs' durations.")
    average_concurrency: Seconds | None = Field(
        description="Busy seconds ÷ seconds of the range that have passed; null where it has no "
        "beginning."
    )
    peak_jobs: Count | None = Field(description="The most jobs that ran at once.")
    peak_queued: Count | None = Field(description="The most executed jobs that waited at once.")
    open_job_count: Count = Field(
        description="Executed jobs without an end: in neither busy seconds nor peak."
    )
    runner_name_count: Count = Field(description="Names of runners seen.")


_QUEUE_FIELDS: dict[str, Any] = fields_of([QUEUE.count.name, *QUEUE.names])
RunnerStatistics: type[Record] = create_model(
    "RunnerStatistics", __base__=_RunnerUse, **_QUEUE_FIELDS
)
NAMES = tuple(RunnerStatistics.model_fields)


def _rules() -> dict[str, Rule]:
    rules: dict[str, Rule] = {name: AmountRule() for name in NAMES}
    rules["queue_within_rate"] = RateRule("queue_within_count", QUEUE.count.name)
    for name, percent in zip(QUEUE.names, PERCENTS, strict=True):
        rules[name] = PercentileRule(QUEUE.count.name, percent)
    return rules


RULES = _rules()


class _LabelSet(PartialRecord):
    """What jobs ask for."""

    labels: list[str] = Field(description="In lower case, sorted, each once.")
    runner_class: RunnerClass = Field(description="That of most of its jobs.")


LabelSet: type[Record] = create_model("LabelSet", __base__=(_LabelSet, RunnerStatistics))
ComparableLabelSet = comparable(LabelSet, RunnerStatistics)


class RunnerHour(PartialRecord):
    """An hour of a set of labels. Jobs and waits are filed under the hour of a job's creation, busy
    seconds and peaks under the hours in which jobs ran and waited."""

    labels: list[str]
    hour: Time
    job_count: Count = Field(0, description="Jobs that are not carried over.")
    jobs_executed: Count = Field(0, description="Jobs that a runner executed.")
    impossible_queue_count: Count = Field(0, description="Jobs whose wait cannot be: in no wait.")
    queue_count: Count = Field(0, description="Jobs with a known wait.")
    queue_seconds: WholeSeconds | None = Field(None, description="The sum of those.")
    longest_queue_seconds: WholeSeconds | None = Field(None, description="The longest of them.")
    queue_within_60_count: Count = Field(0, description="Waits of at most 60 s.")
    queue_within_rate: Rate | None = Field(None, description="Waits of at most 60 s ÷ all.")
    busy_seconds: WholeSeconds | None = Field(
        None, description="Time in which jobs ran, summed up."
    )
    peak_jobs: Count | None = Field(None, description="The most jobs that ran at once.")
    peak_queued: Count | None = Field(
        None, description="The most executed jobs that waited at once."
    )
    open_job_count: Count = Field(
        0, description="Executed jobs without an end, by the hour of their start."
    )


HOUR_NAMES = tuple(name for name in RunnerHour.model_fields if name not in ("labels", "hour"))


class RunnerNow(Record):
    """What waits and runs on a set of labels at this moment."""

    labels: list[str]
    queued_count: Count = Field(description="Jobs that wait for a runner.")
    oldest_queued_at: Time | None = Field(description="Since when the first of them waits.")
    running_count: Count = Field(description="Jobs that run.")
    usual_job_queue_count: Count = Field(
        description="Known waits in this hour of the week, in the four weeks before."
    )
    usual_job_queue_p95_seconds: Seconds | None = Field(description="Percentile 95 of those.")


class RunnerName(Record):
    """A runner, by its name."""

    runner_name: str
    job_count: Count = Field(description="Executed, completed jobs.")
    failure_count: Count = Field(description="Those that failed or timed out.")
    failure_rate: Rate | None = Field(description="Failures ÷ jobs.")
    failure_rate_lower_bound: Rate | None = Field(description="Of the 95 % Wilson interval.")
    failure_rate_upper_bound: Rate | None = Field(description="Of the same.")
    last_seen_at: Time | None = Field(description="When the last of them ended.")
    compared_job_count: Count = Field(
        description="Jobs here whose name in the workflow also ran on others."
    )
    excess_failure_rate: Seconds | None = Field(
        description="How much more of those failed here than such jobs fail on other runners, as a "
        "rate; null under 20 of them."
    )
