"""Is it mine? For each failed job of a run's newest attempt, what tells for and against it.

Evidence is of the same workflow in the same repository and of the same job name, since nothing else
is surely visible to whoever sees the run. A job is decided that executed and ended success, failure
or timed_out. Newer is what has the later creation of its run, then the greater attempt.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import sql

from api.database import Connection
from api.jobs.queries import usual_of_jobs
from api.rows import columns_of
from api.runs.records import Context, RunOnBranch
from api.stats.intervals import wilson

MOST_RUNS = 3

_FAILED = sql.SQL(
    """
    select
        jobs.job_id, jobs.name, jobs.job_name_key, jobs.run_attempt, jobs.conclusion,
        jobs.started_at, jobs.completed_at, jobs.duration_seconds, jobs.failed_step_number,
        jobs.failed_step_name, jobs.runner_name, jobs.html_url
    from marts.jobs
    where jobs.run_id = %(run_id)s
        and jobs.repository_id = %(repository_id)s
        and jobs.run_attempt = %(run_attempt)s
        and jobs.is_executed
        and jobs.status = 'completed'
        and jobs.conclusion in ('failure', 'timed_out')
    order by coalesce(jobs.started_at, jobs.created_at), jobs.job_id
"""
)
# What is decided among the jobs of the failed one's name, beside it.
_DECIDED = sql.SQL(
    """
    jobs.repository_id = failed.repository_id
    and jobs.workflow_id = failed.workflow_id
    and jobs.name = failed.name
    and jobs.is_executed
    and jobs.status = 'completed'
    and jobs.conclusion in ('success', 'failure', 'timed_out')
"""
)
_BEGAN = sql.SQL("coalesce(failed.started_at, failed.created_at, failed.run_created_at)")
_BEFORE = sql.SQL(
    """
    select jobs.run_created_at, jobs.run_id, jobs.run_attempt, jobs.job_id, jobs.conclusion
    from marts.jobs
    inner join marts.workflow_runs as runs
        on jobs.repository_id = runs.repository_id and jobs.run_id = runs.run_id
    where {decided}
        and runs.health_group = 'default_branch'
        and jobs.run_created_at < {began}
        and jobs.completed_at < {began}
"""
).format(decided=_DECIDED, began=_BEGAN)
# Back to the last success, then on to the failure after it.
_ON_DEFAULT_BRANCH = sql.SQL(
    """
    select
        failed.job_id,
        newest.conclusion,
        newest.run_id,
        newest.run_attempt,
        red.run_id as red_run_id,
        red.run_attempt as red_run_attempt
    from marts.jobs as failed
    cross join lateral (
        {before}
        order by jobs.run_created_at desc, jobs.run_id desc, jobs.run_attempt desc, jobs.job_id desc
        limit 1
    ) as newest
    left join lateral (
        {before} and jobs.conclusion = 'success'
        order by jobs.run_created_at desc, jobs.run_id desc, jobs.run_attempt desc, jobs.job_id desc
        limit 1
    ) as green on newest.conclusion <> 'success'
    left join lateral (
        {before}
            and jobs.run_created_at >= coalesce(green.run_created_at, '-infinity')
            and (
                green.job_id is null
                or (jobs.run_created_at, jobs.run_id, jobs.run_attempt, jobs.job_id)
                > (green.run_created_at, green.run_id, green.run_attempt, green.job_id)
            )
        order by jobs.run_created_at, jobs.run_id, jobs.run_attempt, jobs.job_id
        limit 1
    ) as red on newest.conclusion <> 'success'
    where failed.job_id = any(%(job_ids)s)
"""
).format(before=_BEFORE)
# A branch of a fork is another than one of the same name. No run goes on for more than 35 days.
_ON_BRANCHES = sql.SQL(
    """
    select
        failed.job_id,
        runs.head_branch,
        max(jobs.run_created_at) as newest_at,
        (
            array_agg(jobs.run_id order by jobs.run_created_at desc, jobs.run_id desc)
            filter (where jobs.conclusion <> 'success')
        )[1] as run_id,
        (
            array_agg(
                jobs.run_attempt
                order by jobs.run_created_at desc, jobs.run_id desc, jobs.run_attempt desc
            ) filter (where jobs.conclusion <> 'success')
        )[1] as run_attempt
    from marts.jobs as failed
    inner join marts.jobs on {decided}
    inner join marts.workflow_runs as runs
        on jobs.repository_id = runs.repository_id and jobs.run_id = runs.run_id
    where failed.job_id = any(%(job_ids)s)
        -- Said once more of the run, which PostgreSQL knows before it plans.
        and jobs.repository_id = %(repository_id)s
        and jobs.workflow_id = %(workflow_id)s
        and jobs.run_created_at >= %(created_at)s - interval '36 days'
        and jobs.run_created_at <= %(created_at)s + interval '36 days'
        and jobs.run_created_at >= {began} - interval '36 days'
        and jobs.run_created_at <= {began} + interval '24 hours'
        and jobs.started_at >= {began} - interval '24 hours'
        and jobs.started_at <= {began} + interval '24 hours'
        and runs.head_branch is not null
        and (runs.head_branch, runs.head_repository_id)
        is distinct from (%(head_branch)s, %(head_repository_id)s)
    group by failed.job_id, runs.head_repository_id, runs.head_branch
    order by max(jobs.run_created_at) desc, runs.head_branch
