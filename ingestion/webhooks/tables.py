"""The statements that write what deliveries lead to; the caller holds the transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import orjson
from psycopg import Connection, sql
from psycopg.types.json import set_json_dumps

from ingestion.github.schema import CONTENT_HASH, WORKFLOW_JOBS, WORKFLOW_RUNS, Kind, Table
from ingestion.webhooks.delivery import Delivery
from ingestion.webhooks.parse import ParsedDelivery

OBSERVED_IN = {WORKFLOW_RUNS: "webhook_runs", WORKFLOW_JOBS: "webhook_jobs"}

# Binary COPY takes a value as its column's very type.
_TYPES: Mapping[Kind, str] = {
    "bigint": "int8",
    "text": "text",
    "bool": "bool",
    "timestamp": "timestamptz",
    "json": "jsonb",
}
_LEDGER = {
    "delivery_id": "text",
    "event": "text",
    "action": "text",
    "repository_id": "int8",
    "installation_id": "int8",
    "received_at": "timestamptz",
    "batch_id": "text",
    "outcome": "text",
    "headers": "jsonb",
}
_PAYLOADS = {
    "delivery_id": "text",
    "repository_id": "int8",
    "received_at": "timestamptz",
    "payload": "bytea",
}

Read = tuple[Delivery, ParsedDelivery]


@dataclass(frozen=True)
class Failure:
    """A delivery that could not be read, why, and how often it came."""

    delivery: Delivery
    reason: str
    count: int


def monitored(connection: Connection[Any]) -> set[int]:
    """The ids of the monitored repositories."""
    rows = connection.execute("select repository_id from app.repositories where removed_at is null")
    return {repository_id for (repository_id,) in rows}


def find_known(connection: Connection[Any], delivery_ids: list[str]) -> set[str]:
    """Which of these deliveries the ledger has. Until the caller's transaction ends that stays so:
    it holds the lock of webhooks."""
    rows = connection.execute(
        "select delivery_id from raw.webhook_deliveries where delivery_id = any(%s)", [delivery_ids]
    )
    return {delivery_id for (delivery_id,) in rows}


def insert_events(connection: Connection[Any], batch_id: str, fresh: Sequence[Read]) -> None:
    """Insert into the ledger what it does not have yet, and the payloads, whose weeks are there."""
    _copy(
        connection,
        "webhook_deliveries",
        _LEDGER,
        (
            (
                delivery.delivery_id,
                delivery.event,
                parsed.action,
                parsed.repository_id,
                parsed.installation_id,
                delivery.received_at,
                batch_id,
                parsed.outcome,
                _json(delivery.headers),
            )
            for delivery, parsed in fresh
        ),
    )
    _copy(
        connection,
        "webhook_payloads",
        _PAYLOADS,
        (
            (delivery.delivery_id, parsed.repository_id, delivery.received_at, delivery.body)
            for delivery, parsed in fresh
            if parsed.outcome != "not_monitored"
        ),
    )


def insert_observations(
    connection: Connection[Any], batch_id: str, table: Table, fresh: Iterable[Read]
) -> int:
    """Insert the rows of new deliveries, which therefore cannot be there yet."""
    observations = [
        (delivery, parsed.observation)
        for delivery, parsed in fresh
        if parsed.observation is not None and parsed.observation.table is table
    ]
    if not observations:
        return 0
    columns = {column.name: _TYPES[column.kind] for column in table.payload_columns}
    columns[CONTENT_HASH] = "text"
    values_of = itemgetter(*columns)
    _copy(
        connection,
        OBSERVED_IN[table],
        {"delivery_id": "text", "batch_id": "text", "received_at": "timestamptz", **columns},
        (
            (delivery.delivery_id, batch_id, delivery.received_at, *values_of(observation.row))
            for delivery, observation in observations
        ),
    )
    return len(observations)


def _copy(
    connection: Connection[Any],
    table: str,
    columns: Mapping[str, str],
    rows: Iterable[Sequence[Any]],
) -> None:
    """Insert rows in binary form, which takes a third less time than text; JSON comes as text."""
    statement = sql.SQL("copy {} ({}) from stdin with (format binary)").format(
        sql.Identifier("raw", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    cursor = connection.cursor()
    set_json_dumps(str, context=cursor)
    with cursor.copy(statement) as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)


def insert_repository_states(
    connection: Connection[Any], batch_id: str, fresh: Iterable[Read]
) -> int:
    """Insert what new deliveries say of repositories; give how many rows that were.

    Also of one that repeats what is known: only all of them give the same periods in any order.
    """
    states = [
        {
            "repository_id": parsed.repository_id,
            # GitHub says when; when it came is the next best.
            "observed_at": parsed.state.changed_at or delivery.received_at,
            "visibility": parsed.state.visibility,
            "default_branch": parsed.state.default_branch,
            "batch_id": batch_id,
        }
        for delivery, parsed in fresh
        if parsed.state is not None
    ]
    cursor = connection.cursor()
    cursor.executemany(
        """
        insert into raw.repository_history (
            repository_id, observed_at, visibility, default_branch, load_id
        ) values (
            %(repository_id)s, %(observed_at)s, %(visibility)s, %(default_branch)s, %(batch_id)s
        )
        on conflict do nothing
        """,
        states,
    )
    return max(cursor.rowcount, 0)


def insert_dead_letters(
    connection: Connection[Any], failures: Iterable[Failure], is_replay: bool
) -> None:
    """Keep what cannot be read and is not in the ledger either."""
    connection.cursor().executemany(
        # The very entry again, after a crash between commit and acknowledgement, is no new failure.
        """
        insert into raw.webhook_dead_letters as letter (
            delivery_id, event, received_at, headers, body, failed_at, failure_count, error
        ) values (
            %(delivery_id)s, %(event)s, %(received_at)s, %(headers)s, %(body)s,
            clock_timestamp(), %(failure_count)s, %(error)s
        )
        on conflict (delivery_id) do update set
            event = excluded.event,
            received_at = excluded.received_at,
            headers = excluded.headers,
            body = excluded.body,
            failed_at = excluded.failed_at,
            failure_count = letter.failure_count + excluded.failure_count,
            error = excluded.error
        where excluded.received_at > letter.received_at or %(is_replay)s
        """,
        [
            {
                "delivery_id": failure.delivery.delivery_id,
                "event": failure.delivery.event,
                "received_at": failure.delivery.received_at,
                "headers": _json(failure.delivery.headers),
                "body": failure.delivery.body,
                "failure_count": failure.count,
                "error": failure.reason,
                "is_replay": is_replay,
            }
            for failure in failures
        ],
    )


def insert_batch(
    connection: Connection[Any],
    batch_id: str,
    *,
    event_count: int,
    run_count: int,
    job_count: int,
    repository_count: int,
    dead_letter_count: int,
) -> None:
    """Note what a batch brought: new events, their rows, and deliveries that are unreadable."""
    connection.execute(
        """
        insert into raw.webhook_batches (
            batch_id, drained_at, event_count, run_count, job_count, repository_count,
            dead_letter_count
        ) values (%s, clock_timestamp(), %s, %s, %s, %s, %s)
        """,
        [batch_id, event_count, run_count, job_count, repository_count, dead_letter_count],
    )


def newest_batch_ids(connection: Connection[Any]) -> dict[str, str | None]:
    """The batch that changed each table of observations last; None while it is empty."""
    row = connection.execute(
        """
        select
            (select batch_id from raw.webhook_batches where run_count > 0
                order by batch_id desc limit 1),
            (select batch_id from raw.webhook_batches where job_count > 0
                order by batch_id desc limit 1)
        """
    ).fetchone()
    return dict(zip(("webhook_runs", "webhook_jobs"), row or (None, None), strict=True))


def _json(headers: dict[str, str]) -> str:
    return orjson.dumps(headers).decode()
