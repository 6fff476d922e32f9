"""How the jobs of runs that are under way were listed last."""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = (
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
    "create index on raw.open_job_listings (repository_id)",
    """
    comment on table raw.open_job_listings is
        'Attempts under way whose jobs were listed: again when the attempt changes, else from
        next_at on, the later the longer nothing changed'
    """,
)


def upgrade() -> None:
    """Add the table."""
    for statement in STATEMENTS:
        op.execute(statement)