"""
).format(decided=_DECIDED, began=_BEGAN)
_IN_28_DAYS = sql.SQL(
    """
    jobs.repository_id = %(repository_id)s
    and jobs.workflow_id = %(workflow_id)s
    and jobs.name = any(%(names)s)
    and jobs.is_executed
    and jobs.run_created_at >= %(created_at)s - interval '28 days'
    and jobs.run_created_at < %(created_at)s
"""
)
_EXECUTED = sql.SQL(
    """
    select jobs.name, count(distinct jobs.run_id) as run_count
    from marts.jobs
    where {in_28_days}
    group by jobs.name
"""
).format(in_28_days=_IN_28_DAYS)
_ON_RUNNERS = sql.SQL(
    """
    select
        jobs.name,
        jobs.runner_name,
        count(*) as job_count,
        count(*) filter (where jobs.conclusion <> 'success') as failure_count
    from marts.jobs
    where {in_28_days}
        and jobs.runner_name = any(%(runner_names)s)
        and jobs.status = 'completed'
        and jobs.conclusion in ('success', 'failure', 'timed_out')
    group by jobs.name, jobs.runner_name
"""
).format(in_28_days=_IN_28_DAYS)
_OCCURRENCES = sql.SQL(
    """
    select
        occurrences.job_name, occurrences.run_id, occurrences.failed_attempt as run_attempt,
        occurrences.failed_step_name
    from marts.flaky_job_occurrences as occurrences
    inner join marts.workflow_runs as runs
        on occurrences.repository_id = runs.repository_id and occurrences.run_id = runs.run_id
    where occurrences.repository_id = %(repository_id)s
        and occurrences.workflow_id = %(workflow_id)s
        and occurrences.job_name_key = any(%(name_keys)s)
        and occurrences.job_name = any(%(names)s)
        and occurrences.day >= %(day)s - 28
        and occurrences.day <= %(day)s
        and runs.created_at >= %(created_at)s - interval '28 days'
        and runs.created_at < %(created_at)s
    order by runs.created_at desc, occurrences.run_id desc
"""
)
# The days before tell by an index; of the run's own day the jobs do.
_KNOWN = sql.SQL(
    """
    select days.job_name as name
    from marts.job_statistics_by_day as days
    where days.repository_id = %(repository_id)s
        and days.workflow_id = %(workflow_id)s
        and days.job_name_key = any(%(name_keys)s)
        and days.day < %(day)s
        and days.executed_run_count > 0
    union
    select jobs.name
    from marts.jobs
    where jobs.repository_id = %(repository_id)s
        and jobs.workflow_id = %(workflow_id)s
        and jobs.name = any(%(names)s)
        and jobs.is_executed
        and jobs.run_created_at >= %(day)s::timestamp at time zone 'UTC'
        and (jobs.run_created_at, jobs.run_id) < (%(created_at)s, %(run_id)s)
