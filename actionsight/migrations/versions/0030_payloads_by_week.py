"""Payloads of webhooks move into a table of weekly partitions (docs/decisions/0053).

The ledger is `raw.webhook_deliveries` from here on; `raw.webhook_events` is what it was, a delivery
with its payload, as a view that rows of the ledger can be written through.
"""

from alembic import op

revision = "0030"
down_revision = "0029"
SQL_DIGEST = "99e791b29df746c0"

STATEMENTS = (
    "alter table raw.webhook_events rename to webhook_deliveries",
    """
    create table raw.webhook_payloads (
        delivery_id text not null,
        repository_id bigint,
        received_at timestamptz not null,
        payload bytea not null
    ) partition by range (received_at)
    """,
    # The payloads are compressed already.
    "alter table raw.webhook_payloads alter column payload set storage external",
    "create index on raw.webhook_payloads (received_at)",
    # By which those of a repository that is purged are found.
    "create index on raw.webhook_payloads (repository_id, received_at)",
    """
    comment on table raw.webhook_payloads is
        'Bodies of deliveries as they came (zlib), a partition a week; none of repositories that '
        'are not monitored'
    """,
    # As actionsight/webhook_payloads.py names them.
    """
    do $$
    declare
        week timestamptz;
    begin
        set local timezone = 'UTC';
        for week in
            select distinct date_trunc('week', received_at)
            from raw.webhook_deliveries
            where payload is not null
        loop
            execute format(
                'create table raw.webhook_payloads_%s partition of raw.webhook_payloads '
                'for values from (%L) to (%L)',
                to_char(week, 'YYYYMMDD'), week, week + interval '7 days'
            );
        end loop;
    end
    $$
    """,
    """
    insert into raw.webhook_payloads (delivery_id, repository_id, received_at, payload)
    select delivery_id, repository_id, received_at, payload
    from raw.webhook_deliveries
    where payload is not null
    """,
    "alter table raw.webhook_deliveries drop column payload",
    # Written anew, without the bytes of the column.
    "cluster raw.webhook_deliveries using webhook_events_received_at_idx",
    "comment on table raw.webhook_deliveries is 'The ledger: every delivery once'",
    """
    create view raw.webhook_events as
    select
        delivery_id,
        event,
        action,
        repository_id,
        installation_id,
        received_at,
        batch_id,
        outcome,
        headers,
        (
            select payload from raw.webhook_payloads as kept
            where kept.received_at = delivery.received_at
                and kept.delivery_id = delivery.delivery_id
        ) as payload
    from raw.webhook_deliveries as delivery
    """,
    """
    comment on view raw.webhook_events is
        'Every delivery once, with its body as it came (zlib) while that is kept; of repositories '
        'that are not monitored without'
    """,
)


def upgrade() -> None:
    """Move them."""
    for statement in STATEMENTS:
        op.execute(statement)
