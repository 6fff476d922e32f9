"""What stays where raw rows go: of webhooks what polling does not say, of polls each day's numbers.

And the indexes by which retention finds what is old.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
SQL_DIGEST = "b432805646cc4b21"

STATEMENTS = (
    """
    create table raw.polls_by_day (
        repository_id bigint,
        day date,
        poll_count bigint not null,
        failed_poll_count bigint not null,
        request_count bigint not null,
        primary key (repository_id, day)
    )
    """,
    """
    comment on table raw.polls_by_day is
        'One row per repository and day whose rows of raw.polls went, with their numbers'
    """,
    """
    create table raw.condensed_runs (
        run_id bigint,
        run_attempt bigint,
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
        content_hash text not null,
        was_action_required boolean not null,
        primary key (run_id, run_attempt)
    )
    """,
    """
    comment on table raw.condensed_runs is
        'One row per attempt whose rows of raw.webhook_runs went: how it stood in the newest, '
        'and what the polled row does not say'
    """,
    """
    comment on column raw.condensed_runs.was_action_required is
        'Whether it ended, in any of them, with waiting for an approval'
    """,
    "create index on raw.condensed_runs (repository_id, workflow_id, run_id)",
    """
    create table raw.condensed_jobs (
        job_id bigint primary key,
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
        content_hash text not null,
        was_waiting boolean not null
    )
    """,
    """
    comment on table raw.condensed_jobs is
        'One row per job whose rows of raw.webhook_jobs went: how it stood in the newest, and '
        'what the polled row does not say'
    """,
    "comment on column raw.condensed_jobs.was_waiting is 'Whether it waited, in any of them'",
    "create index on raw.condensed_jobs (run_id)",
    "create index on raw.webhook_runs (received_at)",
    "create index on raw.webhook_jobs (received_at)",
    "create index on raw.webhook_events (received_at) where payload is not null",
)


def upgrade() -> None:
    """Make the tables, which retention fills, and the indexes."""
    for statement in STATEMENTS:
        op.execute(statement)
