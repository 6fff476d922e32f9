"""Marts made by hand, so that the API is tested without dbt; the end-to-end tests use real ones."""

from datetime import UTC, datetime
from typing import Any

from psycopg import Connection, sql

DDL = """
create schema marts;
create table marts.repositories (
    repository_id bigint primary key,
    full_name text not null,
    name text,
    owner_login text,
    visibility text,
    default_branch text,
    is_archived boolean,
    is_disabled boolean,
    is_fork boolean,
    html_url text,
    created_at timestamptz
);
create table marts.workflows (
    repository_id bigint not null references marts.repositories,
    workflow_id bigint not null,
    name text not null,
    path text,
    state text,
    html_url text,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz,
    is_stub boolean not null default false,
    primary key (repository_id, workflow_id)
);
create index on marts.workflows (workflow_id);
create table marts.workflow_runs (
    run_id bigint primary key,
    run_attempt bigint not null,
    repository_id bigint not null references marts.repositories,
    workflow_id bigint not null,
    event text,
    status text,
    conclusion text,
    head_branch text,
    head_sha text,
    actor_login text,
    created_at timestamptz not null,
    day date not null,
    duration_seconds bigint,
    queue_seconds bigint,
    first_attempt_conclusion text,
    time_to_signal_seconds bigint,
    is_flaky boolean not null default false,
    html_url text,
    foreign key (repository_id, workflow_id) references marts.workflows
);
create index on marts.workflow_runs (repository_id, workflow_id, created_at);
create index on marts.workflow_runs (repository_id, created_at);
create table marts.workflow_run_attempts (
    run_id bigint not null,
    run_attempt bigint not null,
    repository_id bigint not null references marts.repositories,
    workflow_id bigint not null,
    status text,
    conclusion text,
    head_sha text,
    primary key (run_id, run_attempt),
    foreign key (repository_id, workflow_id) references marts.workflows
);
create table marts.jobs (
    job_id bigint primary key,
    run_id bigint not null references marts.workflow_runs,
    run_attempt bigint not null,
    repository_id bigint not null references marts.repositories,
    workflow_id bigint not null,
    day date not null,
    run_created_at timestamptz not null,
    is_executed boolean not null,
    is_carried_over boolean not null default false,
    queue_seconds bigint,
    is_impossible_queue boolean not null default false,
    duration_seconds bigint,
    is_impossible_duration boolean not null default false,
    billable_minutes bigint,
    self_hosted_minutes bigint,
    waste_cause text,
    wasted_minutes bigint,
    estimated_cost_usd numeric(18, 6),
    list_price_usd numeric(18, 6),
    foreign key (repository_id, workflow_id) references marts.workflows
);
create index on marts.jobs (run_id);
create index on marts.jobs (repository_id, workflow_id, run_created_at);
create index on marts.jobs (repository_id, run_created_at);
create table marts.workflow_statistics_by_day (
    repository_id bigint not null references marts.repositories,
    workflow_id bigint not null,
    day date not null,
    run_count bigint not null,
    jobs_listed bigint not null,
    primary key (repository_id, workflow_id, day),
    foreign key (repository_id, workflow_id) references marts.workflows
);
create table marts.data_versions (
    repository_id bigint primary key,
    version bigint not null,
    changed_at timestamptz not null
);
"""


def moment(text: str) -> datetime:
    """A UTC time written short: `2026-01-31 08:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Marts:
    """Writes rows into the marts and `app` of one database; what a test leaves out is ordinary."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self._repositories: dict[int, int] = {}  # of workflows, the first of each
        connection.execute(DDL)

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

        `repository_id`: where the workflow is known in several.
        """
        attempts = values.pop("attempts", ["success"])
        created = moment(created_at)
        repository_id = values.pop("repository_id", None) or self._repositories[workflow_id]
        shared = {"run_id": run_id, "repository_id": repository_id, "workflow_id": workflow_id}
        head_sha = values.pop("head_sha", f"{run_id:040x}")
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
        """A day's counts."""
        self._insert(
            "marts.workflow_statistics_by_day",
            workflow_id=workflow_id,
            repository_id=repository_id or self._repositories[workflow_id],
            day=day,
            run_count=runs,
            jobs_listed=jobs,
        )

    def _insert(self, table: str, **values: Any) -> None:
        self.connection.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier(*table.split(".")),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(sql.Placeholder() * len(values)),
            ),
            list(values.values()),
        )


def _outcome(conclusion: str | None) -> dict[str, str | None]:
    return {"status": "completed" if conclusion else "in_progress", "conclusion": conclusion}
