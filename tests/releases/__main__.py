"""Write the database of this version: a random history that dbt built, and a row of all else."""

import gzip
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

from psycopg import sql

from actionsight.database import connect
from actionsight.event_buffer import EventBuffer
from actionsight.local import ValkeyServer, hold
from actionsight.local.postgresql import PROGRAMS
from actionsight.local.valkey import EVENT_BUFFER
from actionsight.retention import remove
from actionsight.retention.webhooks import JOBS, RUNS
from ingestion.webhooks.drain import drain
from orchestration.levels.series import look_at_changed_repositories
from tests.ingestion.webhooks.factories import job_payload, run_payload
from tests.releases import FOLDER
from tests.support.dbt_project import Project, built_database
from tests.support.services import databases
from tests.transform.histories import WORKFLOWS, History
from tests.transform.raw_rows import load

RUN_COUNT = 25
ENDED_RUN, ENDED_JOB = 9_005, 9_006
LONG_AGO = datetime(2026, 4, 1, tzinfo=UTC)
# What neither the history nor the deliveries leave a row of.
ROWS: tuple[LiteralString, ...] = (
    "insert into app.users (user_id, login) values (1001, 'ada')",
    "insert into app.sign_ins (state_hash, browser_hash, verifier) values ('s', 'b', 'v')",
    "insert into app.sign_in_grants (user_id, access_token) values (1001, 'encrypted')",
    """
    insert into app.sessions (session_hash, user_id, grant_id, expires_at)
    select 'hash', user_id, grant_id, now() + interval '30 days' from app.sign_in_grants
    """,
    "insert into app.api_tokens (name, token_hash, user_id) values ('ci', 'hash', 1001)",
    "insert into app.audit_log (action, user_id) values ('signed_in', 1001)",
    "insert into app.repository_selections (name, repository_id) values ('acme/101', 101)",
    "insert into app.purges (repository_id, full_name) values (7, 'acme/gone')",
    "insert into app.github_budgets (credential, seen_at) values ('token', now())",
    """
    insert into raw.polls
    values (gen_random_uuid(), 101, 'head', now(), now(), 5, 1, 2, '{load-0}', null)
    """,
    "insert into raw.backfill_windows values (101, '2026-01-01', '2026-02-01', now(), 40, 2)",
    "insert into raw.etags values (101, 'head', 'https://a', 'key', 'etag', now())",
    "insert into raw.job_listings values (1, 1, 101, now(), now(), 2, 2)",
    "insert into raw.missing_attempts values (2, 1, 101, now(), 404)",
    """
    insert into raw.open_job_listings
    values (3, 1, 101, 'in_progress', now(), 'hash', now(), now(), '/repos', 'key', 'etag')
    """,
    """
    insert into raw.duration_levels values (101, 201, md5('')::uuid, null, null, '{5}', '{60, 90}',
        '{10, 12}', 'levels')
    """,
    "insert into raw.direct_loads (load_id) values ('levels')",
    "insert into app.hook_secrets (repository_id, hook_id, fingerprint) values (101, 12, 'f')",
    "insert into raw.webhook_listings values (12, now())",
    """
    insert into raw.webhook_redeliveries (
        delivery_id, hook_id, attempt_id, event, failed_at, status_code
    ) values ('delivery 9', 12, 1, 'workflow_job', now(), 503)
    """,
)


