"""A load is noted with the first of its rows: triggers of `../sql` alone."""

revision = "0028"
down_revision = "0027"
SQL_DIGEST = "05bc5ad20d84952a"


def upgrade() -> None:
    """Change no table."""
