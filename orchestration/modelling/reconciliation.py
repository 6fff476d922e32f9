"""Whether webhooks tell what polls see: where polls have to add or correct much, it warns."""

from collections.abc import Iterable
from dataclasses import dataclass

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    AssetSelection,
    DefaultScheduleStatus,
    ScheduleDefinition,
    asset_check,
    define_asset_job,
)
from psycopg.rows import class_row

from actionsight.database import connect
from actionsight.settings import load
from orchestration.run_kinds import of_kind

DAYS = 7
# Beneath either nobody is told: a deploy of GitHub's, or of ours, loses a few.
HIGHEST_SHARE = 0.05
LEAST_COUNT = 5

# Of the days after the one on which a webhook first told something of the repository.
_QUERY = """
    select
        coalesce(repositories.full_name, health.repository_id::text) as repository,
        sum(attempt_count)::bigint as attempts,
        sum(poll_only_attempt_count)::bigint as attempts_missed,
        sum(corrected_attempt_count)::bigint as attempts_corrected,
        sum(webhook_only_job_count + poll_only_job_count + both_job_count)::bigint as jobs,
        sum(poll_only_job_count)::bigint as jobs_missed,
        sum(corrected_job_count)::bigint as jobs_corrected
    from marts.collection_health_by_day as health
    inner join marts.repositories using (repository_id)
    inner join lateral (
        select min(received_at) as received_at
        from raw.webhook_events as events
        where events.repository_id = health.repository_id and events.outcome = 'observed'
    ) as first_webhook on health.day > (first_webhook.received_at at time zone 'UTC')::date
    where health.day >= (now() at time zone 'UTC')::date - %s
    group by health.repository_id, repositories.full_name
    order by repository
"""


@dataclass(frozen=True)
class Health:
    """What was seen of one repository since webhooks come, and what of it only polls knew."""

    repository: str
    attempts: int
    attempts_missed: int
    attempts_corrected: int
    jobs: int
    jobs_missed: int
    jobs_corrected: int

    def advice(self) -> str | None:
        """What is wrong and what to do about it; None while webhooks tell enough."""
        said = [
            advice
            for things, seen, missed, corrected in (
                ("attempts of runs", self.attempts, self.attempts_missed, self.attempts_corrected),
                ("jobs", self.jobs, self.jobs_missed, self.jobs_corrected),
            )
            for advice in _advice(things, seen, missed, corrected)
        ]
        return " ".join(said) or None


def _advice(things: str, seen: int, missed: int, corrected: int) -> Iterable[str]:
    event = "Workflow jobs" if things == "jobs" else "Workflow runs"
    if _is_much(missed, seen):
        yield (
            f"Of {seen} {things} no webhook told of {missed}: look at GitHub whether the webhook"
            f" has the event '{event}', and which of its recent deliveries failed, and redeliver"
            " those."
        )
    if _is_much(corrected, seen):
        yield (
            f"Of {seen} {things} polls corrected {corrected}, whose last webhooks never came: look"
            " at the webhook's recent deliveries at GitHub, and at `actionsight dead-letters list`."
        )


def _is_much(count: int, seen: int) -> bool:
    return count >= LEAST_COUNT and count > seen * HIGHEST_SHARE


def health(database_url: str) -> list[Health]:
    """Of each repository that webhooks tell of, the last days; nothing before the first build."""
    with connect(database_url) as connection:
        made = connection.execute("select to_regclass('marts.collection_health_by_day')").fetchone()
        if made == (None,):
            return []
        with connection.cursor(row_factory=class_row(Health)) as cursor:
            return cursor.execute(_QUERY, [DAYS]).fetchall()


@asset_check(
    asset=AssetKey(["marts", "collection_health_by_day"]),
    description=(
        f"Where webhooks come, polls alone saw, and corrected, at most {HIGHEST_SHARE:.0%} in the"
        f" last {DAYS} days; names each repository where it was more, and what to do."
    ),
)
def webhooks_tell_enough() -> AssetCheckResult:
    """Warns and stops nothing: polls have added and corrected all of it."""
    return judged(health(str(load().database_url)))


def judged(looked_at: list[Health]) -> AssetCheckResult:
    """The result of the check over these repositories."""
    advice = {each.repository: said for each in looked_at if (said := each.advice())}
    return AssetCheckResult(
        passed=not advice,
        severity=AssetCheckSeverity.WARN,
        metadata={"repositories": len(looked_at), **advice},
    )


# Once a day and not with every build: a webhook more or less changes nothing of it.
reconcile = define_asset_job(
    "reconcile",
    selection=AssetSelection.checks(webhooks_tell_enough),
    description="Compare what webhooks told with what polls saw; warn where much is missing.",
    tags=of_kind("reconciliation"),
)
reconciling_schedule = ScheduleDefinition(
    name="reconcile_webhooks",
    job=reconcile,
    cron_schedule="17 4 * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
)
