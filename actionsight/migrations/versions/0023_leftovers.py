"""What builds of earlier versions left, and nothing makes or reads any more, goes.

Marts are dbt's: these are the seeds of runners, which are raw data now, and the notes that builds
made before marts had queues. Views of a person's own on them go with them.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
SQL_DIGEST = "5387e2296235bdbf"

LEFTOVERS = (
    "staging.runner_prices",
    "staging.runner_labels",
    "staging.seed_files",
    "marts.claimed_loads",
    "marts.claimed_polls",
    "marts.claimed_runs",
    "marts.claimed_creations",
    "marts.former_runs",
)


def upgrade() -> None:
    """Drop them, where a build had made them."""
    for table in LEFTOVERS:
        op.execute(f"drop table if exists {table} cascade")
