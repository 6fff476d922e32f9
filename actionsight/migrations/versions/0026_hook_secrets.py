"""Which secret GitHub signs with, by webhook of ours: a rotation goes on where it ended."""

from alembic import op

revision = "0026"
down_revision = "0025"
SQL_DIGEST = "b432805646cc4b21"

STATEMENTS = (
    """
    create table app.hook_secrets (
        repository_id bigint primary key
            references app.repositories (repository_id) on delete cascade,
        hook_id bigint not null,
        fingerprint bytea not null,
        set_at timestamptz not null default now()
    )
    """,
    """
    comment on table app.hook_secrets is
        'One row per webhook of ours that `actionsight hooks rotate` gave a secret'
    """,
    """
    comment on column app.hook_secrets.fingerprint is
        'HMAC-SHA256 of the secret under a key derived from the secret key'
    """,
)


def upgrade() -> None:
    """Make the table, which is empty: nobody knows which secret the webhooks have."""
    for statement in STATEMENTS:
        op.execute(statement)
