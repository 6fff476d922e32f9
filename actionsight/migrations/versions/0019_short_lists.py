"""What builds and polls look through stays short, however long nothing was built or polled."""

from alembic import op

revision = "0019"
down_revision = "0018"
SQL_DIGEST = "b599c4176f281950"

STATEMENTS = (
    "alter table app.repositories add examined_until timestamptz",
    """
    comment on column app.repositories.examined_until is
        'No poll that began before can move observed_until any more'
    """,
    # One row for each day of a repository, however often it is polled before a build.
    """
    delete from raw.unbuilt_polls where entry_id not in (
        select max(entry_id) from raw.unbuilt_polls group by repository_id, day
    )
    """,
    "alter table raw.unbuilt_polls drop constraint unbuilt_polls_pkey",
    "alter table raw.unbuilt_polls add primary key (repository_id, day)",
    "alter table raw.unbuilt_polls add noted_at timestamptz not null default now()",
    "create unique index unbuilt_polls_entry on raw.unbuilt_polls (entry_id)",
)


def upgrade() -> None:
    """Add the marks; leave one row of each day."""
    for statement in STATEMENTS:
        op.execute(statement)
