"""A history that ends now: a workflow that is red and got slower, a flaky job, a failed run; and a
private repository that few may see."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.marts import Marts

WIDGETS, VAULT, SPARE = 1, 2, 3
BUILD, DOCS, SECRET = 11, 12, 21
MINE, HIDDEN = 900, 700
DAYS = 27
SLOWER_FROM, RED_FROM = 18, 25


def seed(marts: Marts) -> None:
    """Fill empty marts; the API's own tests hold what it makes of them."""
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

    def day(number: int, hour: int = 0) -> str:
        return f"{now - timedelta(days=DAYS - number) + timedelta(hours=hour):%Y-%m-%d %H:%M}"

    observed = {"observed_until": datetime.now(UTC), "newest_observation_at": datetime.now(UTC)}
    marts.repository(WIDGETS, "acme/widgets", visibility="public", **observed)
    marts.repository(VAULT, "acme/vault", visibility="private", **observed)
    marts.workflow(BUILD, WIDGETS, "Build")
    marts.workflow(DOCS, WIDGETS, "Docs")
    marts.workflow(SECRET, VAULT, "Secret build")
    _run(marts, HIDDEN, SECRET, day(20), 60, display_title="Hidden change")
    _job(marts, 7001, HIDDEN, "hidden job", day(20), 60, "success")
    for number in range(DAYS):
        is_red = number >= RED_FROM
        seconds = 900 if number >= SLOWER_FROM else 600
        _run(
            marts,
            100 + number,
            BUILD,
            day(number, 1),
            seconds,
            attempts=["failure" if is_red else "success"],
            health_group="default_branch",
            display_title=f"Change {number}",
            run_number=number + 1,
        )
        job = "failure" if is_red else "success"
        _job(marts, 1000 + number, 100 + number, "test (linux)", day(number, 1), seconds, job)
    marts.level_change(BUILD, 100 + SLOWER_FROM, day(SLOWER_FROM, 1), (600.0, 900.0))
    marts.red_interval(BUILD, (100 + RED_FROM, 1), day(RED_FROM, 1))
    _run(marts, 300, DOCS, day(20), 60, health_group="default_branch", display_title="Words")
    _run(
        marts,
        500,
        BUILD,
        day(21),
        1200,
        attempts=["failure", "success"],
        head_branch="other",
        display_title="Flaked here",
        run_number=80,
    )
    _job(marts, 5001, 500, "flaky", day(21), 60, "failure")
    _job(marts, 5002, 500, "flaky", day(21, 1), 60, "success")
    marts.flaky_job(5001, 5002, flaky_wasted_minutes=1)
    _run(
        marts,
        MINE,
        BUILD,
        day(DAYS - 1, 2),
        780,
        attempts=["failure"],
        head_branch="mine",
        display_title="Mine is red",
        run_number=90,
    )
    for number, (name, conclusion) in enumerate(
        [("test (linux)", "failure"), ("flaky", "failure"), ("new", "failure"), ("lint", "success")]
    ):
        job_id = 9000 + number
        _job(marts, job_id, MINE, name, day(DAYS - 1, 2), 300 + number, conclusion)
        marts.step(job_id, 1, "Set up job", duration_seconds=10)
        marts.step(job_id, 3, "pytest", conclusion=conclusion, duration_seconds=280)
    for hour in range(24):
        marts.runner_hour(
            WIDGETS,
            ["ubuntu-latest"],
            day(DAYS - 1, hour),
            job_count=hour,
            longest_queue_seconds=60 * hour,
            busy_seconds=600 * hour,
            peak_jobs=hour // 4,
            peak_queued=hour // 8,
        )
    marts.add_up_days()
    marts.add_up_job_days()


def _run(marts: Marts, run_id: int, workflow_id: int, at: str, seconds: int, **values: Any) -> None:
    ended = datetime.fromisoformat(at) + timedelta(seconds=seconds)
    marts.run(
        run_id,
        workflow_id,
        at,
        ended_at=[f"{ended:%Y-%m-%d %H:%M}"] * len(values.get("attempts", [""])),
        duration_seconds=seconds,
        queue_seconds=seconds // 20,
        **values,
    )


def _job(
    marts: Marts, job_id: int, run_id: int, name: str, at: str, seconds: int, conclusion: str
) -> None:
    created = datetime.fromisoformat(at).replace(tzinfo=UTC)
    started = created + timedelta(seconds=30)
    minutes = -(-seconds // 60)
    marts.job(
        job_id,
        run_id,
        name=name,
        status="completed",
        conclusion=conclusion,
        created_at=created,
        started_at=started,
        completed_at=started + timedelta(seconds=seconds),
        duration_seconds=seconds,
        queue_seconds=30,
        runner_name="r1",
        labels=["ubuntu-latest"],
        runner_class="linux",
        billable_minutes=minutes,
        self_hosted_minutes=0,
        unknown_minutes=0,
        wasted_minutes=0,
        estimated_cost_usd=minutes * 0.006,
        list_price_usd=minutes * 0.006,
        cost_day=started.date(),
        failed_step_number=3 if conclusion == "failure" else None,
        failed_step_name="pytest" if conclusion == "failure" else None,
    )
