"""What /repositories answers, and what a request to monitor a repository holds."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from api.parameters import Parameters
from api.records import Count, Day, Filter, Id, Next, Record, Time, Url

# GitHub's own rules; what passes stands in addresses.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")

State = Literal["waiting", "backfilling", "collecting", "collected", "trouble", "unreachable"]


class BackfillProgress(Record):
    """How far the backfill has come."""

    backfill_target: Time | None = Field(
        description="How far back the history of runs is wanted; null: not yet known."
    )
    backfilled_from: Time | None = Field(
        description="From here on it is complete; null: not yet known."
    )
    windows: Count = Field(
        description="Spans of time that the backfill reads; full ones are divided, so they grow."
    )
    windows_completed: Count = Field(description="Those of them that are stored.")
    job_listings_owed: Count = Field(
        description="Attempts whose jobs were still to be listed when they were last counted."
    )
    estimated_end: Time | None = Field(
        description="When the history will be complete at the pace of the last hour; null: it is, "
        "or nobody can tell."
    )


class Repository(Record):
    """A monitored repository, and how its collection does."""

    repository_id: Id
    full_name: str
    visibility: str
    state: State = Field(
        description="How its collection does: it waits for its first one; its history is being "
        "read; that is stored, and not yet in the numbers; it has been collected; `trouble` says "
        "why it fails; GitHub says that it is not there, or not readable."
    )
    default_branch: str | None
    is_archived: bool | None
    html_url: Url | None
    workflow_count: Count
    run_count: Count
    jobs_listed: Count = Field(description="Jobs as listed under all attempts.")
    added_at: Time
    backfilled_from: Time | None = Field(
        description="The history of runs is complete from here on; null: not yet known."
    )
    observed_until: Time | None = Field(
        description="Up to when its numbers can be trusted; null: not yet known."
    )
    newest_observation_at: Time | None = Field(
        description="When something new was last seen of it, by a webhook or a poll; null: not yet."
    )
    trouble: str | None = Field(description="Why its collection fails; null: it is well.")
    trouble_since: Time | None
    unreachable_since: Time | None = Field(
        description="Since when GitHub says that it is not there, or not readable for the "
        "collector; its data stays, and operators alone see it. Null: it is reachable."
    )
    failure_count: Count = Field(description="How often in a row its collection failed.")
    next_try_at: Time | None = Field(
        description="When a poll tries it again; null: its collection is well."
    )
    progress: BackfillProgress


class CollectionHealth(Record):
    """How a repository was observed on one day, by the day of the runs."""

    day: Day
    attempt_count: Count = Field(description="Attempts of the day's runs.")
    webhook_only_attempt_count: Count = Field(description="Attempts of which webhooks alone told.")
    poll_only_attempt_count: Count = Field(description="Attempts of which polls alone told.")
    both_attempt_count: Count = Field(description="Attempts of which both told.")
    corrected_attempt_count: Count = Field(
        description="Attempts that a poll had to correct after a webhook."
    )
    webhook_only_job_count: Count = Field(description="Jobs of which webhooks alone told.")
    poll_only_job_count: Count = Field(description="Jobs of which polls alone told.")
    both_job_count: Count = Field(description="Jobs of which both told.")
    corrected_job_count: Count = Field(
        description="Jobs that a poll had to correct after a webhook."
    )
    poll_count: Count = Field(description="Polls of this day.")
    failed_poll_count: Count = Field(description="Those that failed.")
    request_count: Count = Field(description="Requests to GitHub of its polls.")


class Webhook(Record):
    """Whether GitHub tells of the repository's runs as they happen."""

    status: Literal["created", "exists", "not_created"]
    reason: str | None = Field(
        description="Why there is none of ours, or is needed; null: there is one."
    )


class AddedRepository(Record):
    """A repository that is monitored now."""

    data: Repository
    webhook: Webhook


class AvailableRepository(Record):
    """A repository that the viewer may add."""

    repository_id: Id
    full_name: str
    visibility: str
    html_url: Url | None
    role: str = Field(description="What the viewer may do there, by GitHub's names.")


class AvailableRepositories(Record):
    """Those that the viewer may add, and which of those that are monitored they may remove."""

    data: list[AvailableRepository]
    next: Next
    filter: Filter
    removable_ids: list[Id] = Field(
        description="Monitored repositories that the viewer may remove: of those that the App "
        "reaches what they administer or maintain; all, for operators. `DELETE` asks GitHub at "
        "that moment, of a public repository that the App does not reach, too."
    )
    install_url: Url = Field(
        description="Where the App is given more repositories, so that they appear here."
    )


def _full_name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("must be owner/name")
    return value


class NewRepository(Parameters):
    """Which repository to monitor."""

    full_name: Annotated[
        str,
        BeforeValidator(_full_name),
        WithJsonSchema({"type": "string", "examples": ["octocat/hello-world"]}),
    ] = Field(description="`owner/name`, in any case.")


class Purge(Record):
    """The deletion of a repository's data."""

    repository_id: Id
    full_name: str
    requested_at: Time = Field(description="When it was last asked for.")
    requested_by: Id | None = Field(
        description="Who asked, by GitHub's id; null: a token of the command line."
    )
    started_at: Time | None = Field(description="When the last try began; null: not yet.")
    completed_at: Time | None = Field(
        description="When it ended, with `error` null: all is deleted. Null: not yet."
    )
    error: str | None = Field(
        description="Why the last try deleted nothing. Another follows, but where `completed_at` "
        "is set: then the repository was added again."
    )


class Selection(Record):
    """What was selected to be monitored, by name."""

    name: str = Field(
        description="As asked, in lower case: `owner/name`, or `owner/*` for all of an owner."
    )
    state: Literal["waiting", "followed", "refused"] = Field(
        description="GitHub was not asked yet; it names what is monitored; or GitHub refuses it "
        "(`last_error`)."
    )
    repository_id: Id | None = Field(description="What GitHub calls it; null for `owner/*`.")
    repository_count: Count = Field(description="Repositories that are monitored by it.")
    added_at: Time
    listed_at: Time | None = Field(
        description="When GitHub last listed the repositories of `owner/*`; null: not yet."
    )
    last_error: str | None = Field(
        description="Why GitHub refuses it; it is tried again. Null: it does not."
    )
