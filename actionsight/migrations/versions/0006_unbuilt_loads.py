"""What no build has taken in stands in a short list, whatever the number of loads."""

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
    # As the models have them now; a mart's columns may not differ from its contract.
    "alter table if exists marts.workflow_run_attempts add column gone_at timestamptz",
    "alter table if exists marts.workflow_runs add column gone_at timestamptz",
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
