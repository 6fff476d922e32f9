"""Marts without dbt, made of their contracts; test_real_marts asks for some that dbt built."""

import hashlib
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any, LiteralString

from psycopg import Connection, sql

from actionsight.database import connect
from actionsight.settings import ROOT
from api.stats.metrics import METRICS, Metric
from tests.support.yaml_files import read_yaml

TRANSFORM = ROOT / "transform"
# What a row that a test leaves something out of has there; not of keys.
ORDINARY: dict[str, LiteralString] = {
    "boolean": "false",
    "bigint": "0",
    "text": "''",
    "uuid": "gen_random_uuid()",
}


@cache
def contracts() -> dict[str, dict[str, Any]]:
    """The models of the marts by name, as the properties beside them have them."""
    return {
        model["name"]: model
        for path in (TRANSFORM / "models/marts").glob("*.yml")
        for model in read_yaml(path).get("models", [])
    }


def make_marts(database_url: str) -> None:
    """Make the tables that a build makes, without rows; without indexes and foreign keys, too."""
    macro = (TRANSFORM / "macros/builds.sql").read_text(encoding="utf-8")
    begun = macro.partition("create table if not exists marts.models")
    with connect(database_url) as connection:
        connection.execute("create schema marts")
        for name, model in contracts().items():
            [key] = [each for each in model["constraints"] if each["type"] == "primary_key"]
            connection.execute(
                sql.SQL("create table {} ({}, primary key ({}))").format(
                    sql.Identifier("marts", name),
                    sql.SQL(", ").join(map(_column, model["columns"])),
                    sql.SQL(", ").join(map(sql.Identifier, key["columns"])),
                )
            )
        # The tables of builds, which one statement after the other makes.
        connection.execute(f"{begun[1]}{begun[2].partition('{%')[0]}".encode())


def make_indexes(connection: Connection[Any]) -> None:
    """Make the indexes that a build makes."""
    for name, model in contracts().items():
        for index in (model["config"].get("meta", {}).get("indexes") or {}).values():
            connection.execute(f"create index on marts.{name} {index}".encode())


def _column(column: dict[str, Any]) -> sql.Composed:
    """A column as its contract has it."""
    name, data_type = column["name"], column["data_type"]
    is_required = {"type": "not_null"} in column.get("constraints", [])
    ordinary = ORDINARY.get(data_type) if is_required and not name.endswith("_id") else None
    return sql.SQL("{} {} {} {}").format(
        sql.Identifier(name),
        sql.SQL(data_type),
        sql.SQL("not null" if is_required else ""),
        sql.SQL(f"default {ordinary}" if ordinary else ""),
    )