def main(version: str) -> None:
    """Make it in servers of its own, and write it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{version}.sql.gz"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        with (
            databases(folder) as server,
            built_database(server, folder) as url,
            hold(ValkeyServer(folder / "event-buffer", "event buffer", EVENT_BUFFER)) as redis_url,
        ):
            _collect(url)
            _deliver(url, redis_url)
            Project().run()
            look_at_changed_repositories(url)
            _condense(url)
            with connect(url) as connection:
                for statement in ROWS:
                    connection.execute(statement)
            empty = _empty_tables(url)
            if empty:
                raise SystemExit(f"no row in {', '.join(empty)}: ROWS needs one")
            dumped = subprocess.run(
                [
                    *(PROGRAMS / "bin" / "pg_dump", "--no-owner", "--no-privileges"),
                    *("--exclude-schema=raw_staging_*", "--restrict-key=same", url),
                ],
                capture_output=True,
                check=True,
            ).stdout
    path.write_bytes(gzip.compress(dumped, mtime=0))
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")  # noqa: T201 for the person who asked


def _collect(url: str) -> None:
    """What polls and webhooks told of a few runs, and the numbers of a day whose polls went."""
    with connect(url) as connection:
        for number, rows in enumerate(History.of(7, run_count=RUN_COUNT).batches(2)):
            load(connection, f"load-{number}", rows)
        for repository_id in set(WORKFLOWS.values()):
            connection.execute(
                "insert into app.repositories (repository_id, full_name) values (%s, %s)",
                [repository_id, f"acme/{repository_id}"],
            )
        connection.execute("insert into raw.polls_by_day values (101, '2026-01-01', 9, 1, 40)")


def _deliver(url: str, redis_url: str) -> None:
    """Webhooks of a repository that is monitored, of another, and one that cannot be read; and of a
    run that polls saw end."""
    here = {"repository_id": 101}
    with connect(url) as connection:
        # Webhooks told of every run of the history: another as one of them, of which they did not.
        connection.execute(
            """
            with run as (
                insert into raw.workflow_runs
                select (jsonb_populate_record(run, jsonb_build_object('run_id', %(run_id)s))).*
                from raw.workflow_runs as run
                inner join raw.workflow_jobs as job using (run_id, run_attempt)
                where run.status = 'completed' and job.status = 'completed' and run_attempt = 1
                order by run_id limit 1
                returning repository_id
            )

            insert into raw.workflow_jobs
            select (
                jsonb_populate_record(
                    job,
                    jsonb_build_object(
                        'job_id', %(job_id)s, 'run_id', %(run_id)s, 'run_attempt', 1,
                        'repository_id', run.repository_id
                    )
                )
            ).*
            from run, raw.workflow_jobs as job
            where job.status = 'completed'
            order by job.job_id limit 1
            """,
            {"run_id": ENDED_RUN, "job_id": ENDED_JOB},
        )
        [(repository_id, workflow_id)] = connection.execute(
            "select repository_id, workflow_id from raw.workflow_runs where run_id = %s",
            [ENDED_RUN],
        ).fetchall()
    ended = {"repository_id": repository_id, "run_attempt": 1}
    bodies: list[tuple[str, Any]] = [
        ("workflow_run", run_payload(9_001, **here, created_at="2026-03-01T10:00:00Z")),
        ("workflow_job", job_payload(9_002, **here, run_id=9_001, run_attempt=1)),
        ("workflow_run", run_payload(9_003, repository_id=999)),
        ("workflow_run", "not an object"),
        ("ping", {}),
        ("workflow_run", run_payload(ENDED_RUN, **ended, workflow_id=workflow_id)),
        ("workflow_job", job_payload(ENDED_JOB, **ended, run_id=ENDED_RUN)),
    ]
    buffer = EventBuffer(redis_url)
    for number, (event, body) in enumerate(bodies):
        headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": f"delivery {number}"}
        headers["Content-Type"] = "application/json"
        buffer.append(headers, json.dumps(body).encode())
    drain(url, buffer)
    buffer.close()
    with connect(url) as connection:
        connection.execute("delete from raw.owed_job_listings where run_id = %s", [ENDED_RUN])
        for table in ("webhook_runs", "webhook_jobs"):
            connection.execute(
                sql.SQL("update {} set received_at = %s where run_id = %s").format(
                    sql.Identifier("raw", table)
                ),
                [LONG_AGO, ENDED_RUN],
            )


def _condense(url: str) -> None:
    """Let old deliveries go of what polls saw end."""
    with connect(url, autocommit=True) as connection:
        for rule in (RUNS, JOBS):
            remove(rule, connection, LONG_AGO + timedelta(days=1))


def _empty_tables(url: str) -> list[str]:
    with connect(url) as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname in ('app', 'raw')"
            " order by 1, 2"
        ).fetchall()
        return [
            ".".join(names)
            for names in tables
            if not connection.execute(
                sql.SQL("select 1 from {} limit 1").format(sql.Identifier(*names))
            ).fetchone()
        ]


if __name__ == "__main__":
    main(*sys.argv[1:])
