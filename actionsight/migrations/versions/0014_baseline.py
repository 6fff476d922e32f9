"""The tables of schema app, and those of raw that dlt does not make.

It stands for the fourteen revisions before it, and has the number of the last: a database that was
brought so far has these tables. What was older was never released.
"""

from alembic import op

revision = "0014"
down_revision = None

# Who signs in, with which grant and tokens, and what they did.
PEOPLE = (
    """
    create table app.users (
        user_id bigint primary key,
        login text not null,
        name text,
        avatar_url text,
        created_at timestamptz not null default now(),
        last_seen_at timestamptz not null default now(),
        rights_invalid_before timestamptz not null default '-infinity'
    )
    """,
    """
    comment on table app.users is
        'Everyone who signed in, by GitHub''s id; rights that were read before '
        'rights_invalid_before count no more'
    """,
    """
    create table app.sign_ins (
        state_hash bytea primary key,
        browser_hash bytea not null,
        verifier bytea not null,
        next_path text,
        created_at timestamptz not null default now(),
        used_at timestamptz
    )
    """,
    """
    comment on table app.sign_ins is
        'Sign-ins under way: used once, within minutes, by the browser that began them'
    """,
    "create index on app.sign_ins (created_at)",
    """
    create table app.sign_in_grants (
        grant_id bigint generated always as identity primary key,
        user_id bigint not null references app.users on delete cascade,
        access_token bytea not null,
        access_expires_at timestamptz,
        refresh_token bytea,
        refresh_expires_at timestamptz,
        created_at timestamptz not null default now(),
        revoked_at timestamptz,
        refresh_started_at timestamptz
    )
    """,
    "comment on table app.sign_in_grants is 'Tokens that GitHub gave at a sign-in, encrypted'",
    """
    comment on column app.sign_in_grants.refresh_started_at is
        'Since when somebody asks GitHub for new tokens: a refresh token serves once'
    """,
    "create index on app.sign_in_grants (user_id)",
    """
    create table app.sessions (
        session_hash bytea primary key,
        user_id bigint not null references app.users on delete cascade,
        grant_id bigint not null references app.sign_in_grants on delete cascade,
        created_at timestamptz not null default now(),
        last_seen_at timestamptz not null default now(),
        expires_at timestamptz not null,
        ended_at timestamptz
    )
    """,
    "create index on app.sessions (user_id)",
    "create index on app.sessions (grant_id)",
    "create index on app.sessions (expires_at)",
    """
    create table app.api_tokens (
        token_id bigint generated always as identity primary key,
        name text not null,
        token_hash bytea not null unique,
        created_at timestamptz not null default now(),
        expires_at timestamptz,
        last_used_at timestamptz,
        revoked_at timestamptz,
        user_id bigint references app.users on delete cascade,
        scopes text[] not null default '{read}'
    )
    """,
    """
    comment on column app.api_tokens.scopes is
        'metrics: GET /metrics alone; read: everything that answers; manage: also what changes'
    """,
    "create index on app.api_tokens (user_id)",
    """
    create table app.audit_log (
        entry_id bigint generated always as identity primary key,
        happened_at timestamptz not null default now(),
        action text not null,
        user_id bigint,
        token_id bigint,
        repository_id bigint,
        details jsonb not null default '{}'
    )
    """,
    """
    comment on table app.audit_log is
        'Who did what; it outlives users, tokens and repositories, so it has no foreign keys'
    """,
    "create index on app.audit_log (happened_at)",
)

