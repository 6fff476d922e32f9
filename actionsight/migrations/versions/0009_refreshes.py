"""Who refreshes a grant's tokens says so, instead of holding its row while GitHub is asked."""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = (
    "alter table app.sign_in_grants add column refresh_started_at timestamptz",
    """
    comment on column app.sign_in_grants.refresh_started_at is
        'Since when somebody asks GitHub for new tokens: a refresh token serves once'
    """,
)


def upgrade() -> None:
    """Add the column."""
    for statement in STATEMENTS:
        op.execute(statement)
