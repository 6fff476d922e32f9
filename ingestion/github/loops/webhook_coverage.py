"""Attempts whose jobs are known so well that GitHub need not list them.

No event says how many jobs an attempt has. It is covered when webhooks told each job's whole
course, and their names are those of the newest run of that workflow that GitHub listed, while none
of those before had the same and more: then one of which nothing was told could be missing. A
workflow that could not start has no jobs, if the newest of its repository that were listed had
none. A sample of both is listed all the same.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any
from zlib import crc32

from psycopg import Connection

from ingestion.github.state.open_job_listings import OpenAttempt
from ingestion.github.state.runs import Attempt

# One in so many is listed although it was covered.
SAMPLE = 20
# By so many runs of a workflow, or startup failures, that were listed is judged, however many there
# are.
_NEWEST = 20


def is_sampled(run_id: int) -> bool:
    """Whether a run is among those whose covered jobs are counted against GitHub's listing."""
    return crc32(str(run_id).encode()) % SAMPLE == 0


class JobsFromWebhooks:
    """What webhooks told of the jobs of first attempts; remembers what it is compared with."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._listed_names: dict[tuple[int, int], list[Counter[str]]] = {}

    def counts(self, attempts: Collection[Attempt]) -> dict[Attempt, int]:
        """How many jobs there are, of those attempts of which that is known.

        What webhooks told of later attempts is not enough: no event tells of the jobs that they
        carry over.
        """
        first = [run_id for run_id, number in attempts if number == 1]
        names: dict[int, Counter[str]] = {}
        workflows: dict[int, tuple[int, int]] = {}
        for run_id, repository_id, workflow_id, name in self._whole_course(first) if first else ():
            workflows[run_id] = (repository_id, workflow_id)
            names.setdefault(run_id, Counter())[name] += 1
        counts = {
            (run_id, 1): counted.total()
            for run_id, counted in names.items()
            if self._are_all(counted, *workflows[run_id])
        }
        return counts | dict.fromkeys(self._never_started(attempts), 0)

    def under_way(self, attempts: Collection[OpenAttempt], since: datetime) -> set[Attempt]:
        """Those open first attempts of which all jobs are known as they are now, and of which
        something was told since then."""
        workflows = {
            each.run_id: (each.repository_id, each.workflow_id)
            for each in attempts
            if each.run_attempt == 1
        }
        names: dict[int, Counter[str]] = {}
        for run_id, name in self._course_so_far(workflows.keys(), since) if workflows else ():
            names.setdefault(run_id, Counter())[name] += 1
        return {
            (run_id, 1)
            for run_id, counted in names.items()
            if self._are_all(counted, *workflows[run_id])
        }

    def _course_so_far(self, run_ids: Collection[int], since: datetime) -> list[tuple[int, str]]:
        """Run and job's name, of the runs of which every told job's course is whole so far."""
        return self._connection.execute(
            """
            with jobs as (
                select
                    observed.run_id,
                    max(observed.name) as name,
                    max(observed.received_at) as received_at,
                    bool_or(observed.status = 'completed') as is_completed,
                    bool_or(observed.status = 'in_progress') as has_begun,
                    bool_or(observed.status in ('queued', 'waiting')) as was_queued,
                    bool_or(observed.runner_id > 0 or observed.runner_name <> '') as has_runner
                from raw.webhook_jobs as observed
                where observed.run_id = any(%s) and coalesce(observed.run_attempt, 1) = 1
                group by observed.run_id, observed.job_id
            )

            select jobs.run_id, jobs.name
            from jobs
            where not exists (
                select from jobs as other
                where other.run_id = jobs.run_id
                    and (
                        other.name is null
                        or (other.has_begun and not other.was_queued)
                        or (other.is_completed and other.has_runner is true and not other.has_begun)
                    )
            )
            and exists (
                select from jobs as newest
                where newest.run_id = jobs.run_id and newest.received_at >= %s
            )
            """,
            [list(run_ids), since],
        ).fetchall()

    def _never_started(self, attempts: Collection[Attempt]) -> list[Attempt]:
        """Startup failures of repositories of which some were listed, none of them with jobs."""
        rows = self._connection.execute(
            """
            with wanted as (
                select failed.run_id, failed.run_attempt, failed.repository_id
                from unnest(%s::bigint[], %s::bigint[]) as asked (run_id, run_attempt)
                inner join raw.workflow_runs as failed using (run_id, run_attempt)
                where failed.conclusion = 'startup_failure'
            ),

            listed as (
                select repositories.repository_id, sum(newest.row_count) as job_count
                from (select distinct repository_id from wanted) as repositories
                cross join lateral (
                    select listing.row_count
                    from raw.workflow_runs as failed
                    inner join raw.job_listings as listing using (run_id, run_attempt)
                    where failed.repository_id = repositories.repository_id
                        and failed.conclusion = 'startup_failure'
                        and not listing.is_told
                    order by failed.run_id desc
                    limit %s
                ) as newest
                group by repositories.repository_id
            )

            select wanted.run_id, wanted.run_attempt
            from wanted
            inner join listed using (repository_id)
            where listed.job_count = 0
            """,
            [[run_id for run_id, _ in attempts], [number for _, number in attempts], _NEWEST],
        ).fetchall()
        return [(run_id, number) for run_id, number in rows]

    def _whole_course(self, run_ids: Collection[int]) -> list[tuple[int, int, int, str]]:
        """Run, repository, workflow and job's name, of the runs of which every told job's course is
        whole."""
        return self._connection.execute(
            """
            with jobs as (
                select
                    observed.run_id,
                    observed.job_id,
                    max(observed.name) as name,
                    bool_or(observed.status = 'completed') as is_completed,
                    bool_or(observed.runner_id > 0 or observed.runner_name <> '') as has_runner,
                    bool_or(observed.status = 'queued') and bool_or(observed.status = 'in_progress')
                        as is_whole
                from raw.webhook_jobs as observed
                where observed.run_id = any(%(runs)s) and coalesce(observed.run_attempt, 1) = 1
                group by observed.run_id, observed.job_id
            ),

            runs as (
                select
                    run_id, max(repository_id) as repository_id, max(workflow_id) as workflow_id
                from raw.webhook_runs
                where run_id = any(%(runs)s) and run_attempt = 1
                group by run_id
                having bool_or(status = 'completed')
            )

            select runs.run_id, runs.repository_id, runs.workflow_id, jobs.name
            from runs
            inner join jobs using (run_id)
            where not exists (
                select from jobs as other
                where other.run_id = runs.run_id
                    and (
                        not other.is_completed
                        or (other.has_runner is true and not other.is_whole)
                        or other.name is null
                    )
            )
            """,
            {"runs": list(run_ids)},
        ).fetchall()

    def _are_all(self, names: Counter[str], repository_id: int, workflow_id: int) -> bool:
        """Whether a run with jobs of these names has no others, by those that GitHub listed."""
        listed = self._listed(repository_id, workflow_id)
        return listed[:1] == [names] and not any(names < others for others in listed)

    def _listed(self, repository_id: int, workflow_id: int) -> list[Counter[str]]:
        """The names of the jobs of a workflow's newest first attempts that GitHub listed, newest
        first."""
        key = (repository_id, workflow_id)
        if key not in self._listed_names:
            rows = self._connection.execute(
                """
                select array_agg(jobs.name) as names
                from (
                    select runs.run_id
                    from raw.workflow_runs as runs
                    inner join raw.job_listings as listing using (run_id, run_attempt)
                    where runs.repository_id = %s and runs.workflow_id = %s
                        and runs.run_attempt = 1 and not listing.is_told
                    order by runs.run_id desc
                    limit %s
                ) as newest
                left join raw.workflow_jobs as jobs
                    on jobs.run_id = newest.run_id and jobs.run_attempt = 1
                        and jobs.gone_at is null
                group by newest.run_id
                order by newest.run_id desc
                """,
                [*key, _NEWEST],
            ).fetchall()
            self._listed_names[key] = [Counter(names) for (names,) in rows]
        return self._listed_names[key]
