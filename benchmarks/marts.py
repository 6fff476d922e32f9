"""Marts of a made-up history, as large as one likes: the models' own tables, filled by SQL."""

from pathlib import Path
from typing import Any

import psycopg

from tests.support.dbt_project import Project, environment_of_dbt

REPOSITORIES = 20
WORKFLOWS = 200
JOBS_PER_RUN = 4
DAYS = 365

# The first workflows are the busiest: half of the runs are of a twelfth of them. A run in ten has
# a second attempt, eight in ten succeed, and durations are spread over two orders of magnitude.
_STATEMENTS = (
    "select setseed(0.5)",
    """
    insert into app.repositories
        (repository_id, full_name, visibility, observed_until, newest_observation_at)
    select number, 'acme/repository-' || number, 'private', now(), now()
    from generate_series(1, %(repositories)s) as number
    """,
    """
    insert into marts.repositories (repository_id, full_name, default_branch)
    select repository_id, full_name, 'main' from app.repositories
    """,
    """
    insert into marts.workflows (workflow_id, repository_id, name, state, is_stub)
    select number, 1 + number %% %(repositories)s, 'Workflow ' || number, 'active', false
    from generate_series(1, %(workflows)s) as number
    """,
    """
    create temporary table history as
    select
        number,
        (1 + floor(%(workflows)s * power(random(), 3.5)))::bigint as workflow_id,
        timestamptz '2026-01-01' + number * interval '1 day' * %(days)s / %(runs)s as created_at,
        random() < 0.1 as is_rerun,
        (array[
            'success', 'success', 'success', 'success', 'success', 'success', 'success',
            'success', 'failure', 'cancelled'
        ])[1 + floor(10 * random())::int] as conclusion,
        exp(3 + 4 * random())::bigint as seconds
    from generate_series(1, %(runs)s) as number
    """,
    """
    insert into marts.workflow_run_attempts (
        run_id, run_attempt, repository_id, workflow_id, status, conclusion, is_completed,
        is_decisive, head_sha, created_at, jobs_listed, jobs_executed, was_seen_by_webhook,
        was_seen_by_poll, was_corrected, was_approved, webhook_only_job_count, poll_only_job_count,
        both_job_count, corrected_job_count
    )
    select
        number, attempt, 1 + workflow_id %% %(repositories)s, workflow_id, 'completed',
        case when is_rerun and attempt = 1 then 'failure' else conclusion end, true, true,
        md5((number / 2)::text) || '00000000', created_at, %(jobs)s, %(jobs)s, true, true, false,
        false, 0, 0, %(jobs)s, 0
    from history, generate_series(1, case when is_rerun then 2 else 1 end) as attempt
    """,
    """
    insert into marts.workflow_runs (
        run_id, run_attempt, repository_id, workflow_id, run_number, name, display_title, event,
        status, conclusion, is_completed, is_decisive, head_branch, head_sha, actor_login, day,
        created_at, duration_seconds, api_duration_seconds, queue_seconds, time_to_signal_seconds,
        first_attempt_conclusion, is_flaky, ambiguous_name_count, was_approved, jobs_listed,
        jobs_executed,
        html_url
    )
    select
        number,
        case when is_rerun then 2 else 1 end,
        1 + workflow_id %% %(repositories)s,
        workflow_id,
        number,
        'Workflow ' || workflow_id,
        'What the commit ' || number || ' says in its first line, and not much more',
        (array['push', 'pull_request', 'pull_request', 'schedule'])[1 + number %% 4],
        'completed',
        conclusion,
        true,
        conclusion <> 'cancelled',
        case number %% 4 when 0 then 'main' else 'topic-' || number / 20 end,
        md5((number / 2)::text) || '00000000',
        'person-' || number %% 50,
        (created_at at time zone 'UTC')::date,
        created_at,
        seconds,
        seconds + 9,
        (60 * power(random(), 4))::bigint,
        seconds + 20,
        case when is_rerun then 'failure' else conclusion end,
        is_rerun and conclusion = 'success',
        0,
        false,
        %(jobs)s,
        %(jobs)s,
        'https://github.com/acme/repository/actions/runs/' || number
    from history
    """,
    """
    insert into marts.jobs (
        job_id, run_id, run_attempt, repository_id, workflow_id, name, job_name_key, labels,
        labels_key, runner_class, steps_left_out, status, conclusion, day, run_created_at,
        created_at, is_executed, is_carried_over, was_gated, queue_seconds, is_impossible_queue,
        duration_seconds, is_impossible_duration, billable_minutes, wasted_minutes,
        estimated_cost_usd, list_price_usd, html_url
    )
    select
        %(jobs)s * run_id + number, run_id, run_attempt, repository_id, workflow_id,
        'job ' || number, md5('job ' || number)::uuid, array['ubuntu-latest'],
        md5('ubuntu-latest')::uuid, 'linux', 0, 'completed', conclusion, day, created_at,
        created_at, true, false, false, (60 * power(random(), 4))::bigint, false,
        duration_seconds / number, false, 1 + duration_seconds / number / 60, 0, 0,
        0.006 * (1 + duration_seconds / number / 60),
        'https://github.com/acme/repository/actions/runs/' || run_id || '/job/' || number
    from marts.workflow_runs, generate_series(1, %(jobs)s) as number
    """,
    """
    insert into marts.data_versions (repository_id, version, changed_at)
    select repository_id, 1, now() from app.repositories
    """,
)


def build(url: str, folder: Path) -> None:
    """Let dbt make the marts of a migrated database, empty but with all their keys and indexes."""
    with environment_of_dbt(url, folder):
        Project().run_all()


def fill(connection: psycopg.Connection[Any], run_count: int) -> None:
    """Runs of a year in 200 workflows, each with jobs; the connection commits by itself."""
    numbers = {
        "repositories": REPOSITORIES,
        "workflows": WORKFLOWS,
        "jobs": JOBS_PER_RUN,
        "days": DAYS,
        "runs": run_count,
    }
    for statement in _STATEMENTS:
        connection.execute(statement, numbers if "%" in statement else None)
    connection.execute("vacuum analyze")
