"""A build takes days of polls in by their key: nothing asks for the number of an entry any more."""

from alembic import op

revision = "0021"
down_revision = "0020"
SQL_DIGEST = "5387e2296235bdbf"


def upgrade() -> None:
    """Drop the number, and its index with it."""
    op.execute("alter table raw.unbuilt_polls drop column entry_id")