# What is monitored, and how far its collection has come, as people see it.
REPOSITORIES = (
    """
    create table app.repositories (
        repository_id bigint primary key,
        full_name text not null,
        visibility text not null default 'private',
        added_at timestamptz not null default now(),
        removed_at timestamptz,
        head_cursor timestamptz,
        backfilled_from timestamptz,
        observed_until timestamptz,
        trouble text,
        trouble_since timestamptz,
        newest_observation_at timestamptz,
        hook_id bigint,
        added_by bigint references app.users on delete set null,
        selected_by text,
        unreachable_since timestamptz,
        trouble_loop text,
        failure_count integer not null default 0,
        next_try_at timestamptz,
        looked_at timestamptz,
        head_since timestamptz,
        swept_at timestamptz,
        backfill_target timestamptz,
        backfill_windows integer not null default 0,
        backfill_windows_completed integer not null default 0,
        backfill_estimated_end timestamptz,
        job_listings_owed integer not null default 0,
        visibility_seen_at timestamptz,
        rights_invalid_before timestamptz
    )
    """,
    """
    comment on table app.repositories is
        'One row per repository ever monitored, by GitHub''s id; monitored while not removed'
    """,
    """
    comment on column app.repositories.newest_observation_at is
        'When something new was last seen of it, by a webhook or a poll'
    """,
    "comment on column app.repositories.hook_id is 'The webhook that we made there, if we did'",
    """
    comment on column app.repositories.selected_by is
        'The selection owner/* that brought it; null: it was selected by its own name'
    """,
    """
    comment on column app.repositories.unreachable_since is
        'Since when GitHub answers that it is not there: deleted, or unreadable for the credential'
    """,
    """
    comment on column app.repositories.head_since is
        'Runs created before are the backfill''s, runs created since then the head''s'
    """,
    """
    comment on column app.repositories.backfill_target is
        'How far back the history of runs is wanted; it is complete from backfilled_from on'
    """,
    """
    comment on column app.repositories.backfill_estimated_end is
        'When the history of runs is read, at the pace of the last hour; null: without a pace'
    """,
    """
    comment on column app.repositories.job_listings_owed is
        'Attempts whose jobs were still to be listed when a loop last counted them'
    """,
    """
    comment on column app.repositories.visibility_seen_at is
        'When an answer of GitHub last told the visibility that is noted here (a 304 tells it, '
        'too); null: not since this is noted. What is public counts as such only while this is '
        'young'
    """,
    """
    comment on column app.repositories.rights_invalid_before is
        'Rights to this repository that were read from GitHub before count no more; null: all do'
    """,
    "create index on app.repositories (lower(full_name))",
    "create index on app.repositories (added_by)",
    """
    create table app.repository_selections (
        name text primary key check (name = lower(name)),
        added_at timestamptz not null default now(),
        removed_at timestamptz,
        repository_id bigint references app.repositories,
        last_error text,
        listed_at timestamptz
    )
    """,
    """
    comment on table app.repository_selections is
        'What the operator asked to monitor, as asked; the next poll finds out GitHub''s id'
    """,
    "create index on app.repository_selections (repository_id)",
    """
    create table app.purges (
        repository_id bigint primary key,
        full_name text not null,
        requested_at timestamptz not null default now(),
        requested_by bigint,
        token_id bigint,
        started_at timestamptz,
        completed_at timestamptz,
        error text
    )
    """,
    """
    comment on table app.purges is
        'Repositories whose data is to be deleted, or was; it outlives users, tokens and '
        'repositories, so it has no foreign keys'
    """,
    """
    comment on column app.purges.error is
        'Why the last try deleted nothing; with completed_at: why there will be no other'
    """,
    """
    create table app.github_budgets (
        credential text primary key,
        request_limit integer,
        remaining integer,
        resets_at timestamptz,
        request_count bigint not null default 0,
        unchanged_count bigint not null default 0,
        refused_count bigint not null default 0,
        seen_at timestamptz not null
    )
    """,
    """
    comment on table app.github_budgets is
        'What is left of GitHub''s hourly limit, by credential; counts are since the installation'
    """,
)

