"""From when on rights to a repository count, whoever holds them."""

from alembic import op

revision = "0011"
down_revision = "0010"

STATEMENTS = (
    "alter table app.repositories add column rights_invalid_before timestamptz",
    """
    comment on column app.repositories.rights_invalid_before is
        'Rights to this repository that were read from GitHub before count no more; null: all do'
    """,
)


def upgrade() -> None:
    """Add the column."""
    for statement in STATEMENTS:
        op.execute(statement)
