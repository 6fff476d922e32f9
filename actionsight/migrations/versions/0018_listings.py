"""A workflow that its repository lists no more is stamped."""

from alembic import op

revision = "0018"
down_revision = "0017"
SQL_DIGEST = "6808beff11f9fd0e"


def upgrade() -> None:
    """Let every listing of workflows be read whole once: an unchanged one tells of none that went.

    The column `raw.workflows.gone_at` is collection's to make.
    """
    op.execute("delete from raw.etags where listing = 'workflows'")
