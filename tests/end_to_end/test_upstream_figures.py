"""From GitHub's API to the marts: the upstream's own published figures, day by day."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Installation

pytestmark = pytest.mark.end_to_end

EXPECTED = Path(__file__).parents[1] / "data/bitcoin-core-ci/expected_daily_stats.share.json"

# The upstream counts every listed job, as GitHub gave its times, and takes as its percentile the
# value at index floor((n - 1) * p) of the sorted values.
FIGURES = """
with
jobs as (
    select
        jobs.run_id,
        jobs.conclusion,
        jobs.day,
        extract(epoch from jobs.started_at - runs.created_at)::int as queue,
        extract(epoch from jobs.completed_at - jobs.started_at)::int as execution
    from marts.jobs
    inner join marts.workflow_runs as runs using (run_id)
)

select
    day::text as period,
    count(distinct run_id) as runs,
    count(*) as tasks,
    count(*) filter (where conclusion = 'success') as completed,
    count(*) filter (where conclusion = 'failure') as failed,
    count(*) filter (where conclusion not in ('success', 'failure')) as aborted,
    (array_agg(queue order by queue))[floor((count(*) - 1) * 0.5) + 1] as "medianQueueDuration",
    (array_agg(queue order by queue))[floor((count(*) - 1) * 0.9) + 1] as "p90QueueDuration",
    (array_agg(queue order by queue))[floor((count(*) - 1) * 0.99) + 1] as "p99QueueDuration",
    (array_agg(execution order by execution))[floor((count(*) - 1) * 0.5) + 1]
        as "medianExecutionDuration",
    (array_agg(execution order by execution))[floor((count(*) - 1) * 0.9) + 1]
        as "p90ExecutionDuration",
    (array_agg(execution order by execution))[floor((count(*) - 1) * 0.99) + 1]
        as "p99ExecutionDuration"
from jobs
group by day
order by day
"""


def expected() -> list[dict[str, Any]]:
    wasted = "wastedRunnerDuration"  # the upstream's notion of waste is not ours
    return [
        {name: value for name, value in day.items() if name != wasted}
        for day in json.loads(EXPECTED.read_text())
    ]


def test_every_published_figure_of_the_17_days_comes_out_of_the_marts(
    synced: Installation,
) -> None:
    days = expected()
    assert len(days) == 17
    names = list(days[0])
    computed = {row[0]: dict(zip(names, row, strict=True)) for row in synced.rows(FIGURES)}
    assert [computed[day["period"]] for day in days] == days


def test_the_day_table_counts_the_same_runs_and_jobs(synced: Installation) -> None:
    counted = synced.rows(
        "select day::text, run_count, jobs_listed from marts.workflow_statistics_by_day order by 1"
    )
    by_day = {day: (runs, jobs) for day, runs, jobs in counted}
    days = expected()
    assert [by_day[d["period"]] for d in days] == [(d["runs"], d["tasks"]) for d in days]
