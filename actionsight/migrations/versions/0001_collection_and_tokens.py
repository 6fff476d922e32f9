"""What is monitored, how far collection has come, and who may ask the API."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
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
        trouble_since timestamptz
    )
    """,
    """
    comment on table app.repositories is
        'One row per repository ever monitored, by GitHub''s id; monitored while not removed'
    """,
    "create index on app.repositories (lower(full_name))",
    """
    create table app.repository_selections (
        name text primary key check (name = lower(name)),
        added_at timestamptz not null default now(),
        removed_at timestamptz,
        repository_id bigint references app.repositories,
        last_error text
    )
    """,
    """
    comment on table app.repository_selections is
        'What the operator asked to monitor, as asked; the next poll finds out GitHub''s id'
    """,
    "create index on app.repository_selections (repository_id)",
    """
    create table app.api_tokens (
        token_id bigint generated always as identity primary key,
        name text not null,
        token_hash bytea not null unique,
        created_at timestamptz not null default now(),
        expires_at timestamptz,
        last_used_at timestamptz,
        revoked_at timestamptz
    )
    """,
    "create schema if not exists raw",
    """
    create table raw.polls (
        poll_id uuid,
        repository_id bigint,
        loop text check (loop in ('repository', 'backfill', 'head', 'open', 'jobs')),
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
    """
    create table raw.job_listings (
        run_id bigint,
        run_attempt bigint,
        repository_id bigint not null,
        run_updated_at timestamptz,
        listed_at timestamptz not null,
        total_count integer not null,
        row_count integer not null,
        primary key (run_id, run_attempt)
    )
    """,
    "create index on raw.job_listings (repository_id)",
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
    # A statistic can be trusted up to the start of the newest cycle that ended well and whose
    # loads, and all earlier ones of that repository, are built (definition: as_of).
    """
    create function app.advance_observed_until() returns void language plpgsql as $body$
    begin
        if to_regclass('marts.built_loads') is null then
            return;
        end if;
        with
        cycles as (
            select
                polls.repository_id,
                polls.poll_id,
                min(polls.started_at) as started_at,
                bool_and(polls.ended_at is not null and polls.error is null)
                    and bool_or(polls.loop = 'jobs') as is_complete,
                bool_and(not exists (
                    select from unnest(polls.load_ids) as load (load_id)
                    where exists (select from raw.loads where loads.load_id = load.load_id)
                        and not exists (
                            select from marts.built_loads where built_loads.load_id = load.load_id
                        )
                )) as is_built
            from raw.polls
            inner join app.repositories using (repository_id)
            where polls.started_at >= coalesce(repositories.observed_until, '-infinity')
            group by polls.repository_id, polls.poll_id
        ),

        trusted as (
            select
                repository_id,
                started_at,
                is_complete,
                bool_and(is_built) over (
                    partition by repository_id order by started_at
                ) as is_trusted
            from cycles
        ),

        newest as (
            select repository_id, max(started_at) as observed_until
            from trusted
            where is_complete and is_trusted
            group by repository_id
        )

        update app.repositories
        set observed_until = newest.observed_until
        from newest
        where repositories.repository_id = newest.repository_id;
    end
    $body$
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
