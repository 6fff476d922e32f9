"""The recording, as served, gives the upstream's own figures for each of its 17 days."""

import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from github_standin.histories import recording
from github_standin.server.server import Server
from github_standin.world.world import World
from tests.github_standin.client import rows

pytestmark = pytest.mark.unit

EXPECTED = (
    Path(__file__).parents[2] / "data" / "bitcoin-core-ci" / "expected_daily_stats.share.json"
)


def test_the_served_recording_equals_the_upstreams_statistics_day_by_day() -> None:
    world = World()
    recording.load(world, "bitcoin-core-ci")
    server = Server(world)
    jobs_by_day: dict[str, list[Any]] = defaultdict(list)
    created = {}
    for run in rows(server, "/repos/bitcoin/bitcoin/actions/runs?per_page=100", "workflow_runs"):
        created[run["id"]] = datetime.fromisoformat(run["created_at"])
        url = f"/repos/bitcoin/bitcoin/actions/runs/{run['id']}/attempts/1/jobs?per_page=100"
        jobs_by_day[run["created_at"][:10]] += rows(server, url, "jobs")

    wasted = "wastedRunnerDuration"  # the upstream's notion of waste is not ours
    expected = [
        {name: value for name, value in day.items() if name != wasted}
        for day in json.loads(EXPECTED.read_text())
    ]
    assert len(expected) == 17
    assert sum(len(jobs) for jobs in jobs_by_day.values()) == 6_083
    assert [_figures(day["period"], jobs_by_day[day["period"]], created) for day in expected] == (
        expected
    )


def _figures(day: str, jobs: list[Any], created: dict[int, datetime]) -> dict[str, Any]:
    queue, execution = [], []
    for job in jobs:
        started_at = datetime.fromisoformat(job["started_at"])
        queue.append(int((started_at - created[job["run_id"]]).total_seconds()))
        ended_at = datetime.fromisoformat(job["completed_at"])
        execution.append(int((ended_at - started_at).total_seconds()))
    conclusions = [job["conclusion"] for job in jobs]
    return {
        "period": day,
        "runs": len({job["run_id"] for job in jobs}),
        "tasks": len(jobs),
        "completed": conclusions.count("success"),
        "failed": conclusions.count("failure"),
        "aborted": conclusions.count("cancelled"),
        "medianQueueDuration": _percentile(queue, 0.5),
        "p90QueueDuration": _percentile(queue, 0.9),
        "p99QueueDuration": _percentile(queue, 0.99),
        "medianExecutionDuration": _percentile(execution, 0.5),
        "p90ExecutionDuration": _percentile(execution, 0.9),
        "p99ExecutionDuration": _percentile(execution, 0.99),
    }


def _percentile(values: list[int], p: float) -> int:
    return sorted(values)[int((len(values) - 1) * p)]
