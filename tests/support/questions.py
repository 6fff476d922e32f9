"""A question for each route that reads marts, over generated ones, and the SQL that answers it."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString
from unittest.mock import patch

import psycopg
from psycopg import Connection, sql

# `{run}` and `{job}` are of the busiest workflow, which is {workflow}, of {repository}.
QUESTIONS: Mapping[str, str] = {
    "stats": "/stats",
    "stats by day": "/stats?fields=run_count&group_by=day&period=90d&limit=500",
    "stats compared": "/stats?period=28d&compare=previous&group_by=repository,event",
    "stats of a workflow": "/stats?workflow={workflow}&period=28d&group_by=branch,actor",
    "stats by runner": "/stats?repository={repository}&period=28d&group_by=runner",
    "workflows": "/workflows?include=statistics,health,recent_runs",
    "workflows sorted": "/workflows?sort=-success_duration_p95_seconds&limit=10",
    "workflow": "/workflows/{workflow}?include=health,levels&compare=previous",
    "workflow's runs": "/workflows/{workflow}/runs",
    "workflow's timeline": "/workflows/{workflow}/timeline?period=90d",
    "workflow's jobs": "/workflows/{workflow}/jobs?compare=previous&include=levels",
    "workflow's steps": "/workflows/{workflow}/steps?period=7d",
    "runs": "/runs",
    "runs, the longest": "/runs?repository={repository}&sort=-duration_seconds",
    "runs of a commit": "/runs?period=730d&head_sha={sha}",
    "runs of a pull request": "/runs?repository={repository}&period=730d&pull_request={pull}",
    "run": "/runs/{run}",
    "run with 256 jobs": "/runs/{largest_run}",
    "run's failures": "/runs/{failed_run}/failures",
    "jobs": "/jobs",
    "jobs, the longest waits": "/jobs?repository={repository}&sort=-queue_seconds",
    "job": "/jobs/{job}",
    "health": "/branches/health?include=failing_jobs",
    "red intervals": "/branches/health/intervals",
    "flaky jobs": "/flaky-jobs?compare=previous",
    "flaky occurrences": "/flaky-jobs/occurrences",
    "changes": "/changes",
    "runners": "/runners?compare=previous",
    "runners by hour": "/runners/hours?period=7d&limit=500",
    "runners now": "/runners/now",
    "runners by name": "/runners/names?repository={repository}",
    "costs": "/costs?compare=previous",
    "costs by class": "/costs?group_by=runner_class,day&limit=500",
    "costs unpriced": "/costs/unpriced",
    "repositories": "/repositories",
    "repository": "/repositories/{repository}",
    "search of a name": "/search?q=workflow 12",
    "search of a commit": "/search?q={sha}",
    "search of a pull request": "/search?q=https://github.com/acme/repository-{repository}/pull/{pull}",
}


_NEWEST: LiteralString = """
    select {} from marts.workflow_runs where workflow_id = %s and {}
    order by created_at desc limit 1
"""


def questions(connection: Connection[Any]) -> dict[str, str]:
    """The paths, by what they ask, about what these marts hold."""
    [[workflow, repository]] = connection.execute(
        """
        select workflow_id, repository_id from marts.workflow_statistics_by_day
        group by 1, 2 order by sum(run_count) desc limit 1
        """
    ).fetchall()

    def find(column: LiteralString, condition: LiteralString) -> Any:
        query = sql.SQL(_NEWEST).format(sql.SQL(column), sql.SQL(condition))
        [[found]] = connection.execute(query, [workflow]).fetchall()
        return found

    run = find("run_id", "conclusion = 'success'")
    [[largest_run]] = connection.execute(
        "select run_id from marts.workflow_runs order by jobs_listed desc limit 1"
    ).fetchall()
    named = {
        "workflow": workflow,
        "repository": repository,
        "run": run,
        "job": run * 1024 + 1,
        "failed_run": find("run_id", "conclusion = 'failure'"),
        "largest_run": largest_run,
        "sha": find("head_sha", "true")[:12],
        "pull": find("pull_request_numbers[1]", "event = 'pull_request'"),
    }
    return {name: path.format(**named) for name, path in QUESTIONS.items()}


@dataclass(frozen=True)
class Statement:
    """What was asked of PostgreSQL."""

    text: str
    parameters: Any

    @property
    def begins(self) -> bool:
        """Whether the transaction begins in which the answer is computed."""
        return "lock table" in self.text

    @property
    def tells_version(self) -> bool:
        """Whether it only tells in which version the data is."""
        return "as fingerprint" in self.text


@contextmanager
def recorded() -> Generator[list[Statement]]:
    """Every statement that this process sends, in order, for the length of the context."""
    statements: list[Statement] = []
    execute = psycopg.Cursor.execute

    def record(self: Any, query: Any, params: Any = None, **options: Any) -> Any:
        text = query.as_string(self) if isinstance(query, sql.Composable) else query
        text = text.decode() if isinstance(text, bytes) else text
        statements.append(Statement(text, params))
        return execute(self, query, params, **options)

    with patch.object(psycopg.Cursor, "execute", record):
        yield statements


def of_the_answer(statements: list[Statement]) -> list[Statement]:
    """Those that compute the answer: who asks, rights and what is built come before."""
    places = [place for place, each in enumerate(statements) if each.begins]
    following = statements[places[-1] + 1 :] if places else []
    return [each for each in following if not each.tells_version]
