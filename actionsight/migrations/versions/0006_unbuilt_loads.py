"""What no build has taken in stands in short lists, whatever the number of loads and polls."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    """
    create table raw.unbuilt_loads (
        load_id text primary key,
        noted_at timestamptz not null default now()
    )
    """,
    """
    comment on table raw.unbuilt_loads is
        'Those of raw.loads that no build has taken in: noted by the transaction that commits the
        load, removed by the one that records the build'
    """,
    """
    create function raw.note_load() returns trigger language plpgsql as $body$
    begin
        insert into raw.unbuilt_loads (load_id) values (new.load_id) on conflict do nothing;
        return null;
    end
    $body$
    """,
    """
    create function raw.note_batch() returns trigger language plpgsql as $body$
    begin
        insert into raw.unbuilt_loads (load_id) values (new.batch_id) on conflict do nothing;
        return null;
    end
    $body$
    """,
    """
    create function raw.forget_load() returns trigger language plpgsql as $body$
    begin
        delete from raw.unbuilt_loads where load_id = old.load_id;
        return null;
    end
    $body$
    """,
    # dlt makes its table later than this on a new database: preparing the raw tables calls it then.
    """
    create function raw.watch_loads() returns void language plpgsql as $body$
    begin
        if to_regclass('raw._dlt_loads') is null then
            return;
        end if;
        -- Nothing can commit between the triggers and what was there before them.
        lock table raw._dlt_loads in share row exclusive mode;
        if exists (
            select from pg_trigger
            where tgrelid = 'raw._dlt_loads'::regclass and tgname = 'note_load'
        ) then
            return;
        end if;
        create trigger note_load after insert on raw._dlt_loads
            for each row when (new.status = 0) execute function raw.note_load();
        create trigger forget_load after delete on raw._dlt_loads
            for each row execute function raw.forget_load();
        insert into raw.unbuilt_loads (load_id)
        select load_id from raw._dlt_loads where status = 0
        on conflict do nothing;
    end
    $body$
    """,
    """
    comment on function raw.watch_loads() is
        'Lets dlt''s table of loads note what is to be built; does nothing where it does already'
    """,
    """
    create trigger note_batch after insert on raw.webhook_batches
        for each row when (new.run_count + new.job_count > 0) execute function raw.note_batch()
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
    create function raw.note_polls() returns trigger language plpgsql as $body$
    begin
        insert into raw.unbuilt_polls (repository_id, day)
        values (new.repository_id, (new.started_at at time zone 'UTC')::date);
        return null;
    end
    $body$
    """,
    """
    create trigger note_polls after insert or update on raw.polls
        for each row execute function raw.note_polls()
    """,
    # As the models have them now: a mart's columns may not differ from its contract. The build of
    # the new mart computes them.
    "alter table if exists marts.workflow_runs add column gone_at timestamptz",
    """
    alter table if exists marts.workflow_run_attempts
        add column gone_at timestamptz,
        add column was_seen_by_webhook boolean not null default false,
        add column was_seen_by_poll boolean not null default false,
        add column was_corrected boolean not null default false,
        add column webhook_only_job_count bigint not null default 0,
        add column poll_only_job_count bigint not null default 0,
        add column both_job_count bigint not null default 0,
        add column corrected_job_count bigint not null default 0
    """,
    """
    alter table if exists marts.workflow_run_attempts
        alter column was_seen_by_webhook drop default,
        alter column was_seen_by_poll drop default,
        alter column was_corrected drop default,
        alter column webhook_only_job_count drop default,
        alter column poll_only_job_count drop default,
        alter column both_job_count drop default,
        alter column corrected_job_count drop default
    """,
    # All loads there are: a mart is new, and takes all of them in anyway.
    "select raw.watch_loads()",
    """
    insert into raw.unbuilt_loads (load_id)
    select batch_id from raw.webhook_batches where run_count + job_count > 0
    on conflict do nothing
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
