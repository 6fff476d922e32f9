"""Prices and label patterns of runners are raw data."""

from alembic import op

revision = "0016"
down_revision = "0015"
SQL_DIGEST = "934f79242860dffb"

TABLES = (
    """
    create table raw.direct_loads (
        load_id text primary key,
        loaded_at timestamptz not null default clock_timestamp()
    )
    """,
    """
    comment on table raw.direct_loads is
        'One row per load that neither dlt nor a drain made: of the lists of runners'
    """,
    """
    create table raw.runner_prices (
        runner_class text,
        valid_from date,
        usd_per_minute numeric(18, 6) not null check (usd_per_minute >= 0),
        is_standard boolean not null,
        source text not null check (source in ('shipped', 'operator')),
        is_removed boolean not null,
        load_id text not null,
        primary key (runner_class, valid_from)
    )
    """,
    """
    comment on table raw.runner_prices is
        'What a minute on a class of runner costs from a day on: the shipped list, and the '
        'operator''s own over it; what left the lists stays, removed'
    """,
    "comment on column raw.runner_prices.load_id is 'What brought this row as it is'",
    "create index on raw.runner_prices (load_id)",
    """
    create table raw.runner_labels (
        label_pattern text primary key,
        position integer not null,
        runner_class text not null,
        source text not null check (source in ('shipped', 'operator')),
        is_removed boolean not null,
        load_id text not null
    )
    """,
    """
    comment on table raw.runner_labels is
        'Which labels mean which class of runner: the shipped list, and the operator''s own over '
        'it; what left the lists stays, removed'
    """,
    """
    comment on column raw.runner_labels.position is
        'Of the patterns that a job''s labels match, the lowest decides'
    """,
    "comment on column raw.runner_labels.load_id is 'What brought this row as it is'",
    "create index on raw.runner_labels (load_id)",
)


def upgrade() -> None:
    """Make the tables; `actionsight migrate` fills them."""
    for statement in TABLES:
        op.execute(statement)
