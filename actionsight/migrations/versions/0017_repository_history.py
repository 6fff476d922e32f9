"""Since when a repository has which visibility and which default branch is raw data."""

from alembic import op

revision = "0017"
down_revision = "0016"
SQL_DIGEST = "6808beff11f9fd0e"

STATEMENTS = (
    """
    create table raw.repository_history (
        repository_id bigint not null,
        observed_at timestamptz not null,
        visibility text,
        default_branch text,
        load_id text not null,
        -- No primary key: what is not known of a state is null.
        unique nulls not distinct (repository_id, observed_at, visibility, default_branch)
    )
    """,
    """
    comment on table raw.repository_history is
        'States of repositories, as webhooks told them and as polls found them changed; '
        'observed_at is when GitHub says that it became so, or when a poll saw it'
    """,
    "create index on raw.repository_history (load_id)",
    "alter table raw.webhook_batches add repository_count integer not null default 0",
    """
    comment on column raw.webhook_batches.repository_count is
        'Rows that it brought to raw.repository_history'
    """,
    """
    comment on table raw.direct_loads is
        'One row per load that neither dlt nor a drain made: of the lists of runners, or of '
        'repositories that a poll found other than webhooks had told'
    """,
    # What polls saw last, where collection has made its tables already: the first period of each.
    """
    do $body$
    declare
        load text := 'repositories-of-revision-0017';
    begin
        if to_regclass('raw.repositories') is null then
            return;
        end if;
        insert into raw.repository_history
        select
            stored.repository_id,
            coalesce(loads.inserted_at, now()),
            coalesce(
                nullif(stored.visibility, ''),
                case stored.private when true then 'private' when false then 'public' end
            ),
            nullif(stored.default_branch, ''),
            load
        from raw.repositories as stored
        left join raw._dlt_loads as loads on loads.load_id = stored._dlt_load_id;
        if found then
            insert into raw.direct_loads (load_id) values (load);
            insert into raw.unbuilt_loads (load_id) values (load) on conflict do nothing;
        end if;
    end
    $body$
    """,
)


def upgrade() -> None:
    """Make the table, and begin it with what is known."""
    for statement in STATEMENTS:
        op.execute(statement)
