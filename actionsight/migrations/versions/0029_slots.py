"""Slots of collection: a function of `../sql` alone."""

revision = "0029"
down_revision = "0028"
SQL_DIGEST = "99e791b29df746c0"


def upgrade() -> None:
    """Change no table."""
