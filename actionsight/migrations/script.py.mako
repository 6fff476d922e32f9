"""${message}"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
SQL_DIGEST = ""


def upgrade() -> None:
    op.execute("")