"""
)


def read_failures(connection: Connection, run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The failed jobs of the newest attempt of a run that was found, in the order in which they
    started, each with its context and the evidence."""
    failed = connection.execute(_FAILED, run).fetchall()
    if not failed:
        return []
    parameters = {
        **run,
        "job_ids": [job["job_id"] for job in failed],
        "names": list({job["name"] for job in failed} - {None}),
        "name_keys": list({job["job_name_key"] for job in failed}),
        "runner_names": list({job["runner_name"] for job in failed} - {None}),
    }

    def ask(query: sql.SQL | sql.Composed) -> list[dict[str, Any]]:
        return connection.execute(query, parameters).fetchall()

    on_default_branch = {row["job_id"]: row for row in ask(_ON_DEFAULT_BRANCH)}
    branches, occurrences = ask(_ON_BRANCHES), ask(_OCCURRENCES)
    executed = {row["name"]: row["run_count"] for row in ask(_EXECUTED)}
    runners = {(row["name"], row["runner_name"]): row for row in ask(_ON_RUNNERS)}
    known = {row["name"] for row in ask(_KNOWN)}
    usual = usual_of_jobs(
        connection,
        run["repository_id"],
        run["workflow_id"],
        {job["name"] for job in failed},
        run["created_at"],
    )
    runs = _runs(
        connection,
        run["repository_id"],
        [
            *(row[name] for row in on_default_branch.values() for name in ("run_id", "red_run_id")),
            *(row["run_id"] for row in [*branches, *occurrences]),
        ],
    )
    found = []
    for job in failed:
        of_branches = [row for row in branches if row["job_id"] == job["job_id"]]
        of_name = [row for row in occurrences if row["job_name"] == job["name"]]
        evidence = {
            "default_branch": _default_branch(on_default_branch.get(job["job_id"]), runs),
            "elsewhere": _elsewhere(of_branches, runs),
            "flaky": _flaky(job, of_name, executed.get(job["name"], 0), runs),
            "runner": _runner(job, runners),
        }
        number, name = job.pop("failed_step_number"), job.pop("failed_step_name")
        del job["job_name_key"], job["runner_name"]
        found.append(
            {
                **job,
                "failed_step": None if number is None else {"number": number, "name": name},
                "usual": usual[job["name"]],
                "context": _context(evidence, is_known=job["name"] in known),
                **evidence,
            }
        )
    return found


def _context(evidence: Mapping[str, Any], *, is_known: bool) -> Context:
    there = evidence["default_branch"]
    if there is not None and there["conclusion"] != "success":
        return "default_branch"
    if evidence["elsewhere"]["failed_branch_count"]:
        return "elsewhere"
    if evidence["flaky"]["occurrence_count"]:
        return "flaked_before"
    return "only_here" if is_known else "no_history"


# Runs by their ids, as the beginning of something.
Runs = Mapping[int, Mapping[str, Any]]


def _runs(connection: Connection, repository_id: int, run_ids: Iterable[int | None]) -> Runs:
    query = sql.SQL(
        "select {} from marts.workflow_runs as runs "
        "where runs.run_id = any(%s) and runs.repository_id = %s"
    ).format(columns_of(RunOnBranch, "runs"))
    wanted = list({run_id for run_id in run_ids if run_id is not None})
    return {row["run_id"]: row for row in connection.execute(query, [wanted, repository_id])}


def _since(runs: Runs, run_id: int, run_attempt: int) -> dict[str, Any]:
    since = {**runs[run_id], "run_attempt": run_attempt}
    del since["head_branch"]
    return since


def _default_branch(row: Mapping[str, Any] | None, runs: Runs) -> dict[str, Any] | None:
    if row is None:
        return None
    red_since = None
    if row["red_run_id"] is not None:
        red_since = _since(runs, row["red_run_id"], row["red_run_attempt"])
    return {
        "conclusion": row["conclusion"],
        "run": _since(runs, row["run_id"], row["run_attempt"]),
        "red_since": red_since,
    }


def _elsewhere(branches: list[dict[str, Any]], runs: Runs) -> dict[str, Any]:
    failed = [row for row in branches if row["run_id"] is not None]
    return {
        "failed_branch_count": len(failed),
        "branch_count": len(branches),
        "runs": [
            {**runs[row["run_id"]], "run_attempt": row["run_attempt"]} for row in failed[:MOST_RUNS]
        ],
    }


def _flaky(
    job: Mapping[str, Any], occurrences: list[dict[str, Any]], run_count: int, runs: Runs
) -> dict[str, Any]:
    """Newest occurrences come first."""
    count = len(occurrences)
    # Marts are built one after the other: the day of an occurrence may not be counted yet.
    run_count = max(run_count, count)
    lower, upper = wilson(count, run_count) or (None, None)
    steps = Counter(row["failed_step_name"] for row in occurrences)
    newest = occurrences[0] if occurrences else None
    return {
        "occurrence_count": count,
        "executed_run_count": run_count,
        "flaky_rate": count / run_count if run_count else None,
        "flaky_rate_lower_bound": lower,
        "flaky_rate_upper_bound": upper,
        "last": newest and _since(runs, newest["run_id"], newest["run_attempt"]),
        "same_step_count": steps[job["failed_step_name"]] if job["failed_step_name"] else 0,
    }


def _runner(
    job: Mapping[str, Any], runners: Mapping[tuple[str, str], Mapping[str, Any]]
) -> dict[str, Any] | None:
    if job["runner_name"] is None:
        return None
    seen = runners.get((job["name"], job["runner_name"]), {})
    return {
        "runner_name": job["runner_name"],
        "failure_count": seen.get("failure_count", 0),
        "job_count": seen.get("job_count", 0),
    }
