"""Marts of a made-up history, as large as one likes: the models' own tables, filled by SQL.

What depends on rows of other marts is computed of them by plain statements, so that it is
consistent (days add up to runs, an occurrence has its jobs), while it need not be what the models
would make of an odd history: there are no odd ones here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import Connection, sql

from api.stats.metrics import METRICS, Metric


@dataclass(frozen=True)
class Size:
    """How much there is.

    Attributes:
        jobs: about so many, as listed under all attempts.
        days: how long the history is; it ends with the day before today.
        days_with_steps: of the last so many days steps are known; they are six times as many as
            jobs.
    """

    jobs: int
    workflows: int = 2_000
    repositories: int = 500
    days: int = 730
    days_with_steps: int = 29

    @property
    def runs(self) -> int:
        """Jobs by what a run has of them, with its re-runs."""
        return round(self.jobs / 2.81)


# Of each workflow and job, by hashes: a workflow has one to eight jobs, on one of seven sets of
# labels. The first workflows are the busiest, half of the runs are of a twelfth of them. Of twelve
# runs one is re-run after its first job failed, the others copy their jobs; eight in ten succeed.
# Durations are spread over two orders of magnitude, waits over three.
_FACTS: tuple[LiteralString, ...] = (
    "select setseed(0.5)",
    """
    insert into app.repositories (
        repository_id, full_name, visibility, visibility_seen_at, observed_until,
        newest_observation_at, backfilled_from
    )
    select
        number, 'acme/repository-' || number, 'private', now(), now(), now(),
        now() - interval '10 years'
    from generate_series(1, %(repositories)s::integer) as number
    """,
    """
    insert into marts.repositories (repository_id, full_name, default_branch, html_url)
    select repository_id, full_name, 'main', 'https://github.com/' || full_name
    from app.repositories
    """,
    """
    insert into marts.workflows (
        workflow_id, repository_id, name, path, state, html_url, is_stub
    )
    select
        number, 1 + number %% %(repositories)s, 'Workflow ' || number,
        '.github/workflows/' || number || '.yml', 'active',
        'https://github.com/acme/repository/actions/workflows/' || number || '.yml', false
    from generate_series(1, %(workflows)s::integer) as number
    """,
    """
    create temporary table label_sets as
    select
        labels, runner_class, usd_per_minute,
        md5(array(select label from unnest(labels) as label order by label)::text)::uuid
            as labels_key,
        row_number() over () - 1 as place
    from (
        values
        (array['ubuntu-latest'], 'linux', 0.006), (array['ubuntu-latest'], 'linux', 0.006),
        (array['ubuntu-24.04'], 'linux', 0.006), (array['windows-latest'], 'windows', 0.010),
        (array['macos-latest'], 'macos', 0.062), (array['gpu', 'self-hosted'], 'self_hosted', 0),
        (array['arm64', 'linux', 'self-hosted'], 'self_hosted', 0),
        (array['scale-set'], 'unknown', null)
    ) as sets (labels, runner_class, usd_per_minute)
    """,
    """
    create temporary table history as
    select
        run_id, workflow_id, 1 + workflow_id %% %(repositories)s as repository_id, created_at,
        case when run_id %% 12 = 0 then 2 else 1 end as run_attempt,
        (array[
            'success', 'success', 'success', 'success', 'success', 'success', 'success',
            'success', 'failure', 'cancelled'
        ])[1 + floor(10 * random())::int] as conclusion,
        (array['push', 'pull_request', 'pull_request', 'schedule'])[1 + run_id %% 4] as event,
        case when run_id %% 4 in (0, 3) then 'main' else 'topic-' || run_id / 20 end
            as head_branch,
        md5((run_id / 2)::text) || '00000000' as head_sha,
        case when run_id = %(runs)s then 256 else 1 + workflow_id %% 8 %% 5 end as job_count
    from (
        select
            number as run_id,
            (1 + floor(%(workflows)s * power(random(), 3.5)))::bigint as workflow_id,
            date_trunc('day', now() at time zone 'UTC') at time zone 'UTC'
            - interval '1 day' * (%(days)s::float8 * (%(runs)s - number + 1) / %(runs)s)
            as created_at
        from generate_series(1, %(runs)s::bigint) as number
    ) as runs
    """,
    """
    insert into marts.jobs (
        job_id, run_id, run_attempt, repository_id, workflow_id, day, run_created_at, name,
        job_name_key, labels, labels_key, runner_class, runner_id, runner_name, steps_left_out,
        status, conclusion, created_at, started_at, completed_at, is_executed, is_carried_over,
        was_gated, queue_seconds, is_impossible_queue, duration_seconds, is_impossible_duration,
        billable_minutes, self_hosted_minutes, unknown_minutes, waste_cause, wasted_minutes,
        estimated_cost_usd, list_price_usd, cost_day, failed_step_number, failed_step_name,
        head_branch, html_url
    )
    select
        job_id, run_id, run_attempt, repository_id, workflow_id,
        (run_created_at at time zone 'UTC')::date, run_created_at, name, md5(name)::uuid, labels,
        labels_key, runner_class, 1 + runner_number,
        case when runner_class = 'self_hosted' then 'box-' || runner_number %% 40
            else 'GitHub Actions ' || runner_number
        end,
        0, 'completed', conclusion, created_at, started_at, completed_at, is_executed,
        not is_executed, false, case when is_executed then queue_seconds end, false,
        case when is_executed then duration_seconds end, false,
        case when is_executed then minutes * (runner_class not in ('self_hosted', 'unknown'))::int
        end,
        case when is_executed then minutes * (runner_class = 'self_hosted')::int end,
        case when is_executed then minutes * (runner_class = 'unknown')::int end,
        waste_cause,
        case when is_executed then
            case when waste_cause is null or runner_class = 'unknown' then 0 else minutes end
        end,
        case when is_executed then minutes * usd_per_minute end,
        case when is_executed then minutes * usd_per_minute end,
        (started_at at time zone 'UTC')::date,
        case when conclusion = 'failure' then 4 end,
        case when conclusion = 'failure' then 'Run the tests' end,
        head_branch,
        'https://github.com/acme/repository/actions/runs/' || run_id || '/job/' || job_id
    from (
        select
            *, ceil(duration_seconds / 60.0)::bigint as minutes,
            started_at + duration_seconds * interval '1 second' as completed_at,
            case
                when not is_executed then null
                when conclusion = 'failure' and run_attempt = 1 and attempt_count = 2 then 'rerun'
                when conclusion = 'cancelled' then 'cancelled'
            end as waste_cause
        from (
            select
                sampled.*, created_at + queue_seconds * interval '1 second' as started_at,
                label_sets.*
            from (
                select
                    history.run_id * 1024 + (attempt - 1) * 512 + number as job_id,
                    history.run_id, attempt as run_attempt, history.run_attempt as attempt_count,
                    history.repository_id, history.workflow_id, history.head_branch,
                    history.created_at as run_created_at,
                    'job ' || number as name,
                    history.created_at + (attempt - 1) * interval '1 hour'
                    + interval '2 seconds' as created_at,
                    attempt = 1 or number = 1 as is_executed,
                    floor(1 + 600 * power(random(), 8))::bigint as queue_seconds,
                    floor(exp(3 + 4 * random()))::bigint as duration_seconds,
                    floor(5000 * random())::bigint as runner_number,
                    case
                        when number > 1 then 'success'
                        when attempt < history.run_attempt then 'failure'
                        else history.conclusion
                    end as conclusion,
                    (history.workflow_id * 7 + number * 3) %% 8 as label_set
                from history
                cross join generate_series(1, history.run_attempt) as attempt
                cross join generate_series(1, history.job_count) as number
            ) as sampled
            inner join label_sets on sampled.label_set = label_sets.place
        ) as waiting
    ) as jobs
    """,
    """
    create temporary table attempts as
    select
        run_id, run_attempt, count(*) as jobs_listed,
        count(*) filter (where is_executed) as jobs_executed,
        min(started_at) filter (where is_executed) as first_started_at,
        max(completed_at) filter (where is_executed) as ended_at,
        sum(duration_seconds)::bigint as busy_seconds
    from marts.jobs
    group by run_id, run_attempt
    """,
    """
    insert into marts.workflow_run_attempts (
        run_id, run_attempt, repository_id, workflow_id, run_number, name, display_title, event,
        status, conclusion, is_completed, is_decisive, head_branch, head_sha, actor_login,
        created_at, run_created_at, run_started_at, updated_at, ended_at, duration_seconds,
        api_duration_seconds, queue_seconds, busy_seconds, health_group, jobs_listed,
        jobs_executed, was_approved, html_url, was_seen_by_webhook, was_seen_by_poll,
        was_corrected, webhook_only_job_count, poll_only_job_count, both_job_count,
        corrected_job_count
    )
    select
        run_id, attempts.run_attempt, repository_id, workflow_id, run_id,
        'Workflow ' || workflow_id,
        'What the commit ' || run_id || ' says in its first line, and not much more',
        event, 'completed', of_attempt.conclusion, true, of_attempt.conclusion <> 'cancelled',
        head_branch, head_sha, 'person-' || run_id %% 50, of_attempt.started_at, created_at,
        of_attempt.started_at, ended_at, ended_at,
        extract(epoch from ended_at - of_attempt.started_at)::bigint,
        extract(epoch from ended_at - of_attempt.started_at)::bigint,
        extract(epoch from first_started_at - of_attempt.started_at)::bigint, busy_seconds,
        case when head_branch = 'main' and event <> 'pull_request' then 'default_branch' end,
        jobs_listed, jobs_executed, false,
        'https://github.com/acme/repository/actions/runs/' || run_id,
        true, true, false, 0, 0, jobs_listed, 0
    from history
    inner join attempts using (run_id)
    cross join lateral (
        select
            created_at + (attempts.run_attempt - 1) * interval '1 hour' as started_at,
            case
                when attempts.run_attempt < history.run_attempt then 'failure'
                else history.conclusion
            end as conclusion
    ) as of_attempt
    """,
    """
    insert into marts.workflow_runs (
        run_id, run_attempt, repository_id, workflow_id, run_number, name, display_title, event,
        status, conclusion, is_completed, is_decisive, head_branch, head_sha, head_repository_id,
        pull_request_numbers, actor_login, day, created_at, run_started_at, updated_at, ended_at,
        duration_seconds, api_duration_seconds, queue_seconds, time_to_signal_seconds,
        first_attempt_conclusion, is_flaky, busy_seconds, health_group, ambiguous_name_count,
        jobs_listed, jobs_executed, was_approved, html_url
    )
    select
        newest.run_id, newest.run_attempt, newest.repository_id, newest.workflow_id,
        newest.run_number, newest.name, newest.display_title, newest.event, newest.status,
        newest.conclusion, true, newest.is_decisive, newest.head_branch, newest.head_sha,
        newest.repository_id,
        case when newest.event = 'pull_request' then array[newest.run_id / 20] end,
        newest.actor_login, (newest.run_created_at at time zone 'UTC')::date,
        newest.run_created_at, newest.run_started_at, newest.updated_at, newest.ended_at,
        newest.duration_seconds, newest.api_duration_seconds, newest.queue_seconds,
        extract(epoch from first.ended_at - newest.run_created_at)::bigint, first.conclusion,
        newest.run_attempt = 2 and newest.conclusion = 'success', newest.busy_seconds,
        newest.health_group, 0, totals.jobs_listed, totals.jobs_executed, false, newest.html_url
    from history
    inner join marts.workflow_run_attempts as newest using (run_id, run_attempt)
    inner join marts.workflow_run_attempts as first
        on history.run_id = first.run_id and first.run_attempt = 1
    inner join (
        select
            run_id, sum(jobs_listed)::bigint as jobs_listed,
            sum(jobs_executed)::bigint as jobs_executed
        from attempts
        group by run_id
    ) as totals on history.run_id = totals.run_id
    """,
    """
    insert into marts.steps (
        job_id, step_number, repository_id, name, status, conclusion, started_at, completed_at,
        duration_seconds
    )
    select
        job_id, number, repository_id,
        (array['Set up job', 'Check out', 'Install', 'Run the tests', 'Report', 'Complete job'])
            [number],
        'completed', case when number = failed_step_number then 'failure' else 'success' end,
        started_at, completed_at, duration_seconds / 6
    from marts.jobs
    cross join generate_series(1, 6) as number
    where is_executed and run_created_at > now() - %(days_with_steps)s * interval '1 day'
    """,
    """
    insert into marts.flaky_job_occurrences (
        run_id, job_name_key, job_name, repository_id, workflow_id, day, event, head_branch,
        head_sha, failed_attempt, failed_job_id, failed_conclusion, failed_at, failed_step_number,
        failed_step_name, failed_runner_name, passed_attempt, passed_job_id, passed_at,
        passed_runner_name, lost_seconds, flaky_wasted_minutes, flaky_cost_usd, is_lower_bound
    )
    select
        runs.run_id, failed.job_name_key, failed.name, runs.repository_id, runs.workflow_id,
        runs.day, runs.event, runs.head_branch, runs.head_sha, 1, failed.job_id, 'failure',
        failed.completed_at, failed.failed_step_number, failed.failed_step_name,
        failed.runner_name, 2, passed.job_id, passed.completed_at, passed.runner_name,
        greatest(0, extract(epoch from passed.completed_at - failed.completed_at))::bigint,
        failed.wasted_minutes, failed.estimated_cost_usd, failed.estimated_cost_usd is null
    from marts.workflow_runs as runs
    inner join marts.jobs as failed on failed.job_id = runs.run_id * 1024 + 1
    inner join marts.jobs as passed on passed.job_id = runs.run_id * 1024 + 513
    where runs.is_flaky
    """,
    """
    insert into marts.job_statistics_by_day (
        repository_id, workflow_id, day, job_name_key, job_name, executed_run_count,
        completed_count, success_count, failure_count, timed_out_count, startup_failure_count,
        cancelled_count, skipped_count, action_required_count, neutral_count, stale_count,
        other_conclusion_count, ambiguous_run_count, occurrence_count, finished_last_count,
        exclusive_seconds, saved_if_gone_seconds, jobs_listed, jobs_executed, jobs_carried_over,
        impossible_queue_count, impossible_duration_count, billable_minutes, self_hosted_minutes,
        unknown_minutes, estimated_cost_usd, list_price_usd, unpriced_job_count, is_lower_bound
    )
    select
        repository_id, workflow_id, day, job_name_key, min(name),
        count(distinct run_id) filter (where is_executed),
        count(*) filter (where is_executed),
        count(*) filter (where is_executed and conclusion = 'success'),
        count(*) filter (where is_executed and conclusion = 'failure'),
        0, 0, count(*) filter (where is_executed and conclusion = 'cancelled'), 0, 0, 0, 0, 0, 0,
        0, count(*) filter (where is_executed), sum(duration_seconds)::bigint, 0, count(*),
        count(*) filter (where is_executed), count(*) filter (where is_carried_over), 0, 0,
        sum(billable_minutes)::bigint, sum(self_hosted_minutes)::bigint,
        sum(unknown_minutes)::bigint, sum(estimated_cost_usd), sum(list_price_usd),
        count(*) filter (where billable_minutes is not null and estimated_cost_usd is null),
        bool_or(billable_minutes is not null and estimated_cost_usd is null)
    from marts.jobs
    group by repository_id, workflow_id, day, job_name_key
    """,
    """
    insert into marts.cost_by_day (
        repository_id, workflow_id, runner_class, day, job_count, billable_minutes,
        self_hosted_minutes, unknown_minutes, estimated_cost_usd, list_price_usd,
        unpriced_job_count, is_lower_bound
    )
    select
        repository_id, workflow_id, runner_class, cost_day, count(*),
        sum(billable_minutes)::bigint, sum(self_hosted_minutes)::bigint,
        sum(unknown_minutes)::bigint, sum(estimated_cost_usd), sum(list_price_usd),
        count(*) filter (where estimated_cost_usd is null), bool_or(estimated_cost_usd is null)
    from marts.jobs
    where is_executed
    group by repository_id, workflow_id, runner_class, cost_day
    """,
    """
    insert into marts.runner_statistics_by_hour (
        repository_id, labels_key, hour, labels, job_count, jobs_executed, queue_count,
        queue_seconds, longest_queue_seconds, queue_within_60_count, impossible_queue_count,
        busy_seconds, peak_jobs, peak_queued, open_job_count
    )
    select
        repository_id, labels_key, date_trunc('hour', created_at), min(labels), count(*),
        count(*), count(*), sum(queue_seconds)::bigint, max(queue_seconds),
        count(*) filter (where queue_seconds <= 60), 0, sum(duration_seconds)::bigint, count(*),
        count(*), 0
    from marts.jobs
    where is_executed
    group by repository_id, labels_key, date_trunc('hour', created_at)
    """,
    """
    insert into marts.branch_health_intervals (
        repository_id, workflow_id, health_group, first_failed_run_id, first_failed_run_attempt,
        first_failed_sha, started_at, ended_at, recovered_run_id, recovered_run_attempt,
        recovered_sha, duration_seconds, failed_attempt_count, is_start_known
    )
    select
        repository_id, workflow_id, health_group, run_id, run_attempt, head_sha, ended_at,
        next_at, next_run_id, next_attempt, next_sha,
        extract(epoch from next_at - ended_at)::bigint, 1, previous_conclusion is not null
    from (
        select
            *,
            lag(conclusion) over branch as previous_conclusion,
            lead(conclusion) over branch as next_conclusion,
            lead(ended_at) over branch as next_at,
            lead(run_id) over branch as next_run_id,
            lead(run_attempt) over branch as next_attempt,
            lead(head_sha) over branch as next_sha
        from marts.workflow_run_attempts
        where health_group is not null and is_decisive
        window branch as (
            partition by repository_id, workflow_id, health_group
            order by run_created_at, run_id, run_attempt
        )
    ) as attempts
    where conclusion = 'failure' and previous_conclusion is distinct from 'failure'
        and next_conclusion = 'success' and next_at > ended_at
    """,
    """
    insert into marts.level_changes (
        workflow_id, repository_id, job_name_key, health_group, first_run_id, first_sha,
        changed_at, median_before_seconds, median_after_seconds, run_count_before,
        run_count_after, still_holds
    )
    select
        workflow_id, repository_id, md5('')::uuid, health_group, run_id, head_sha, created_at,
        100, 200, 50, 50, true
    from (
        select
            *,
            row_number() over (
                partition by repository_id, workflow_id order by created_at desc
            ) as place
        from marts.workflow_runs
        where health_group is not null and workflow_id %% 7 = 0
    ) as runs
    where place = 20
    """,
    """
    insert into marts.data_versions (repository_id, version, changed_at)
    select repository_id, 1, now() from app.repositories
    """,
)


def fill(connection: Connection[Any], size: Size) -> None:
    """Write the history into marts that a build made, which hold nothing; the connection commits by
    itself, and is of the database's owner."""
    numbers = {
        "runs": size.runs,
        "workflows": size.workflows,
        "repositories": size.repositories,
        "days": size.days,
        "days_with_steps": size.days_with_steps,
    }
    kept = _kept(connection)
    for drop, _ in reversed(kept):
        connection.execute(drop)
    for statement in (*_FACTS, *_days()):
        connection.execute(statement, numbers if _has_numbers(statement) else None)
    for _, make in kept:
        connection.execute(make)
    for [table] in connection.execute("select relid::regclass::text from pg_stat_user_tables"):
        connection.execute(sql.SQL("vacuum analyze {}").format(sql.SQL(table)))


