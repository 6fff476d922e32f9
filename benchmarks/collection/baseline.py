"""The yardstick: the same requests in a plain loop with httpx, rows in by COPY.

    python -m benchmarks.collection.baseline REQUESTS

One request after another, as simple as it can be written: no limits kept, nothing tried again,
nothing compared, no cursor, no second load possible. The tables have the raw tables' columns and
keys, no other index.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
from psycopg import sql

from actionsight.settings import load
from benchmarks.collection.collect import peak_bytes

TABLES = ("workflow_runs", "workflow_jobs")


def main() -> None:
    """Ask, insert, and tell what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requests", type=Path, help="a file of addresses, one a line")
    urls = parser.parse_args().requests.read_text().splitlines()
    settings = load()
    assert settings.database_url is not None
    began, cpu = time.perf_counter(), time.process_time()
    with psycopg.connect(settings.database_url) as connection:
        for table in TABLES:
            connection.execute(
                sql.SQL("create table {} (like {} including defaults including indexes)").format(
                    sql.Identifier(f"plain_{table}"), sql.Identifier("raw", table)
                )
            )
            for index in _other_indexes(connection, f"plain_{table}"):
                connection.execute(sql.SQL("drop index {}").format(sql.Identifier(index)))
        rows = _load(connection, urls, str(settings.github_token))
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - began,
                "cpu_seconds": time.process_time() - cpu,
                "requests": len(urls),
                "rows": rows,
                "peak_bytes": peak_bytes(),
            }
        )
    )


def _other_indexes(connection: "psycopg.Connection[Any]", table: str) -> list[str]:
    rows = connection.execute(
        "select relname from pg_index inner join pg_class on pg_class.oid = indexrelid "
        "where indrelid = %s::regclass and not indisprimary",
        [table],
    ).fetchall()
    return [name for (name,) in rows]


def _load(connection: "psycopg.Connection[Any]", urls: Sequence[str], token: str) -> int:
    """Ask for all addresses; two connections, since each has one COPY under way."""
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "plain"}
    other = psycopg.connect(connection.info.dsn, password=connection.info.password)
    connection.commit()
    count = repository_id = 0
    with (
        httpx.Client(headers=headers) as client,
        other,
        connection.cursor().copy(_copy("workflow_runs", RUN_COLUMNS)) as runs,
        other.cursor().copy(_copy("workflow_jobs", JOB_COLUMNS)) as jobs,
    ):
        # What is listed twice: a run by a probe of the bisection, a job by two listings.
        known: set[tuple[int, int]] = set()
        for url in urls:
            answer = client.get(url)
            answer.raise_for_status()
            body = orjson.loads(answer.content)
            if "jobs" in body:
                for job in body["jobs"]:
                    if (key := (job["id"], 0)) not in known:
                        known.add(key)
                        jobs.write_row(_job(job, repository_id))
                        count += 1
            elif "workflow_runs" in body or "run_attempt" in body:
                for run in body.get("workflow_runs", [body]):
                    repository_id = run["repository"]["id"]
                    if (key := (run["id"], run["run_attempt"])) not in known:
                        known.add(key)
                        runs.write_row(_run(run))
                        count += 1
    return count


def _copy(table: str, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(f"plain_{table}"), sql.SQL(", ").join(map(sql.Identifier, columns))
    )


RUN_COLUMNS = (
    *("run_id", "run_attempt", "repository_id", "workflow_id", "check_suite_id", "name"),
    *("display_title", "path", "run_number", "event", "status", "conclusion", "head_branch"),
    *("head_sha", "created_at", "updated_at", "run_started_at", "actor_id", "actor_login"),
    *("triggering_actor_id", "triggering_actor_login", "head_repository_id"),
    *("head_repository_full_name", "pull_request_numbers", "referenced_workflow_paths"),
    *("html_url", "content_hash", "_dlt_load_id"),
)
JOB_COLUMNS = (
    *("job_id", "run_id", "run_attempt", "repository_id", "name", "workflow_name", "status"),
    *("conclusion", "created_at", "started_at", "completed_at", "head_branch", "head_sha"),
    *("labels", "runner_id", "runner_name", "runner_group_id", "runner_group_name", "steps"),
    *("html_url", "content_hash", "_dlt_load_id"),
)


def _run(run: dict[str, Any]) -> list[Any]:
    return [
        *(run["id"], run["run_attempt"], run["repository"]["id"], run["workflow_id"]),
        *(run["check_suite_id"], run["name"], run["display_title"], run["path"]),
        *(run["run_number"], run["event"], run["status"], run["conclusion"], run["head_branch"]),
        *(run["head_sha"], run["created_at"], run["updated_at"], run["run_started_at"]),
        *(run["actor"]["id"], run["actor"]["login"]),
        *(run["triggering_actor"]["id"], run["triggering_actor"]["login"]),
        *(run["head_repository"]["id"], run["head_repository"]["full_name"]),
        json.dumps([pull["number"] for pull in run["pull_requests"]]),
        json.dumps([used["path"] for used in run.get("referenced_workflows") or []]),
        *(run["html_url"], "", ""),
    ]


def _job(job: dict[str, Any], repository_id: int) -> list[Any]:
    return [
        *(job["id"], job["run_id"], job["run_attempt"], repository_id, job["name"]),
        *(job["workflow_name"], job["status"], job["conclusion"], job["created_at"]),
        *(job["started_at"], job["completed_at"], job["head_branch"], job["head_sha"]),
        *(json.dumps(job["labels"]), job["runner_id"], job["runner_name"]),
        *(job["runner_group_id"], job["runner_group_name"], json.dumps(job["steps"])),
        *(job["html_url"], "", ""),
    ]


if __name__ == "__main__":
    main()
