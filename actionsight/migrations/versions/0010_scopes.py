"""What an API token may be used for."""

from alembic import op

revision = "0010"
down_revision = "0009"

STATEMENTS = (
    # Those that are there could read and change everything: they go on reading, until they expire.
    "alter table app.api_tokens add column scopes text[] not null default '{read,metrics}'",
    "alter table app.api_tokens alter column scopes set default '{read}'",
    """
    comment on column app.api_tokens.scopes is
        'metrics: GET /metrics alone; read: everything that answers; manage: also what changes'
    """,
)


def upgrade() -> None:
    """Add the column."""
    for statement in STATEMENTS:
        op.execute(statement)
