"""A workflow is what one repository has under an id, which can occur in many repositories.

Keys and indexes that took the id alone go; preparing the raw tables makes the new ones. Of the
marts, which dbt owns, only what mixes repositories goes at once; the next build makes all anew.
"""

from alembic import op

revision = "0012"
down_revision = "0011"

STATEMENTS = (
    "alter table if exists raw.workflows drop constraint if exists workflows_pkey",
    "drop index if exists raw.workflow_runs_workflow",
    "drop index raw.webhook_runs_workflow_id_run_id_idx",
    "create index on raw.webhook_runs (repository_id, workflow_id, run_id)",
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
    # Its columns and key are others now; each build fills it for itself.
    "drop table if exists marts.claimed_creations",
    """
    do $body$
    begin
        if to_regclass('marts.workflow_statistics_by_day') is null then
            return;
        end if;
        delete from marts.workflow_statistics_by_day
        where workflow_id in (
            select workflow_id from marts.workflow_runs
            group by workflow_id
            having min(repository_id) < max(repository_id)
        );
        insert into raw.owed_rebuilds (reason) values ('keys of workflows');
        delete from marts.built_loads;
        insert into raw.unbuilt_loads (load_id) select load_id from raw.loads
        on conflict do nothing;
    end
    $body$
    """,
)


def upgrade() -> None:
    """Change the keys, and owe the marts a rebuild where there are any."""
    for statement in STATEMENTS:
        op.execute(statement)