def moment(text: str) -> datetime:
    """A UTC time written short: `2026-01-31 08:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Marts:
    """Writes rows into the marts and `app` of one database; what a test leaves out is ordinary."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self._repositories: dict[int, int] = {}  # of workflows, the first of each

    @contextmanager
    def without_column(self, table: str, column: str) -> Generator[None]:
        """A column is not there for the length of the context."""
        rename = sql.SQL("alter table {} rename column {} to {}")
        names = [sql.Identifier("marts", table), sql.Identifier(column), sql.Identifier("gone")]
        self.connection.execute(rename.format(*names))
        try:
            yield
        finally:
            self.connection.execute(rename.format(names[0], names[2], names[1]))

    def clear(self) -> None:
        """Take all repositories away, and what is in the marts of them but for their versions."""
        for table in ("app.repositories", *(f"marts.{name}" for name in contracts())):
            self.connection.execute(
                sql.SQL("delete from {}").format(sql.Identifier(*table.split(".")))
            )

    def repository(self, repository_id: int, full_name: str, **values: Any) -> None:
        """A monitored repository, looked at just now; values: of `app.repositories`, and
        `default_branch`."""
        branch = values.pop("default_branch", "main")
        seen = {"visibility_seen_at": datetime.now(UTC), **values}
        self._insert("app.repositories", repository_id=repository_id, full_name=full_name, **seen)
        self._insert(
            "marts.repositories",
            repository_id=repository_id,
            full_name=full_name,
            default_branch=branch,
            is_archived=False,
            html_url=f"https://github.com/{full_name}",
        )

    def workflow(self, workflow_id: int, repository_id: int, name: str, **values: Any) -> None:
        """A workflow, active unless said otherwise."""
        self._repositories.setdefault(workflow_id, repository_id)
        self._insert(
            "marts.workflows",
            workflow_id=workflow_id,
            repository_id=repository_id,
            name=name,
            **{"state": "active", "path": f".github/workflows/{workflow_id}.yml", **values},
        )

    def run(self, run_id: int, workflow_id: int, created_at: str, **values: Any) -> None:
        """A run whose attempts ended with `attempts` (None: not ended), by default one success.

        `repository_id`: where the workflow is known in several. `ended_at`: of each attempt.
        """
        attempts = values.pop("attempts", ["success"])
        created = moment(created_at)
        repository_id = values.pop("repository_id", None) or self._repositories[workflow_id]
        shared = {"run_id": run_id, "repository_id": repository_id, "workflow_id": workflow_id}
        head_sha = values.pop("head_sha", f"{run_id:040x}")
        ends = [moment(end) for end in values.pop("ended_at", [])]
        health_group = values.get("health_group")
        self._insert(
            "marts.workflow_runs",
            **shared,
            created_at=created,
            day=created.date(),
            run_attempt=len(attempts),
            head_sha=head_sha,
            first_attempt_conclusion=attempts[0],
            html_url=f"https://github.com/runs/{run_id}",
            **_outcome(attempts[-1]),
            **{"event": "push", "head_branch": "main", "actor_login": "Mona", **values},
        )
        for number, conclusion in enumerate(attempts, start=1):
            self._insert(
                "marts.workflow_run_attempts",
                **shared,
                run_attempt=number,
                head_sha=head_sha,
                run_created_at=created,
                ended_at=ends[number - 1] if ends else None,
                health_group=health_group,
                **_outcome(conclusion),
            )

    def job(self, job_id: int, run_id: int, **values: Any) -> None:
        """An executed job of the run's first attempt; values: columns of `marts.jobs`."""
        self.connection.execute(
            """
            insert into marts.jobs
                (job_id, run_id, run_attempt, repository_id, workflow_id, day, run_created_at,
                is_executed)
            select %s, run_id, 1, repository_id, workflow_id, day, created_at, true
            from marts.workflow_runs where run_id = %s
            """,
            [job_id, run_id],
        )
        if values:
            assignments = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values]
            self.connection.execute(
                sql.SQL("update marts.jobs set {} where job_id = %s").format(
                    sql.SQL(", ").join(assignments)
                ),
                [*values.values(), job_id],
            )
        self.connection.execute(
            """
            update marts.jobs set
                job_name_key = md5(coalesce(name, ''))::uuid,
                labels_key = md5(array(
                    select distinct lower(label) as label
                    from unnest(labels) as label
                    order by label
                )::text)::uuid
            where job_id = %s
            """,
            [job_id],
        )

    def flaky_job(self, failed_job_id: int, passed_job_id: int, **values: Any) -> None:
        """A job failed and then passed; values: further columns of the occurrence."""
        self.connection.execute(
            """
            insert into marts.flaky_job_occurrences
                (run_id, job_name_key, job_name, repository_id, workflow_id, day, failed_attempt,
                failed_job_id, failed_conclusion, failed_step_number, failed_step_name,
                failed_runner_name, passed_attempt, passed_job_id, lost_seconds,
                flaky_wasted_minutes, flaky_cost_usd)
            select
                failed.run_id, failed.job_name_key, failed.name, failed.repository_id,
                failed.workflow_id, failed.day, failed.run_attempt, failed.job_id,
                failed.conclusion, failed.failed_step_number, failed.failed_step_name,
                failed.runner_name, passed.run_attempt, passed.job_id, %(lost_seconds)s,
                %(flaky_wasted_minutes)s, %(flaky_cost_usd)s
            from marts.jobs as failed, marts.jobs as passed
            where failed.job_id = %(failed)s and passed.job_id = %(passed)s
            """,
            {
                "lost_seconds": None,
                "flaky_wasted_minutes": None,
                "flaky_cost_usd": None,
                **values,
                "failed": failed_job_id,
                "passed": passed_job_id,
            },
        )

    def red_interval(
        self,
        workflow_id: int,
        first_failed: tuple[int, int],
        started_at: str,
        recovered: tuple[int, int] | None = None,
        ended_at: str | None = None,
        **values: Any,
    ) -> None:
        """A red interval of the default branch, from one attempt (run and number) to another."""
        start, end = moment(started_at), None if ended_at is None else moment(ended_at)
        self._insert(
            "marts.branch_health_intervals",
            workflow_id=workflow_id,
            repository_id=values.pop("repository_id", None) or self._repositories[workflow_id],
            first_failed_run_id=first_failed[0],
            first_failed_run_attempt=first_failed[1],
            started_at=start,
            recovered_run_id=recovered and recovered[0],
            recovered_run_attempt=recovered and recovered[1],
            ended_at=end,
            duration_seconds=end and (end - start).total_seconds(),
            **{"health_group": "default_branch", "is_start_known": True, **values},
        )

    def runner_hour(self, repository_id: int, labels: list[str], hour: str, **values: Any) -> None:
        """An hour of a set of labels, which are sorted."""
        self._insert(
            "marts.runner_statistics_by_hour",
            repository_id=repository_id,
            labels=labels,
            labels_key=_md5(_array(labels)),
            hour=moment(hour),
            **values,
        )

    def level_change(
        self,
        workflow_id: int,
        first_run_id: int,
        changed_at: str,
        medians: tuple[float, float],
        **values: Any,
    ) -> None:
        """A change of level, which holds until now unless said otherwise."""
        job_name = values.get("job_name")
        self._insert(
            "marts.level_changes",
            workflow_id=workflow_id,
            repository_id=self._repositories[workflow_id],
            first_run_id=first_run_id,
            changed_at=moment(changed_at),
            median_before_seconds=medians[0],
            median_after_seconds=medians[1],
            job_name_key=_md5((job_name or "").encode()),
            **{
                "run_count_before": 10,
                "run_count_after": 10,
                "still_holds": True,
                "health_group": "default_branch",
                **values,
            },
        )

    def step(self, job_id: int, number: int, name: str | None, **values: Any) -> None:
        """A step of a job, a success unless said otherwise; values: columns of `marts.steps`."""
        [(repository_id,)] = self.connection.execute(
            "select repository_id from marts.jobs where job_id = %s", [job_id]
        ).fetchall()
        self._insert(
            "marts.steps",
            job_id=job_id,
            step_number=number,
            repository_id=repository_id,
            name=name,
            **{"status": "completed", "conclusion": "success", **values},
        )

    def job_days(self, workflow_id: int, job_name: str, day: str, **values: Any) -> None:
        """A row of `marts.job_statistics_by_day`."""
        self._insert(
            "marts.job_statistics_by_day",
            repository_id=self._repositories[workflow_id],
            workflow_id=workflow_id,
            day=day,
            job_name=job_name,
            job_name_key=_md5((job_name or "").encode()),
            **values,
        )

    def remove_repository(self, repository_id: int) -> None:
        """No longer monitored; its rows stay in the marts."""
        self.connection.execute(
            "update app.repositories set removed_at = now() where repository_id = %s",
            [repository_id],
        )

    def raise_version(self, repository_id: int) -> None:
        """What a build does when rows of a repository changed."""
        self.connection.execute(
            """
            insert into marts.data_versions as stored values (%s, 1, clock_timestamp())
            on conflict (repository_id) do update
            set version = stored.version + 1, changed_at = excluded.changed_at
            """,
            [repository_id],
        )

    def statistics_by_day(
        self, workflow_id: int, day: str, runs: int, jobs: int, repository_id: int | None = None
    ) -> None:
        """A day's counts, in place of what the day had."""
        self.connection.execute(
            "delete from marts.workflow_statistics_by_day "
            "where workflow_id = %s and repository_id = %s and day = %s",
            [workflow_id, repository_id or self._repositories[workflow_id], day],
        )
        self._insert(
            "marts.workflow_statistics_by_day",
            workflow_id=workflow_id,
            repository_id=repository_id or self._repositories[workflow_id],
            day=day,
            run_count=runs,
            jobs_listed=jobs,
        )

    def add_up_days(self) -> None:
        """Make the days of all runs and jobs, by the formulas that statistics have."""
        by_day = [metric for metric in METRICS if isinstance(metric, Metric) and metric.is_by_day]
        self.connection.execute("delete from marts.workflow_statistics_by_day")
        for source, table in (("runs", "workflow_runs"), ("jobs", "jobs")):
            chosen = [metric for metric in by_day if metric.source == source]
            names = [sql.Identifier(metric.name) for metric in chosen]
            self.connection.execute(
                sql.SQL(
                    "insert into marts.workflow_statistics_by_day "
                    "(workflow_id, repository_id, day, {names}) "
                    "select workflow_id, repository_id, day, {formulas} from {table} as {source} "
                    "group by 1, 2, 3 "
                    "on conflict (repository_id, workflow_id, day) do update set {assignments}"
                ).format(
                    names=sql.SQL(", ").join(names),
                    formulas=sql.SQL(", ").join(sql.SQL(metric.formula) for metric in chosen),
                    table=sql.Identifier("marts", table),
                    source=sql.Identifier(source),
                    assignments=sql.SQL(", ").join(
                        sql.SQL("{0} = excluded.{0}").format(name) for name in names
                    ),
                )
            )

    def add_up_job_days(self) -> None:
        """Make the days of all job names: in how many runs each executed."""
        self.connection.execute("delete from marts.job_statistics_by_day")
        self.connection.execute(
            """
            insert into marts.job_statistics_by_day
                (repository_id, workflow_id, day, job_name_key, job_name, executed_run_count)
            select
                repository_id, workflow_id, day, job_name_key, min(name),
                count(distinct run_id) filter (where is_executed)
            from marts.jobs
            group by repository_id, workflow_id, day, job_name_key
            """
        )

    def _insert(self, table: str, **values: Any) -> None:
        self.connection.execute(_insertion(table, tuple(values)), list(values.values()))


@cache
def _insertion(table: str, names: tuple[str, ...]) -> bytes:
    """The statement, composed once for rows of the same columns."""
    statement = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(sql.Placeholder() * len(names)),
    )
    return statement.as_bytes()


def _md5(text: bytes) -> uuid.UUID:
    """As models make keys of texts."""
    return uuid.UUID(hashlib.md5(text, usedforsecurity=False).hexdigest())


def _array(texts: list[str]) -> bytes:
    """Plain words as PostgreSQL writes their array."""
    return f"{{{','.join(texts)}}}".encode()


def _outcome(conclusion: str | None) -> dict[str, Any]:
    return {
        "status": "completed" if conclusion else "in_progress",
        "conclusion": conclusion,
        "is_completed": conclusion is not None,
        "is_decisive": conclusion in ("success", "failure", "timed_out", "startup_failure"),
    }
