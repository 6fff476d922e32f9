"""Levels of durations are raw data, computed from marts for one."""

from alembic import op

revision = "0022"
down_revision = "0021"
SQL_DIGEST = "5387e2296235bdbf"

STATEMENTS = (
    """
    create table raw.duration_levels (
        repository_id bigint not null,
        workflow_id bigint not null,
        job_name_key uuid not null,
        job_name text,
        health_group text,
        first_run_ids bigint[] not null,
        medians double precision[] not null,
        run_counts bigint[] not null,
        load_id text not null,
        unique nulls not distinct (repository_id, workflow_id, job_name_key, health_group)
    )
    """,
    """
    comment on table raw.duration_levels is
        'One row per series of durations that has, or had, several levels, in their order'
    """,
    """
    comment on column raw.duration_levels.job_name_key is
        'md5 of the job''s name; of nothing for the durations of the runs themselves'
    """,
    """
    comment on column raw.duration_levels.first_run_ids is
        'With which run each level after the first begins; empty: there is one level now'
    """,
    """
    comment on column raw.duration_levels.medians is
        'Median duration of each level in seconds, the first included'
    """,
    """
    comment on column raw.duration_levels.run_counts is
        'Number of runs of each level, the first included'
    """,
    "create index on raw.duration_levels (load_id)",
    """
    create table raw.level_marks (
        repository_id bigint not null,
        workflow_id bigint not null,
        completed_count bigint not null,
        data_version bigint not null,
        primary key (repository_id, workflow_id)
    )
    """,
    """
    comment on table raw.level_marks is
        'One row per workflow whose series were looked at: its completed runs then, and the data '
        'version of its repository'
    """,
)


def upgrade() -> None:
    """Make the tables; a build, or the night, fills them."""
    for statement in STATEMENTS:
        op.execute(statement)
