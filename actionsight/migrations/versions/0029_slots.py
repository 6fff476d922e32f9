"""Slots of collection: a function of `../sql` alone."""

revision = "0029"
down_revision = "0028"
SQL_DIGEST = "6403c6fb2daab929"


def upgrade() -> None:
    """Change no table."""
