"""What deletes a repository's rows, for the API too, whose role writes neither raw nor marts."""

from alembic import op

revision = "0013"
down_revision = "0012"

STATEMENTS = (
    """
    create function app.delete_rows_of_repository(deleted_id bigint, mart_names text[])
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog
    as $$
    declare
        named text;
    begin
        if exists (
            select from app.repositories where repository_id = deleted_id and removed_at is null
        ) then
            raise exception 'repository % is monitored', deleted_id;
        end if;
        for named in
            select format('%I.%I', table_schema, table_name)
            from information_schema.columns
            inner join information_schema.tables using (table_schema, table_name)
            where column_name = 'repository_id'
                and table_type = 'BASE TABLE'
                and (table_schema = 'raw' or table_schema like 'raw\\_staging\\_%')
        loop
            execute format('delete from %s where repository_id = $1', named) using deleted_id;
        end loop;
        foreach named in array mart_names loop
            if to_regclass(format('marts.%I', named)) is not null then
                execute format('delete from marts.%I where repository_id = $1', named)
                using deleted_id;
            end if;
        end loop;
        if to_regclass('marts.data_versions') is not null then
            -- Were it monitored again, answers that were cached before must not be found.
            update marts.data_versions set version = version + 1, changed_at = clock_timestamp()
            where repository_id = deleted_id;
        end if;
    end;
    $$
    """,
    "revoke all on function app.delete_rows_of_repository(bigint, text[]) from public",
)


def upgrade() -> None:
    """Make the function; who may call it is granted after each migration."""
    for statement in STATEMENTS:
        op.execute(statement)
