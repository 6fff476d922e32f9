"""What webhooks tell: the ledger, the observations unpacked from it, and the dead letters."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    "alter table app.repositories add column newest_observation_at timestamptz",
    """
    comment on column app.repositories.newest_observation_at is
        'When something new was last seen of it, by a webhook or a poll'
    """,
    """
    create table raw.webhook_batches (
        batch_id text primary key,
        drained_at timestamptz not null,
        event_count integer not null,
        run_count integer not null,
        job_count integer not null,
        dead_letter_count integer not null
    )
    """,
    """
    comment on table raw.webhook_batches is
        'One row per committed batch of a drain; its id is what its rows were loaded by'
    """,
    """
    create table raw.webhook_events (
        delivery_id text primary key,
        event text not null,
        action text,
        repository_id bigint,
        installation_id bigint,
        received_at timestamptz not null,
        batch_id text not null,
        outcome text not null
            check (outcome in ('observed', 'applied', 'not_monitored', 'ignored')),
        headers jsonb not null,
        payload bytea
    )
    """,
    # The payloads are compressed already.
    "alter table raw.webhook_events alter column payload set storage external",
    """
    comment on table raw.webhook_events is
        'The ledger: every delivery once, with its body as it came (zlib; of repositories that are
        not monitored the row alone)'
    """,
    "create index on raw.webhook_events (repository_id, received_at)",
    "create index on raw.webhook_events (received_at)",
    """
    create table raw.webhook_runs (
        delivery_id text primary key references raw.webhook_events on delete cascade,
        batch_id text not null,
        received_at timestamptz not null,
        run_id bigint not null,
        run_attempt bigint not null,
        repository_id bigint not null,
        workflow_id bigint not null,
        check_suite_id bigint,
        name text,
        display_title text,
        path text,
        run_number bigint,
        event text,
        status text,
        conclusion text,
        head_branch text,
        head_sha text,
        created_at timestamptz,
        updated_at timestamptz,
        run_started_at timestamptz,
        actor_id bigint,
        actor_login text,
        triggering_actor_id bigint,
        triggering_actor_login text,
        head_repository_id bigint,
        head_repository_full_name text,
        pull_request_numbers jsonb,
        referenced_workflow_paths jsonb,
        html_url text,
        content_hash text not null
    )
    """,
    """
    comment on table raw.webhook_runs is
        'One row per workflow_run delivery: what it says of an attempt of a run'
    """,
    "create index on raw.webhook_runs (run_id, run_attempt)",
    "create index on raw.webhook_runs (batch_id)",
    "create index on raw.webhook_runs (repository_id)",
    "create index on raw.webhook_runs (workflow_id, run_id)",
    """
    create table raw.webhook_jobs (
        delivery_id text primary key references raw.webhook_events on delete cascade,
        batch_id text not null,
        received_at timestamptz not null,
        job_id bigint not null,
        run_id bigint not null,
        run_attempt bigint,
        repository_id bigint not null,
        name text,
        workflow_name text,
        status text,
        conclusion text,
        created_at timestamptz,
        started_at timestamptz,
        completed_at timestamptz,
        head_branch text,
        head_sha text,
        labels jsonb,
        runner_id bigint,
        runner_name text,
        runner_group_id bigint,
        runner_group_name text,
        steps jsonb,
        html_url text,
        content_hash text not null
    )
    """,
    """
    comment on table raw.webhook_jobs is
        'One row per workflow_job delivery: what it says of a job (old shapes lack the attempt)'
    """,
    "create index on raw.webhook_jobs (job_id)",
    "create index on raw.webhook_jobs (run_id)",
    "create index on raw.webhook_jobs (batch_id)",
    "create index on raw.webhook_jobs (repository_id)",
    """
    create table raw.webhook_dead_letters (
        delivery_id text primary key,
        event text not null,
        received_at timestamptz not null,
        headers jsonb not null,
        body bytea not null,
        failed_at timestamptz not null,
        failure_count integer not null default 1,
        error text not null,
        discarded_at timestamptz
    )
    """,
    "alter table raw.webhook_dead_letters alter column body set storage external",
    """
    comment on table raw.webhook_dead_letters is
        'Deliveries that could not be processed, with their bytes and the reason'
    """,
    # Preparing the raw tables makes it again, with the batches of the drain.
    "drop view if exists raw.loads",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
