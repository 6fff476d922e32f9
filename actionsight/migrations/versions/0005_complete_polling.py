"""How far each loop has come, what is owed, and what is left of GitHub's limits."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    # Collection of one repository, as people see it.
    """
    alter table app.repositories
        add column selected_by text,
        add column unreachable_since timestamptz,
        add column trouble_loop text,
        add column failure_count integer not null default 0,
        add column next_try_at timestamptz,
        add column looked_at timestamptz,
        add column head_since timestamptz,
        add column swept_at timestamptz,
        add column backfill_target timestamptz,
        add column backfill_windows integer not null default 0,
        add column backfill_windows_completed integer not null default 0,
        add column backfill_estimated_end timestamptz,
        add column job_listings_owed integer not null default 0
    """,
    # What stood before: the head began where the backfill ended.
    """
    update app.repositories set
        head_since = head_cursor - interval '1 hour',
        backfill_target = backfilled_from
    where head_cursor is not null
    """,
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
    "alter table app.repository_selections add column listed_at timestamptz",
    # One row per credential: what GitHub last said of its limit, and what was asked with it.
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
    "alter table raw.polls drop constraint polls_loop_check",
    """
    alter table raw.polls add constraint polls_loop_check
        check (loop in ('repository', 'backfill', 'head', 'open', 'sweep', 'jobs'))
    """,
    # The checkpoints of the backfill: windows of creation time, both ends included.
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
    "create index on raw.backfill_windows (repository_id) where completed_at is null",
    """
    comment on table raw.backfill_windows is
        'Windows of the runs'' creation time that the backfill reads; capped: GitHub shows only
        the newest 1,000 runs of that second'
    """,
    """
    insert into raw.backfill_windows (repository_id, starts_at, ends_at, completed_at)
    select repository_id, backfilled_from, head_since - interval '1 second', now()
    from app.repositories
    where backfilled_from < head_since
    """,
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
    # Filled by triggers on raw.workflow_runs, in the transaction that stores an attempt.
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
    "create index on raw.owed_job_listings (began_at desc, run_id desc)",
    "create index on raw.owed_job_listings (repository_id)",
    """
    comment on table raw.owed_job_listings is
        'Completed attempts whose jobs are to be listed, since they changed after the last listing;
        the latest to begin come first, be it a re-run of an old run'
    """,
    """
    create function raw.owe_job_listings() returns trigger language plpgsql as $body$
    begin
        insert into raw.owed_job_listings as owed (
            run_id, run_attempt, repository_id, began_at, updated_at
        )
        select changed.run_id, changed.run_attempt, changed.repository_id,
            coalesce(greatest(changed.created_at, changed.run_started_at), '-infinity'),
            changed.updated_at
        from changed
        left join raw.job_listings as listing using (run_id, run_attempt)
        where changed.status = 'completed'
            and changed.gone_at is null
            and (
                listing.run_id is null
                or listing.run_updated_at is distinct from changed.updated_at
            )
            and not exists (
                select from raw.missing_attempts as missing
                where missing.run_id = changed.run_id
                    and missing.run_attempt = changed.run_attempt
            )
        on conflict (run_id, run_attempt) do update set
            began_at = excluded.began_at,
            updated_at = excluded.updated_at,
            not_before = null;
        delete from raw.owed_job_listings as owed
        using changed
        where owed.run_id = changed.run_id
            and owed.run_attempt = changed.run_attempt
            and changed.gone_at is not null;
        return null;
    end
    $body$
    """,
    # Listed in place of GitHub by what webhooks told.
    "alter table raw.job_listings add column is_told boolean not null default false",
    "create index on raw.job_listings (repository_id, listed_at) where is_told",
    # What was drained since the open loop came by last.
    "create index on raw.webhook_batches (drained_at)",
    # A cycle is trusted when it looked for new runs, open ones, and all their jobs.
    """
    create or replace function app.advance_observed_until() returns void language plpgsql as $body$
    begin
        if to_regclass('marts.built_loads') is null then
            return;
        end if;
        -- In the order in which the drain of webhooks takes the same rows: nobody waits for ever.
        perform from app.repositories order by repository_id for update;
        with
        cycles as (
            select
                polls.repository_id,
                polls.poll_id,
                min(polls.started_at) as started_at,
                bool_and(polls.ended_at is not null and polls.error is null)
                    and bool_or(polls.loop = 'head')
                    and bool_or(polls.loop = 'jobs')
                    -- What came in while nobody polled is read as history is.
                    and not exists (
                        select from raw.backfill_windows as gap
                        where gap.repository_id = polls.repository_id
                            and gap.completed_at is null
                            and gap.ends_at >= min(repositories.head_since)
                    ) as is_complete,
                bool_and(not exists (
                    select from unnest(polls.load_ids) as load (load_id)
                    where exists (select from raw.loads where loads.load_id = load.load_id)
                        and not exists (
                            select from marts.built_loads where built_loads.load_id = load.load_id
                        )
                )) as is_built
            from app.repositories
            -- In an order, so that each repository's newest polls are found by the index, however
            -- many there are before.
            cross join lateral (
                select * from raw.polls
                where polls.repository_id = repositories.repository_id
                    and polls.started_at >= coalesce(repositories.observed_until, '-infinity')
                order by polls.started_at
            ) as polls
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
