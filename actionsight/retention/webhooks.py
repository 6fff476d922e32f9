"""What webhooks brought: payloads, what was read from them, and the ledger of deliveries.

Of a run or a job that ended, and that polling saw end, the polled row says nearly all. What
deliveries add is little and stays, as one row in place of one for each (`raw.condensed_runs`,
`raw.condensed_jobs`): that they told of it and how it stood at last, what only they knew, and
whether any of them had it wait. So marts say the same of it, whatever is computed anew and
whenever; after a full refresh, too.

That row stands where the newest delivery stood in the order of the newest state, but behind a
polled row that is its equal: then the state is the polled row's, and steps and what describes it
need not be kept twice (docs/decisions/0045).
"""

from importlib.resources import files
from typing import Any, LiteralString, cast

from psycopg import Connection

from actionsight import webhook_payloads
from actionsight.retention.rule import Rule, deleted, in_database

PAYLOADS: Rule[Connection[Any]] = Rule(
    "payloads of webhooks",
    "retention_payload_days",
    webhook_payloads.count,
    webhook_payloads.drop_before,
)

DEAD_LETTERS = deleted(
    "dead letters that were discarded",
    "retention_payload_days",
    table="raw.webhook_dead_letters",
    key="delivery_id",
    where="discarded_at < %(before)s",
)


def _condensed(what: str, table: str, old: LiteralString) -> Rule[Connection[Any]]:
    file = files("actionsight.retention") / f"condense_{table}.sql"
    # A file of ours is as literal as a text here.
    statement = cast("LiteralString", file.read_text(encoding="utf-8"))
    return in_database(what, "retention_webhook_days", old=old, remove=statement)


# All that was told is old, and polling saw it end. It is built, too: the rows of a load are what
# tells a build which marts it touches.
RUNS = _condensed(
    "webhooks' words of runs",
    "runs",
    """
    from raw.webhook_runs as observed
    where observed.received_at < %(before)s
        and exists (
            select from raw.workflow_runs as polled
            where polled.run_id = observed.run_id
                and polled.run_attempt = observed.run_attempt
                and raw.is_final(polled.status, polled.conclusion)
        )
        and not exists (
            select from raw.webhook_runs as other
            where other.run_id = observed.run_id
                and other.run_attempt = observed.run_attempt
                and (
                    other.received_at >= %(before)s
                    or exists (select from raw.unbuilt_loads where load_id = other.batch_id)
                )
        )
    """,
)

# Of an attempt whose jobs are still to be listed, deliveries may spare the listing.
JOBS = _condensed(
    "webhooks' words of jobs",
    "jobs",
    """
    from raw.webhook_jobs as observed
    where observed.received_at < %(before)s
        and exists (
            select from raw.workflow_jobs as polled
            inner join raw.workflow_runs as run
                on polled.run_id = run.run_id and polled.run_attempt = run.run_attempt
            where polled.job_id = observed.job_id
                and polled.status = 'completed'
                and raw.is_final(run.status, run.conclusion)
        )
        and not exists (
            select from raw.owed_job_listings as owed where owed.run_id = observed.run_id
        )
        and not exists (
            select from raw.webhook_jobs as other
            where other.job_id = observed.job_id
                and (
                    other.received_at >= %(before)s
                    or exists (select from raw.unbuilt_loads where load_id = other.batch_id)
                )
        )
    """,
)

REDELIVERIES = deleted(
    "deliveries that were asked for again",
    "retention_delivery_days",
    table="raw.webhook_redeliveries",
    key="delivery_id",
    where="failed_at < %(before)s",
)

LISTINGS = deleted(
    "webhooks that deliver no more",
    "retention_delivery_days",
    table="raw.webhook_listings",
    key="hook_id",
    where="listed_until < %(before)s",
)

DELIVERIES = deleted(
    "deliveries in the ledger",
    "retention_delivery_days",
    table="raw.webhook_deliveries",
    key="delivery_id",
    # GitHub repeats none that is older than three days.
    where="""
        received_at < %(before)s
        and not exists (
            select from raw.webhook_payloads as kept
            where kept.received_at = old.received_at and kept.delivery_id = old.delivery_id
        )
        and not exists (select from raw.webhook_runs as run where run.delivery_id = old.delivery_id)
        and not exists (select from raw.webhook_jobs as job where job.delivery_id = old.delivery_id)
    """,
)
