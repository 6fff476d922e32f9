"""How Alembic reaches the database: by the address that `upgrade` was given."""

from alembic import context
from sqlalchemy import create_engine, pool
from sqlalchemy.engine import make_url

from actionsight.migrations import apply_sql_files

url = make_url(context.config.attributes["database_url"]).set(drivername="postgresql+psycopg")
engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    connection.exec_driver_sql("create schema if not exists app")
    connection.commit()
    context.configure(connection=connection, version_table_schema="app")
    with context.begin_transaction():
        context.run_migrations()
        # In the same transaction: a revision that is noted has its functions.
        apply_sql_files(connection.connection.driver_connection)  # pyrefly: ignore[bad-argument-type]
