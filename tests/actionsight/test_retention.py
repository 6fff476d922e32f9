"""What goes once it is old, and what stays of it."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from actionsight.database import connect
from actionsight.disk import Disk, Usage
from actionsight.retention import LOGS, RULES, due, make_room, remove
from actionsight.retention.webhooks import PAYLOADS
from actionsight.settings import load
from actionsight.webhook_payloads import Week, add_weeks, weeks

pytestmark = pytest.mark.integration

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(database_url, autocommit=True) as connection:
        yield connection


def let_go(database: psycopg.Connection[Any], **settings: str) -> dict[str, int]:
    """Remove by all rules what is old; gives how much that was, which each rule said before."""
    environ = {
        f"ACTIONSIGHT_RETENTION_{name.upper()}_DAYS": days for name, days in settings.items()
    }
    went = {}
    for rule, before in due(RULES, load(environ=environ), NOW):
        count = rule.count(database, before)
        assert remove(rule, database, before) == count, rule.what
        if count:
            went[rule.what] = count
    return went


def keep_payload(
    database: psycopg.Connection[Any], delivery_id: str, at: datetime, size: int = 10
) -> None:
    add_weeks(database, [at])
    database.execute(
        "insert into raw.webhook_payloads values (%s, 5, %s, %s)", [delivery_id, at, b"x" * size]
    )


def deliver(database: psycopg.Connection[Any], delivery_id: str, days: int, job_id: int) -> None:
    at = NOW - timedelta(days=days)
    database.execute(
        """
        insert into raw.webhook_deliveries values
            (%s, 'workflow_job', 'queued', 5, null, %s, 'batch', 'observed', '{}')
        """,
        [delivery_id, at],
    )
    keep_payload(database, delivery_id, at)
    database.execute(
        """
        insert into raw.webhook_jobs (
            delivery_id, batch_id, received_at, job_id, run_id, repository_id, status, content_hash
        ) values (%s, 'batch', %s, %s, 1, 5, 'queued', '')
        """,
        [delivery_id, at, job_id],
    )


def test_deliveries_go_once_what_they_told_is_polled_and_built(
    database: psycopg.Connection[Any],
) -> None:
    database.execute(
        """
        insert into raw.workflow_runs (
            run_id, run_attempt, repository_id, workflow_id, status, content_hash, _dlt_load_id
        ) values (1, 1, 5, 7, 'completed', '', 'load');
        insert into raw.workflow_jobs (
            job_id, run_id, run_attempt, repository_id, status, content_hash, _dlt_load_id
        ) values (1, 1, 1, 5, 'completed', '', 'load'), (2, 1, 1, 5, 'in_progress', '', 'load')
        """
    )
    for number, (days, job_id) in enumerate([(100, 1), (40, 1), (100, 2), (100, 3), (15, 1)]):
        deliver(database, f"delivery {number}", days, job_id)
    # Jobs 2 and 3 did not end as far as polling knows; of job 1 something was told of late.
    database.execute("insert into raw.unbuilt_loads (load_id) values ('batch')")
    assert let_go(database) == {"payloads of webhooks": 4}

    assert let_go(database, webhook="7") == {}
    database.execute("delete from raw.unbuilt_loads")
    assert let_go(database, webhook="7") == {}  # its listing is owed
    database.execute("delete from raw.owed_job_listings")
    assert let_go(database, webhook="7") == {
        "webhooks' words of jobs": 3,
        "deliveries in the ledger": 1,
    }
    told = database.execute("select job_id from raw.webhook_jobs order by 1").fetchall()
    assert told == [(2,), (3,)]
    kept = database.execute("select job_id, status, was_waiting from raw.condensed_jobs").fetchall()
    assert kept == [(1, "queued", False)]
    assert let_go(database, webhook="7", delivery="0", payload="0") == {}
    assert let_go(database, webhook="7", delivery="7", payload="7") == {
        "payloads of webhooks": 1,
        "deliveries in the ledger": 2,
    }


def test_what_was_asked_for_again_goes_with_the_ledger_s_deliveries(
    database: psycopg.Connection[Any],
) -> None:
    for number, days in enumerate((80, 100)):
        at = NOW - timedelta(days=days)
        database.execute(
            """
            insert into raw.webhook_redeliveries (
                delivery_id, hook_id, attempt_id, event, failed_at, status_code
            ) values (%s, 7, 1, 'workflow_job', %s, 503)
            """,
            [f"delivery {number}", at],
        )
        database.execute("insert into raw.webhook_listings values (%s, %s)", [number, at])
    assert let_go(database) == {
        "deliveries that were asked for again": 1,
        "webhooks that deliver no more": 1,
    }


def test_of_polls_whole_days_go_and_their_numbers_stay(database: psycopg.Connection[Any]) -> None:
    database.execute("insert into app.repositories (repository_id, full_name) values (5, 'o/a')")
    for days, hours, error in ((33, 1, "502"), (33, 2, None), (32, 1, None), (31, 0, None)):
        for loop in ("head", "jobs"):
            database.execute(
                "insert into raw.polls values (%s::uuid, 5, %s, %s, null, 0, 0, 3, '{}', %s)",
                [
                    f"00000000-0000-0000-0000-0000000{days}00{hours}",
                    loop,
                    NOW - timedelta(days=days, hours=hours),
                    error,
                ],
            )
    # The newest day of the repository stays, however old it is.
    assert let_go(database) == {"polls": 6}
    days = database.execute("select * from raw.polls_by_day order by day").fetchall()
    assert [(str(day), *counts) for _, day, *counts in days] == [
        ("2026-07-30", 2, 1, 12),
        ("2026-07-31", 1, 0, 6),
    ]


def test_what_was_loaded_long_ago_is_forgotten_but_for_the_newest(
    database: psycopg.Connection[Any],
) -> None:
    old = NOW - timedelta(days=31)
    for batch in ("batch 1", "batch 2", "batch 3"):
        database.execute(
            "insert into raw.webhook_batches values (%s, %s, 1, 1, 1, 0, 0)", [batch, old]
        )
    database.execute(
        "insert into raw._dlt_loads (load_id, status, inserted_at) values ('1.5', 0, %s)", [old]
    )
    database.execute(
        "insert into raw.direct_loads values ('runners', %s), ('levels', now())", [old]
    )
    # As dbt makes it.
    database.execute("create schema marts")
    database.execute("create table marts.built_loads (load_id text, built_at timestamptz)")
    database.execute(
        "insert into marts.built_loads select load_id, %s from raw.unbuilt_loads", [old]
    )
    assert let_go(database) == {}
    database.execute("delete from raw.unbuilt_loads")
    assert let_go(database) == {
        "batches of drains": 2,
        "loads of polls": 1,
        "loads of lists and levels": 1,
        "records of built loads": 4,
    }


def test_people_who_have_not_come_back_lose_their_names(database: psycopg.Connection[Any]) -> None:
    for user_id, days in ((1, 400), (2, 400), (3, 30)):
        database.execute(
            "insert into app.users (user_id, login, name, last_seen_at) values (%s, 'x', 'X', %s)",
            [user_id, NOW - timedelta(days=days)],
        )
    grant = """
        insert into app.sign_in_grants (user_id, access_token, revoked_at) values (%s, '', %s)
        returning grant_id
    """
    for user_id, days in ((1, 40), (3, 20)):
        ended = NOW - timedelta(days=days)
        [(grant_id,)] = database.execute(grant, [user_id, ended]).fetchall()
        database.execute(
            "insert into app.sessions values (%s, %s, %s, %s, %s, %s, %s)",
            [str(user_id).encode(), user_id, grant_id, ended, ended, NOW, ended],
        )
    database.execute(
        """
        insert into app.api_tokens (name, token_hash, user_id, last_used_at, revoked_at) values
            ('used', '1', 2, %(lately)s, null), ('revoked', '2', 2, null, %(long_ago)s)
        """,
        {"lately": NOW - timedelta(days=9), "long_ago": NOW - timedelta(days=99)},
    )
    database.execute(
        "insert into app.audit_log (action, happened_at) values ('a', %s), ('b', %s)",
        [NOW - timedelta(days=366), NOW - timedelta(days=364)],
    )
    assert let_go(database) == {
        "entries of the audit log": 1,
        "sessions that ended": 1,
        "sign-ins that ended": 1,
        "API tokens that ended": 1,
        "people who have not come back": 1,
    }
    names = database.execute("select login, name from app.users order by user_id").fetchall()
    assert names == [("removed-1", None), ("x", "X"), ("x", "X")]
    assert let_go(database) == {}


def test_logs_that_were_set_aside_long_ago_go(tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(days=30)
    for name in ("logs/api.log", "logs/api.log.1", "postgres/server.log.2", "logs/daemon.log.1"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        written = before.timestamp() + (1 if "daemon" in name else -1)
        os.utime(path, (written, written))
    assert LOGS.count(tmp_path, before) == 2
    assert remove(LOGS, tmp_path, before) == 2
    left = sorted(path.name for path in tmp_path.rglob("*.log*"))
    assert left == ["api.log", "daemon.log.1"]


def payload_bytes(database: psycopg.Connection[Any]) -> int:
    [(bytes_used,)] = database.execute(
        """
        select coalesce(sum(pg_total_relation_size(relid)), 0)
        from pg_partition_tree('raw.webhook_payloads')
        """
    ).fetchall()
    return int(bytes_used)


def payloads(database: psycopg.Connection[Any]) -> list[str]:
    rows = database.execute("select delivery_id from raw.webhook_payloads order by 1").fetchall()
    return [delivery_id for (delivery_id,) in rows]


def test_payloads_go_with_the_last_of_their_week(database: psycopg.Connection[Any]) -> None:
    monday = datetime(2026, 7, 27, tzinfo=UTC)
    keep_payload(database, "before", monday - timedelta(microseconds=1))
    keep_payload(database, "at once", monday)
    keep_payload(database, "at last", monday + timedelta(days=7, microseconds=-1))
    keep_payload(database, "after", monday + timedelta(days=7))
    went = [
        remove(PAYLOADS, database, monday + timedelta(days=days)) for days in (-0.5, 0, 6.9, 7, 8)
    ]
    assert went == [0, 1, 0, 2, 0]
    assert payloads(database) == ["after"]
    assert weeks(database) == [Week(monday + timedelta(days=7))]


def test_a_week_that_a_person_detached_stops_no_delivery(
    database: psycopg.Connection[Any],
) -> None:
    keep_payload(database, "first", NOW)
    [week] = weeks(database)
    database.execute(
        sql.SQL("alter table raw.webhook_payloads detach partition {}").format(week.partition)
    )
    assert payloads(database) == []
    keep_payload(database, "second", NOW)
    assert payloads(database) == ["first", "second"]


def test_payloads_that_are_read_go_the_next_time(
    database: psycopg.Connection[Any], database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    at = NOW - timedelta(days=40)
    keep_payload(database, "read", at)
    with connect(database_url) as backup:
        backup.execute("select from raw.webhook_events where payload is not null")
        # Neither does a drain wait for it, be it the first of a week.
        database.execute("set lock_timeout = '1s'")
        keep_payload(database, "later", NOW)
        database.execute("reset lock_timeout")
        assert let_go_all(database) == 0
    assert "payloads of the week of 2026-07-20 stay as yet" in caplog.text
    assert payloads(database) == ["later", "read"]
    assert let_go_all(database) == 1
    assert payloads(database) == ["later"]


def let_go_all(database: psycopg.Connection[Any]) -> int:
    return remove(PAYLOADS, database, NOW - timedelta(days=30))


def test_on_a_disk_that_is_nearly_full_payloads_go_early_and_give_their_room_back(
    database: psycopg.Connection[Any],
) -> None:
    for number in range(5):
        keep_payload(database, f"{number}", NOW - timedelta(weeks=number), 700_000)
    # It would be well with a payload and a half less.
    others = 50_000_000
    limit = round((payload_bytes(database) + others - 1_050_000) / 0.85)

    class Small(Disk):
        def measure(self) -> Usage:
            return Usage(payload_bytes(database) + others, limit)

    disk = Small(load(environ={}))
    assert make_room(database, disk) == 2
    assert not disk.measure().is_nearly_full
    assert payloads(database) == ["0", "1", "2"]
    assert make_room(database, disk) == 0
