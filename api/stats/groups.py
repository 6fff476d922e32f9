"""What statistics can be grouped by: the filters' words, and what each means in SQL and answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, LiteralString

from pydantic import Field, create_model

from api.records import Day, Id, PartialRecord, Record

GroupBy = Literal[
    "day",
    "week",
    "month",
    "hour_of_week",
    "repository",
    "workflow",
    "branch",
    "event",
    "actor",
    "runner",
    "job_name",
    "conclusion",
]
# What the same groups were called first.
ALIASES: Mapping[str, str] = {
    "repository_id": "repository",
    "workflow_id": "workflow",
    "head_branch": "branch",
}


@dataclass(frozen=True)
class Group:
    """One thing to group by.

    Attributes:
        key: the member of the answer that tells groups apart.
        expression: SQL over `{rows}`, which are runs, over when they were `{created_at}`, and over
            the `{day}` as which that counts; never null.
        type: of the key in SQL.
        of_jobs: SQL over `jobs` for what only a job tells: a run is in the group of each such
            executed job; None: a run tells it.
        step: of buckets of time; None: it is no time.
        is_by_day: whether tables by day tell it.
    """

    key: LiteralString
    expression: LiteralString
    type: LiteralString
    of_jobs: LiteralString | None = None
    step: LiteralString | None = None
    is_by_day: bool = False

    @property
    def is_date(self) -> bool:
        """Whether it is a span of days."""
        return self.type == "date"


GROUPS: Mapping[str, Group] = {
    "day": Group("day", "{day}", "date", step="1 day", is_by_day=True),
    "week": Group(
        "week",
        "date_trunc('week', {day}::timestamp)::date",
        "date",
        step="1 week",
        is_by_day=True,
    ),
    "month": Group(
        "month",
        "date_trunc('month', {day}::timestamp)::date",
        "date",
        step="1 month",
        is_by_day=True,
    ),
    "hour_of_week": Group(
        "hour_of_week",
        "((extract(isodow from {created_at} at time zone 'UTC') - 1) * 24 "
        "+ extract(hour from {created_at} at time zone 'UTC'))::integer",
        "integer",
        step="1 hour",
    ),
    "repository": Group("repository_id", "{rows}.repository_id", "bigint", is_by_day=True),
    "workflow": Group("workflow_id", "{rows}.workflow_id", "bigint", is_by_day=True),
    # Raw data holds no empty text, so that it can stand for "none" in an ordered key.
    "branch": Group("head_branch", "coalesce({rows}.head_branch, '')", "text"),
    "event": Group("event", "coalesce({rows}.event, '')", "text"),
    "actor": Group("actor_login", "coalesce({rows}.actor_login, '')", "text"),
    "conclusion": Group("conclusion", "coalesce({rows}.conclusion, '')", "text"),
    "runner": Group("runner", "labels.label", "text", of_jobs="labels.label"),
    "job_name": Group(
        "job_name", "coalesce(jobs.name, '')", "text", of_jobs="coalesce(jobs.name, '')"
    ),
    # Of costs alone.
    "runner_class": Group("runner_class", "jobs.runner_class", "text", of_jobs="jobs.runner_class"),
}


def groups_of(group_by: Sequence[str]) -> tuple[str, ...]:
    """What tells the groups apart: by workflow they are also by repository, since a workflow that a
    ruleset requires runs in many repositories under one id."""
    if "workflow" in group_by and "repository" not in group_by:
        return (*group_by, "repository")
    return tuple(group_by)


class GroupKeys(PartialRecord):
    """The keys of a group: those that `group_by` names, and the names of ids."""

    day: Day | None = Field(None, description="UTC day on which the runs were created.")
    week: Day | None = Field(None, description="Monday of the ISO week.")
    month: Day | None = Field(None, description="First day of the month.")
    hour_of_week: int | None = Field(
        None, description="Hour of the creation in its week: 0 (Monday 00:00 UTC) to 167."
    )
    repository_id: Id | None = None
    repository_full_name: str | None = None
    workflow_id: Id | None = None
    workflow_name: str | None = None
    head_branch: str | None = Field(None, description="Null: the runs that have none.")
    event: str | None = None
    actor_login: str | None = None
    conclusion: str | None = Field(None, description="Null: the runs that have none yet.")
    runner: str | None = Field(None, description="A label that executed jobs asked for.")
    job_name: str | None = Field(None, description="Null: the jobs that have none.")


def group_of(name: str, statistics: type[Record]) -> type[Record]:
    """The record of a group: its keys and its statistics."""
    return create_model(name, __base__=(GroupKeys, statistics))
