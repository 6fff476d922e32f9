"""Deliveries that fail again are asked for again, and then given up."""

from alembic import op

revision = "0027"
down_revision = "0026"
SQL_DIGEST = "b432805646cc4b21"

STATEMENTS = (
    """
    alter table raw.webhook_redeliveries
        add column try_count integer not null default 0,
        add column due_at timestamptz,
        add column given_up_at timestamptz
    """,
    "update raw.webhook_redeliveries set try_count = 1 where accepted_at is not null",
    """
    update raw.webhook_redeliveries set given_up_at = failed_at + interval '3 days'
    where error is not null
    """,
    """
    comment on column raw.webhook_redeliveries.try_count is
        'How often GitHub took it to deliver it again'
    """,
    """
    comment on column raw.webhook_redeliveries.due_at is
        'From when on it is asked for, after it failed again; null: at once'
    """,
    """
    create index on raw.webhook_redeliveries (given_up_at) where given_up_at is not null
    """,
)


def upgrade() -> None:
    """Count what was asked for until now as one try."""
    for statement in STATEMENTS:
        op.execute(statement)
