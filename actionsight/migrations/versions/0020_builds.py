"""A load says which builds began with it; no upgrade owes a rebuild by a note any more.

A mart that is new, or of another version, rebuilds by itself.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
SQL_DIGEST = "b599c4176f281950"


def upgrade() -> None:
    """Add the builds of a load; drop the notes of rebuilds."""
    op.execute("alter table raw.unbuilt_loads add column builds text[] not null default '{}'")
    op.execute(
        """
        comment on column raw.unbuilt_loads.builds is
            'Builds (invocation ids) that began since it stands here; the first put what it brought'
            ' into the queues of the marts'
        """
    )
    op.execute("drop table raw.owed_rebuilds")