def _has_numbers(statement: LiteralString | sql.Composed) -> bool:
    return isinstance(statement, str) and "%" in statement


def _kept(connection: Connection[Any]) -> Sequence[tuple[sql.Composed, sql.Composed]]:
    """How indexes and keys of the marts are dropped and made: rows come faster without them."""
    indexes = connection.execute(
        """
        select indexes.schemaname, indexes.indexname, indexes.indexdef
        from pg_indexes as indexes
        where indexes.schemaname = 'marts' and not exists (
            select from pg_constraint where conname = indexes.indexname and contype in ('p', 'u')
        )
        """
    ).fetchall()
    constraints = connection.execute(
        """
        select relname, conname, pg_get_constraintdef(constraints.oid)
        from pg_constraint as constraints
        inner join pg_class on pg_class.oid = constraints.conrelid
        where connamespace = 'marts'::regnamespace and contype in ('p', 'f')
        order by contype desc
        """
    ).fetchall()
    kept = [
        (
            sql.SQL("alter table {} drop constraint {}").format(
                sql.Identifier("marts", table), sql.Identifier(name)
            ),
            sql.SQL("alter table {} add constraint {} {}").format(
                sql.Identifier("marts", table), sql.Identifier(name), sql.SQL(definition)
            ),
        )
        for table, name, definition in constraints
    ]
    return kept + [
        (
            sql.SQL("drop index {}").format(sql.Identifier(schema, name)),
            sql.SQL("{}").format(sql.SQL(definition)),
        )
        for schema, name, definition in indexes
    ]


