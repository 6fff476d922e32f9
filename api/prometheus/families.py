"""Figures as families of series, each with what to do about it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from actionsight.disk import Usage
from api.event_buffer import Status, Waiting
from api.prometheus.queries import Figures


class Series(NamedTuple):
    """A family, and the column that it shows; where that is null there is no series."""

    name: str
    column: str
    help: str
    family: type[GaugeMetricFamily] | type[CounterMetricFamily] = GaugeMetricFamily


INSTALLATION = (
    Series(
        "actionsight_webhook_dead_letters",
        "dead_letters",
        "Webhooks that could not be processed and that nobody discarded. `actionsight dead-letters "
        "list` says why; replay or discard them.",
    ),
    Series(
        "actionsight_webhook_deliveries_given_up",
        "deliveries_given_up",
        "Deliveries that failed, were asked for again in vain, and were given up within three "
        "days; polls find what they told. See whether GitHub reaches ACTIONSIGHT_PUBLIC_URL: the "
        "webhooks' recent deliveries there say what answered.",
    ),
    Series(
        "actionsight_silent_webhooks",
        "silent_webhooks",
        "Webhooks of ours that told nothing while polls found runs. `actionsight status` names "
        "them, with the address of what GitHub says of their deliveries.",
    ),
    Series(
        "actionsight_observation_age_seconds",
        "observation_age",
        "How old the numbers of the least fresh repository are; absent while one was never built. "
        "Where it keeps growing, see which repository is in trouble, then Dagster's failed runs.",
    ),
    Series(
        "actionsight_github_requests",
        "request_count",
        "Requests sent to GitHub's REST API, since the installation.",
        CounterMetricFamily,
    ),
    Series(
        "actionsight_github_unchanged_responses",
        "unchanged_count",
        "Answers 304 of GitHub, which cost nothing of its limit, since the installation.",
        CounterMetricFamily,
    ),
    Series(
        "actionsight_github_refusals",
        "refused_count",
        "Requests that GitHub refused for its limits, since the installation. Where they grow, "
        "something else uses the same credential.",
        CounterMetricFamily,
    ),
    Series(
        "actionsight_selections_refused",
        "selections_refused",
        "Selected names that GitHub refuses. GET /repositories/selections names them; correct or "
        "remove them.",
    ),
)
BUDGETS = (
    Series(
        "actionsight_github_budget_limit",
        "request_limit",
        "Requests that GitHub grants a credential in an hour.",
    ),
    Series(
        "actionsight_github_budget_remaining",
        "remaining",
        "How many of them are left. Collection leaves a tenth to people; where it is always low, "
        "poll less often or use a GitHub App.",
    ),
    Series(
        "actionsight_github_budget_reset_timestamp_seconds",
        "resets_at",
        "When GitHub grants all of them again.",
    ),
)
REPOSITORIES = (
    Series(
        "actionsight_repository_up",
        "is_up",
        "1: collection of the repository is well; 0: it is in trouble or unreachable. "
        "GET /repositories says why.",
    ),
    Series(
        "actionsight_repository_trouble_since_timestamp_seconds",
        "trouble_since",
        "Since when its collection fails; absent while it does not. It is tried again by itself.",
    ),
    Series(
        "actionsight_repository_unreachable_since_timestamp_seconds",
        "unreachable_since",
        "Since when GitHub says that it is not there; absent while it is. Give the credential "
        "access again, or remove the repository.",
    ),
    Series(
        "actionsight_repository_webhook_silent_since_timestamp_seconds",
        "webhook_silent_since",
        "Since when its webhook tells nothing, while polls find runs; absent while it tells. "
        "Numbers are right, and as late as polls: see the webhook's recent deliveries at GitHub.",
    ),
    Series(
        "actionsight_repository_failures",
        "failure_count",
        "How often in a row its collection failed.",
    ),
    Series(
        "actionsight_repository_next_try_timestamp_seconds",
        "next_try_at",
        "When a poll tries it again; absent while its collection is well.",
    ),
    Series(
        "actionsight_repository_observation_age_seconds",
        "observation_age",
        "How old its numbers are: since it was last observed to the end, and built; absent until "
        "the first time. Where it grows beyond a few polls, look at its trouble, then at Dagster.",
    ),
    Series(
        "actionsight_repository_backfill_windows",
        "backfill_windows",
        "Spans of time that its backfill reads; full ones are divided, so they grow.",
    ),
    Series(
        "actionsight_repository_backfill_windows_completed",
        "backfill_windows_completed",
        "Those of them that are stored. Where it stands still, look at GitHub's budget.",
    ),
    Series(
        "actionsight_repository_backfill_target_timestamp_seconds",
        "backfill_target",
        "How far back its history of runs is wanted.",
    ),
    Series(
        "actionsight_repository_backfilled_from_timestamp_seconds",
        "backfilled_from",
        "From here on its history of runs is complete; absent while that is not known.",
    ),
    Series(
        "actionsight_repository_job_listings_owed",
        "job_listings_owed",
        "Attempts whose jobs were still to be listed when they were last counted.",
    ),
)


def of_installation(figures: Figures) -> Iterator[Metric]:
    """The series of the database."""
    yield from _families(INSTALLATION, (), [figures.installation])
    yield from _families(BUDGETS, ("credential",), figures.budgets)
    if figures.states is not None:
        yield of_states(figures.states)
    # By the id, too: a name can be given to another repository while the old one is still here.
    yield from _families(REPOSITORIES, ("repository_id", "repository"), figures.repositories)


def of_states(states: Mapping[str, int]) -> Metric:
    """How many repositories are in each state."""
    family = GaugeMetricFamily(
        "actionsight_repositories",
        "Monitored repositories by the state of their collection, as GET /repositories.",
        labels=["state"],
    )
    for state, count in states.items():
        family.add_metric([state], count)
    return family


def of_database(is_up: bool) -> Metric:
    """Whether the series of the database are there."""
    return _flag(
        "actionsight_database_up",
        "1: PostgreSQL answers and is migrated; 0: it is not, and series that come from it are "
        "missing. GET /readyz says what to do.",
        is_up,
    )


def of_cache(is_up: bool) -> Metric:
    """Whether the cache server answers."""
    return _flag(
        "actionsight_cache_up",
        "1: the cache server answers; 0: it does not, answers are computed each time, and nobody "
        "is limited.",
        is_up,
    )


def of_replica(is_up: bool) -> Metric:
    """Whether the read replica answers."""
    return _flag(
        "actionsight_read_replica_up",
        "1: the read replica answers; 0: it does not, and the primary server answers in its place.",
        is_up,
    )


def of_buffer(waiting: Waiting) -> Iterator[Metric]:
    """The series of the event buffer; where none is configured there are none."""
    if waiting.status is Status.NOT_CONFIGURED:
        return
    yield _flag(
        "actionsight_event_buffer_up",
        "1: the event buffer answers; 0: it does not, and webhooks are refused. Start its Redis.",
        waiting.status in (Status.OK, Status.FULL),
    )
    if waiting.event_count is not None:
        yield GaugeMetricFamily(
            "actionsight_event_buffer_events",
            "Webhooks that wait to be drained. Where they grow, look at the sensor in Dagster.",
            waiting.event_count,
        )
        yield GaugeMetricFamily(
            "actionsight_event_buffer_oldest_event_age_seconds",
            "How long the first of them has waited; 0: none waits. Beyond a minute nothing drains.",
            waiting.oldest_event_age_seconds or 0,
        )
    if waiting.memory is not None:
        yield GaugeMetricFamily(
            "actionsight_event_buffer_memory_bytes",
            "Memory that the event buffer's Redis uses. At 90 % of its limit webhooks are refused.",
            waiting.memory.used_bytes,
        )
        yield GaugeMetricFamily(
            "actionsight_event_buffer_memory_limit_bytes",
            "Memory that it may use: ACTIONSIGHT_EVENT_BUFFER_MB, or the maxmemory of an own "
            "server; 0: as much as there is.",
            waiting.memory.limit_bytes or 0,
        )


def of_disk(usage: Usage) -> Iterator[Metric]:
    """The series of the disk."""
    yield GaugeMetricFamily(
        "actionsight_disk_used_bytes",
        "What the data folder uses. From 85 % of the limit on payloads of webhooks go early, from "
        "95 % on webhooks are refused.",
        usage.used_bytes,
    )
    yield GaugeMetricFamily(
        "actionsight_disk_limit_bytes",
        "What it may use: ACTIONSIGHT_DISK_GB, or what the disk has if that is less.",
        usage.limit_bytes,
    )


def _flag(name: str, help_text: str, is_up: bool) -> Metric:
    return GaugeMetricFamily(name, help_text, int(is_up))


def _families(
    series: Sequence[Series], labels: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> Iterator[Metric]:
    for each in series:
        family = each.family(each.name, each.help, labels=labels)
        for row in rows:
            if (value := row.get(each.column)) is not None:
                family.add_metric([row[label] for label in labels], value)
        if family.samples:
            yield family
