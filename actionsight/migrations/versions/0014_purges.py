"""Deleting a repository's data is asked for in a table, and done by a job of the owner's."""

from alembic import op

revision = "0014"
down_revision = "0013"

STATEMENTS = (
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
    "drop function app.delete_rows_of_repository(bigint, text[])",
)


def upgrade() -> None:
    """Make the table; the API's role needs its function no more."""
    for statement in STATEMENTS:
        op.execute(statement)