def _days() -> Iterator[sql.Composed]:
    """The days of workflows, by the formulas of statistics, and those of repositories."""
    metrics = [each for each in METRICS if isinstance(each, Metric) and each.is_by_day]
    for source, table in (("runs", "workflow_runs"), ("jobs", "jobs")):
        chosen = [metric for metric in metrics if metric.source == source]
        yield sql.SQL(
            "create temporary table {} as select repository_id, workflow_id, day, {} "
            "from {} as {} group by 1, 2, 3"
        ).format(
            sql.Identifier(f"days_of_{source}"),
            sql.SQL(", ").join(
                sql.SQL("{} as {}").format(sql.SQL(metric.formula), sql.Identifier(metric.name))
                for metric in chosen
            ),
            sql.Identifier("marts", table),
            sql.Identifier(source),
        )
    names = sql.SQL(", ").join(sql.Identifier(metric.name) for metric in metrics)
    yield sql.SQL(
        "insert into marts.workflow_statistics_by_day "
        "(repository_id, workflow_id, day, {names}, is_lower_bound, flaky_commit_count, "
        "flaky_commit_latest_count) "
        "select repository_id, workflow_id, day, {names}, unpriced_job_count > 0, 0, 0 "
        "from days_of_runs inner join days_of_jobs using (repository_id, workflow_id, day)"
    ).format(names=names)
    yield sql.SQL(
        "insert into marts.repository_statistics_by_day "
        "(repository_id, day, {names}, is_lower_bound, flaky_commit_count, "
        "flaky_commit_latest_count) "
        "select repository_id, day, {sums}, bool_or(is_lower_bound), 0, 0 "
        "from marts.workflow_statistics_by_day group by 1, 2"
    ).format(
        names=names,
        sums=sql.SQL(", ").join(
            sql.SQL("sum({})").format(sql.Identifier(metric.name)) for metric in metrics
        ),
    )
