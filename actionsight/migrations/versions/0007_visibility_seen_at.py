"""When GitHub last said who may see a repository."""

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = (
    "alter table app.repositories add column visibility_seen_at timestamptz",
    """
    comment on column app.repositories.visibility_seen_at is
        'When an answer of GitHub last told the visibility that is noted here (a 304 tells it, too);
        null: not since this is noted. What is public counts as such only while this is young'
    """,
)


def upgrade() -> None:
    """Add the column."""
    for statement in STATEMENTS:
        op.execute(statement)