# What polls keep for themselves: what they did, how far they came, what is still to be asked.
POLLING = (
    "create schema if not exists raw",
    """
    create table raw.polls (
        poll_id uuid,
        repository_id bigint,
        loop text check (loop in ('repository', 'backfill', 'head', 'open', 'sweep', 'jobs')),
        started_at timestamptz not null,
        ended_at timestamptz,
        seen integer not null,
        changed integer not null,
        request_count integer not null,
        load_ids text[] not null,
        error text,
        primary key (poll_id, repository_id, loop)
    )
    """,
    "create index on raw.polls (repository_id, started_at)",
    # The checkpoints of the backfill: both ends of a window are included.
    """
    create table raw.backfill_windows (
        repository_id bigint,
        starts_at timestamptz,
        ends_at timestamptz not null,
        completed_at timestamptz,
        run_count integer,
        request_count integer,
        is_capped boolean not null default false,
        primary key (repository_id, starts_at),
        check (starts_at <= ends_at)
    )
    """,
    """
    comment on table raw.backfill_windows is
        'Windows of the runs'' creation time that the backfill reads; capped: GitHub shows only '
        'the newest 1,000 runs of that second'
    """,
    "create index on raw.backfill_windows (repository_id) where completed_at is null",
    # An ETag holds for one token; it is saved only when what it stands for is stored.
    """
    create table raw.etags (
        repository_id bigint,
        listing text check (listing in ('repository', 'workflows', 'head')),
        url text not null,
        token_key text not null,
        etag text not null,
        saved_at timestamptz not null,
        primary key (repository_id, listing)
    )
    """,
    """
    create table raw.job_listings (
        run_id bigint,
        run_attempt bigint,
        repository_id bigint not null,
        run_updated_at timestamptz,
        listed_at timestamptz not null,
        total_count integer not null,
        row_count integer not null,
        -- Listed in place of GitHub by what webhooks told.
        is_told boolean not null default false,
        primary key (run_id, run_attempt)
    )
    """,
    "create index on raw.job_listings (repository_id)",
    "create index on raw.job_listings (repository_id, listed_at) where is_told",
    """
    create table raw.missing_attempts (
        run_id bigint,
        run_attempt bigint,
        repository_id bigint not null,
        noted_at timestamptz not null,
        status_code integer not null,
        primary key (run_id, run_attempt)
    )
    """,
    "create index on raw.missing_attempts (repository_id)",
    """
    create table raw.owed_job_listings (
        run_id bigint,
        run_attempt bigint,
        repository_id bigint not null,
        began_at timestamptz not null,
        updated_at timestamptz,
        not_before timestamptz,
        primary key (run_id, run_attempt)
    )
    """,
    """
    comment on table raw.owed_job_listings is
        'Completed attempts whose jobs are to be listed, since they changed after the last '
        'listing; the latest to begin come first, be it a re-run of an old run'
    """,
    "create index on raw.owed_job_listings (began_at desc, run_id desc)",
    "create index on raw.owed_job_listings (repository_id)",
    """
    create table raw.open_job_listings (
        run_id bigint,
        run_attempt bigint,
        repository_id bigint not null,
        run_status text,
        run_updated_at timestamptz,
        jobs_hash text,
        changed_at timestamptz not null,
        next_at timestamptz not null,
        path text not null,
        token_key text not null,
        etag text,
        primary key (run_id, run_attempt)
    )
    """,
    """
    comment on table raw.open_job_listings is
        'Attempts under way whose jobs were listed: again when the attempt changes, else from '
        'next_at on, the later the longer nothing changed'
    """,
    "create index on raw.open_job_listings (repository_id)",
)

# What webhooks tell: the ledger, the observations unpacked from it, and the dead letters.
WEBHOOKS = (
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
    # What was drained since the open loop came by last.
    "create index on raw.webhook_batches (drained_at)",
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
        'The ledger: every delivery once, with its body as it came (zlib; of repositories that '
        'are not monitored the row alone)'
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
    "create index on raw.webhook_runs (repository_id, workflow_id, run_id)",
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
)

# What no build has taken in stands in short lists, whatever the number of loads and polls.
BUILDS = (
    """
    create table raw.unbuilt_loads (
        load_id text primary key,
        noted_at timestamptz not null default now()
    )
    """,
    """
    comment on table raw.unbuilt_loads is
        'Those of raw.loads that no build has taken in: noted by the transaction that commits '
        'the load, removed by the one that records the build'
    """,
    # Polls that found nothing new are no loads; the next build takes their rows in.
    """
    create table raw.unbuilt_polls (
        entry_id bigint generated always as identity primary key,
        repository_id bigint not null,
        day date not null
    )
    """,
    """
    comment on table raw.unbuilt_polls is
        'Days of raw.polls that got a row, or changed one, since a build took them in'
    """,
    """
    create table raw.owed_rebuilds (
        reason text primary key,
        noted_at timestamptz not null default now()
    )
    """,
    """
    comment on table raw.owed_rebuilds is
        'Why the marts are to be made anew from all loads: the next build does so, and removes it'
    """,
)


def upgrade() -> None:
    """Make all tables; functions, triggers and views come from the files of `../sql`."""
    for statement in (*PEOPLE, *REPOSITORIES, *POLLING, *WEBHOOKS, *BUILDS):
        op.execute(statement)
