"""Recovery of webhooks that GitHub could not deliver: which failed, and which were asked for."""

from alembic import op

revision = "0025"
down_revision = "0024"
SQL_DIGEST = "b432805646cc4b21"

STATEMENTS = (
    """
    create table raw.webhook_redeliveries (
        delivery_id text primary key,
        hook_id bigint not null,
        attempt_id bigint not null,
        event text not null,
        repository_id bigint,
        failed_at timestamptz not null,
        status_code integer not null,
        found_at timestamptz not null default clock_timestamp(),
        asked_at timestamptz,
        accepted_at timestamptz,
        error text
    )
    """,
    """
    comment on table raw.webhook_redeliveries is
        'One row per delivery that GitHub could not make, and that it is asked to make again'
    """,
    "comment on column raw.webhook_redeliveries.hook_id is '0: the webhook of the App itself'",
    """
    comment on column raw.webhook_redeliveries.attempt_id is
        'GitHub''s id of the attempt that failed last, by which it is asked for'
    """,
    "comment on column raw.webhook_redeliveries.status_code is '0: no answer came'",
    """
    comment on column raw.webhook_redeliveries.accepted_at is
        'When GitHub took it to deliver it again; null with asked_at: it is asked once more'
    """,
    "comment on column raw.webhook_redeliveries.error is 'Why it is not asked for any more'",
    """
    create index on raw.webhook_redeliveries (failed_at)
    where accepted_at is null and error is null
    """,
    """
    create table raw.webhook_listings (
        hook_id bigint primary key,
        listed_until timestamptz not null
    )
    """,
    """
    comment on table raw.webhook_listings is
        'One row per webhook whose deliveries at GitHub were looked through: the newest of them'
    """,
)


def upgrade() -> None:
    """Make the tables, which recovery fills."""
    for statement in STATEMENTS:
        op.execute(statement)
