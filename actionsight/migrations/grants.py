"""What the roles of the parts may do in Actionsight's database.

The owner, as whom collection, drain, dbt and `migrate` work, grants it; each role that the server
does not have is passed over. The embedded server has all of them, an outside one those that its
administrator made (docs/operators.md, *Roles*).
"""

from typing import Any, LiteralString

import psycopg
from psycopg import Connection, sql

from actionsight.locks import MIGRATION_LOCK

TRIES = 5
API_ROLE = "actionsight_api"
DAGSTER_ROLE = "actionsight_dagster"
READER_ROLE = "actionsight_reader"

# Tables of app without a secret, not even a hashed or encrypted one; a new one is not read until
# it stands here.
_OPEN_TABLES = "app.repositories, app.repository_selections, app.users, app.github_budgets"
_DATA: tuple[LiteralString, ...] = ("raw", "staging", "intermediate", "marts")
_API: tuple[LiteralString, ...] = (
    "grant usage on schema app, marts, raw to {role}",
    "grant select on all tables in schema marts to {role}",
    "alter default privileges in schema marts grant select on tables to {role}",
    "grant select, insert, update, delete on all tables in schema app to {role}",
    "grant usage on all sequences in schema app to {role}",
    "alter default privileges in schema app"
    " grant select, insert, update, delete on tables to {role}",
    "alter default privileges in schema app grant usage on sequences to {role}",
    "revoke insert, update, delete on app.alembic_version from {role}",
    # Told by GET /metrics: dead letters, deliveries that were given up, and webhooks of ours that
    # have fallen silent.
    "grant select on raw.webhook_dead_letters to {role}",
    "grant select (given_up_at) on raw.webhook_redeliveries to {role}",
    "grant select (repository_id, received_at) on raw.webhook_events to {role}",
    "grant select (repository_id, run_id, created_at) on raw.workflow_runs to {role}",
)
_READER: tuple[LiteralString, ...] = (
    "grant usage on schema app to {role}",
    f"grant select on {_OPEN_TABLES} to {{role}}",
    *(f"grant usage on schema {schema} to {{role}}" for schema in _DATA),
    *(f"grant select on all tables in schema {schema} to {{role}}" for schema in _DATA),
    *(
        f"alter default privileges in schema {schema} grant select on tables to {{role}}"
        for schema in _DATA
    ),
)


def grant(connection: Connection[Any]) -> None:
    """Grant the roles what they need in this database, in tables to come too; repeats harmlessly.

    Of two that change the same row of the catalogue at once, PostgreSQL fails one. Those that grant
    wait for each other; where a build altered a table meanwhile, it is done again.

    Raises:
        psycopg.errors.InsufficientPrivilege: this is not the owner.
        psycopg.errors.InternalError_: tables were altered all the time.
    """
    for again in reversed(range(TRIES)):
        try:
            with connection.transaction():
                connection.execute("select pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
                _grant_all(connection)
        except psycopg.errors.InternalError_:
            if not again:
                raise
        else:
            return


def _grant_all(connection: Connection[Any]) -> None:
    roles = {name for (name,) in connection.execute("select rolname from pg_roles")}
    for role, statements in ((API_ROLE, _API), (READER_ROLE, _READER)):
        if role not in roles:
            continue
        for schema in _DATA:
            connection.execute(
                sql.SQL("create schema if not exists {}").format(sql.Identifier(schema))
            )
        for statement in statements:
            connection.execute(sql.SQL(statement).format(role=sql.Identifier(role)))
