"""Functions, triggers and views come from the files of `../sql` alone."""

from alembic import op

revision = "0015"
down_revision = "0014"
SQL_DIGEST = "79b9ddd0f0aa89c9"


def upgrade() -> None:
    """Remove what hung triggers on dlt's table before there was a file of them."""
    op.execute("drop function if exists raw.watch_loads()")
