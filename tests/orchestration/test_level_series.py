"""Which series a workflow has, when they are looked at, and what of their levels is written."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from actionsight.database import connect
from orchestration.levels.assets import look_after_build
from orchestration.levels.series import Look, look_at_changed_repositories, look_at_new_runs

pytestmark = pytest.mark.integration

START = datetime(2026, 3, 2, tzinfo=UTC)
# Of the marts, what is read.
MARTS = (
    "create schema marts",
    """
    create table marts.workflow_runs (
        run_id bigint primary key, repository_id bigint, workflow_id bigint, created_at timestamptz,
        health_group text, conclusion text, duration_seconds bigint
    )
    """,
    """
    create table marts.jobs (
        job_id bigint primary key, run_id bigint, run_attempt bigint, repository_id bigint,
        workflow_id bigint, name text, job_name_key uuid, conclusion text, duration_seconds bigint
    )
    """,
    """
    create view marts.workflow_statistics_by_day as
    select
        repository_id, workflow_id, created_at::date as day,
        count(conclusion) as completed_count
    from marts.workflow_runs
    group by repository_id, workflow_id, day
    """,
    "create table marts.data_versions (repository_id bigint primary key, version bigint)",
)


@pytest.fixture
def built_url(database_url: str) -> str:
    with connect(database_url) as connection:
        for statement in MARTS:
            connection.execute(statement)
    return database_url


def add_runs(
    url: str,
    durations: Iterable[int | None],
    *,
    first_id: int = 1,
    workflow_id: int = 1,
    health_group: str | None = "default_branch",
    conclusion: str | None = "success",
    began: datetime = START,
) -> None:
    """Runs of repository 1, a minute apart; `first_id` is the id of the first."""
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into marts.workflow_runs values (%s, 1, %s, %s, %s, %s, %s)",
            [
                (
                    *(first_id + place, workflow_id, began + timedelta(minutes=place)),
                    *(health_group, conclusion, duration),
                )
                for place, duration in enumerate(durations)
            ],
        )
        changed(url)


def add_job(
    url: str,
    run_id: int,
    duration: int | None,
    *,
    name: str | None = "build",
    attempt: int = 1,
    conclusion: str = "success",
) -> None:
    with connect(url) as connection:
        connection.execute(
            """
            insert into marts.jobs
            select
                coalesce(max(job_id), 0) + 1, %(run)s, %(attempt)s, 1, 1, %(name)s::text,
                md5(coalesce(%(name)s, ''))::uuid, %(conclusion)s, %(duration)s
            from marts.jobs
            """,
            {
                "run": run_id,
                "attempt": attempt,
                "name": name,
                "conclusion": conclusion,
                "duration": duration,
            },
        )


def changed(url: str) -> None:
    """What a build does when rows of repository 1 have changed."""
    with connect(url) as connection:
        connection.execute(
            """
            insert into marts.data_versions as stored values (1, 1)
            on conflict (repository_id) do update set version = stored.version + 1
            """
        )


def stored(url: str) -> list[Any]:
    with connect(url) as connection:
        return connection.execute(
            """
            select job_name, health_group, first_run_ids, medians, run_counts
            from raw.duration_levels
            where first_run_ids <> '{}'
            order by repository_id, workflow_id, job_name nulls first, health_group nulls first
            """
        ).fetchall()


def loads(url: str) -> list[Any]:
    with connect(url) as connection:
        return connection.execute(
            "select load_id from raw.unbuilt_loads where load_id like 'levels-%'"
        ).fetchall()


def test_a_series_is_of_one_health_group(built_url: str) -> None:
    add_runs(built_url, [100] * 10 + [150] * 10)
    add_runs(built_url, [300] * 12 + [200] * 9, first_id=101, health_group=None)
    add_runs(built_url, [100] * 20, first_id=201, health_group="merge_queue")
    assert look_at_new_runs(built_url) == Look(1, 3, 2)
    assert stored(built_url) == [
        (None, None, [113], [300, 200], [12, 9]),
        (None, "default_branch", [11], [100, 150], [10, 10]),
    ]
    assert len(loads(built_url)) == 1


def test_what_did_not_succeed_is_in_no_series(built_url: str) -> None:
    add_runs(built_url, [100] * 10 + [200] * 7)
    add_runs(built_url, [200] * 10, first_id=101, conclusion="failure", began=START.replace(day=3))
    add_runs(built_url, [None] * 10, first_id=201, began=START.replace(day=4))
    assert look_at_new_runs(built_url) == Look(1, 1, 0)


def test_runs_come_in_order_of_creation_then_of_their_ids(built_url: str) -> None:
    # The slow ones have the smaller ids, and began later.
    add_runs(built_url, [200] * 9, first_id=1, began=START + timedelta(days=1))
    add_runs(built_url, [100] * 9, first_id=101)
    with connect(built_url) as connection:
        connection.execute(
            "update marts.workflow_runs set created_at = %s where run_id < 3", [START]
        )
        connection.execute(
            "update marts.workflow_runs set created_at = %s where run_id = 101", [START]
        )
    look_at_new_runs(built_url)
    # 1 and 2 are created with 101 now, and stand before it.
    assert stored(built_url) == []
    with connect(built_url) as connection:
        connection.execute(
            "update marts.workflow_runs set created_at = %s where run_id < 3",
            [START.replace(day=4)],
        )
    changed(built_url)
    look_at_changed_repositories(built_url)
    assert stored(built_url) == [(None, "default_branch", [3], [100, 200], [9, 9])]


def test_a_job_has_a_series_of_its_own_with_a_point_per_run(built_url: str) -> None:
    add_runs(built_url, [100] * 20)
    for run_id in range(1, 21):
        add_job(built_url, run_id, 50 if run_id <= 10 else 70)
        add_job(built_url, run_id, 50 if run_id <= 10 else 70, name=None)
    # The last success counts, if it has a duration.
    for run_id in range(11, 16):
        add_job(built_url, run_id, 80, attempt=2)
        add_job(built_url, run_id, 10, attempt=3, conclusion="failure")
        add_job(built_url, run_id, None, attempt=4)
    look_at_new_runs(built_url)
    assert stored(built_url) == [("build", "default_branch", [11], [50, 75], [10, 10])]


def test_the_last_2000_runs_are_a_series(built_url: str) -> None:
    add_runs(built_url, [900] * 500 + [100] * 1000 + [200] * 1000)
    look_at_new_runs(built_url)
    assert stored(built_url) == [(None, "default_branch", [1501], [100, 200], [1000, 1000])]


def test_a_median_is_between_two_runs(built_url: str) -> None:
    add_runs(built_url, [100, 101] * 5 + [200, 203] * 5)
    look_at_new_runs(built_url)
    assert stored(built_url) == [(None, "default_branch", [11], [100.5, 201.5], [10, 10])]


def test_a_workflow_is_due_with_8_new_runs_and_by_night_with_any_change(built_url: str) -> None:
    add_runs(built_url, [100] * 20)
    add_runs(built_url, [100] * 7, first_id=1001, workflow_id=2)
    assert look_at_new_runs(built_url).workflow_count == 1
    assert look_at_changed_repositories(built_url).workflow_count == 1
    assert look_at_changed_repositories(built_url).workflow_count == 0

    add_runs(built_url, [200] * 7, first_id=21, began=START.replace(day=3))
    assert look_at_new_runs(built_url).workflow_count == 0
    # What has not completed is no new run.
    add_runs(built_url, [None] * 7, first_id=31, began=START.replace(day=3), conclusion=None)
    assert look_at_new_runs(built_url).workflow_count == 0
    add_runs(built_url, [200], first_id=28, began=START.replace(day=4))
    assert look_at_new_runs(built_url) == Look(1, 1, 1)
    # Workflow 1 was looked at just now.
    assert look_at_changed_repositories(built_url).workflow_count == 1
    assert look_at_changed_repositories(built_url) == Look()


@pytest.mark.parametrize(("job", "is_looked_at"), [("build", False), ("sync", True)])
def test_a_sync_leaves_nothing_for_the_night(
    built_url: str, monkeypatch: pytest.MonkeyPatch, job: str, is_looked_at: bool
) -> None:
    monkeypatch.setenv("ACTIONSIGHT_DATABASE_URL", built_url)
    add_runs(built_url, [100] * 10 + [200] * 10)
    look_at_new_runs(built_url)
    add_runs(built_url, [200], first_id=21, began=START.replace(day=3))
    context = Mock(spec_set=["run", "log_event"], run=Mock(job_name=job))
    assert look_after_build(context) is is_looked_at
    assert context.log_event.called is is_looked_at


def test_nothing_is_written_where_no_level_has_changed(built_url: str) -> None:
    add_runs(built_url, [100] * 10 + [200] * 10)
    look_at_new_runs(built_url)
    before = loads(built_url)
    changed(built_url)
    assert look_at_changed_repositories(built_url) == Look(1, 1, 0)
    assert loads(built_url) == before


def test_a_change_that_is_none_any_more_goes_and_is_told(built_url: str) -> None:
    add_runs(built_url, [100] * 10 + [200] * 10)
    look_at_new_runs(built_url)
    with connect(built_url) as connection:
        connection.execute("update marts.workflow_runs set duration_seconds = 100")
    changed(built_url)
    assert look_at_changed_repositories(built_url) == Look(1, 1, 1)
    assert stored(built_url) == []
    assert len(loads(built_url)) == 2
    # It stays gone, and that is told once; then the workflow goes as a whole.
    with connect(built_url) as connection:
        connection.execute("delete from marts.workflow_runs")
    changed(built_url)
    assert look_at_changed_repositories(built_url) == Look(1, 0, 0)
    assert len(loads(built_url)) == 2
    changed(built_url)
    assert look_at_changed_repositories(built_url) == Look()


@pytest.mark.parametrize("parts", [(8, 16, 24, 40), (40,), (13, 29, 40)])
def test_a_look_after_another_gives_what_a_first_one_would(
    built_url: str, parts: tuple[int, ...]
) -> None:
    durations = [100] * 12 + [160] * 14 + [90] * 14
    began = 0
    for end in parts:
        add_runs(
            built_url,
            durations[began:end],
            first_id=began + 1,
            began=START + timedelta(minutes=began),
        )
        look_at_new_runs(built_url)
        began = end
    look_at_changed_repositories(built_url)
    assert stored(built_url) == [(None, "default_branch", [13, 27], [100, 160, 90], [12, 14, 14])]


def test_a_repository_of_the_same_workflow_has_its_own_series(built_url: str) -> None:
    add_runs(built_url, [100] * 10 + [200] * 10)
    with connect(built_url) as connection:
        connection.execute(
            """
            insert into marts.workflow_runs
            select
                run_id + 100, 2, workflow_id, created_at, health_group, conclusion,
                duration_seconds * 2
            from marts.workflow_runs
            """
        )
    look_at_new_runs(built_url)
    assert stored(built_url) == [
        (None, "default_branch", [11], [100, 200], [10, 10]),
        (None, "default_branch", [111], [200, 400], [10, 10]),
    ]
