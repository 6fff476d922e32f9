"""What /healthz and /readyz answer."""

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from api.records import Count, Record, Time


class Alive(Record):
    """The process lives."""

    status: Literal["ok"]


class EventBuffer(Record):
    """The buffer of received webhooks."""

    status: Literal["ok", "full", "unavailable", "not_configured"] = Field(
        description="`full`: webhooks are refused until a drain has made room."
    )
    event_count: Count | None = Field(
        description="Webhooks that wait to be drained; null unless `ok` or `full`."
    )
    oldest_event_age_seconds: (
        Annotated[float, WithJsonSchema({"type": "number", "minimum": 0})] | None
    ) = Field(description="How long the first of them has waited; null when none does.")
    memory_bytes: Count | None = Field(description="Memory that its Redis uses; null: not known.")
    memory_limit_bytes: Count | None = Field(
        description="Memory that it may use; at 90 % of it webhooks are refused. null: as much as "
        "there is."
    )


class Webhooks(Record):
    """Whether GitHub tells what it should."""

    status: Literal["ok", "late"] = Field(
        description="`late`: one of the two counts is not 0. Numbers are right, and what is "
        "missing comes as late as polls."
    )
    silent_count: Count = Field(
        description="Webhooks of ours that told nothing while polls found runs."
    )
    given_up_count: Count = Field(
        description="Deliveries that failed again and again, and were given up within three days."
    )


class DiskUsage(Record):
    """What the installation's data folder uses of the disk."""

    status: Literal["ok", "nearly_full", "full"] = Field(
        description="`nearly_full`: from 85 % on payloads of webhooks go early; `full`: from 95 % "
        "on webhooks are refused."
    )
    used_bytes: Count
    limit_bytes: Count = Field(
        description="What it may use: the operator's budget, or what the disk has if that is less."
    )


class Readiness(Record):
    """The API can answer, and how fresh its numbers are."""

    status: Literal["ready"]
    as_of: Time | None = Field(
        description="Up to when the numbers of all monitored repositories can be trusted; null: "
        "not known."
    )
    newest_observation_at: Time | None = Field(
        description="When something new was last seen of any of them, by a webhook or a poll; "
        "null: never."
    )
    event_buffer: EventBuffer
    webhooks: Webhooks
    disk: DiskUsage
