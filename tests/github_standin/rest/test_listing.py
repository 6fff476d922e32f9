"""Pages, links, filters and the limit of 1,000 rows."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from github_standin.rest.queries import InvalidQueryError, created_range
from github_standin.server.server import Server
from github_standin.world.model import make_job
from github_standin.world.world import World
from tests.github_standin.client import MONDAY, Clock, body, get, links, rows

pytestmark = pytest.mark.unit

RUNS = "/repos/octo/app/actions/runs"
MINUTE = timedelta(minutes=1)


def populated(count: int) -> Server:
    """*count* runs of octo/app, a minute apart, the newest at Monday noon."""
    world = World(Clock())
    workflow = world.add_workflow(world.add_repository("octo/app"))
    for age in reversed(range(count)):
        created_at = MONDAY - age * MINUTE
        jobs = [make_job("build", created_at, conclusion="failure" if age % 3 else "success")]
        event = "push" if age % 2 else "pull_request"
        world.add_run(workflow, created_at, jobs, event=event, head_branch=f"b{age % 4}")
    return Server(world)


@pytest.fixture(scope="module")
def many() -> Server:
    return populated(1_234)


def test_a_listing_is_newest_first_in_pages_of_thirty(many: Server) -> None:
    page = body(many, RUNS)
    assert page["total_count"] == 1_234
    assert len(page["workflow_runs"]) == 30
    times = [run["created_at"] for run in page["workflow_runs"]]
    assert times == sorted(times, reverse=True)
    assert times[0] == "2025-09-08T12:00:00Z"


def test_links_name_the_repository_by_id_and_keep_the_query(many: Server) -> None:
    repository = next(iter(many.world.repositories))
    found = links(get(many, f"{RUNS}?per_page=100&page=2&event=push"))
    base = f"http://localhost/repositories/{repository}/actions/runs?per_page=100&page="
    assert found == {
        "prev": f"{base}1&event=push",
        "next": f"{base}3&event=push",
        "last": f"{base}7&event=push",
        "first": f"{base}1&event=push",
    }


def test_links_are_absent_on_a_single_page(many: Server) -> None:
    assert "Link" not in get(many, f"{RUNS}?created=2025-09-08T11:00:00Z..*&per_page=100").headers


def test_a_page_holds_at_most_a_hundred_and_nonsense_means_the_default(many: Server) -> None:
    assert len(body(many, f"{RUNS}?per_page=1000")["workflow_runs"]) == 100
    assert len(body(many, f"{RUNS}?per_page=0&page=x")["workflow_runs"]) == 30


def test_following_the_links_of_an_unfiltered_listing_gives_every_run_once(many: Server) -> None:
    found = [run["id"] for run in rows(many, f"{RUNS}?per_page=100", "workflow_runs")]
    assert len(found) == len(set(found)) == 1_234


@pytest.mark.parametrize("below", ["runs", "workflows/ci.yml/runs"])
def test_a_filtered_listing_ends_after_a_thousand_rows(many: Server, below: str) -> None:
    url = f"/repos/octo/app/actions/{below}?per_page=100&created=>=2025-01-01"
    assert len(rows(many, url, "workflow_runs")) == 1_000
    beyond = get(many, f"{url}&page=11")
    assert beyond.get_json()["total_count"] == 1_234
    assert beyond.get_json()["workflow_runs"] == []
    assert "next" not in links(beyond)


@pytest.mark.parametrize(
    ("created", "count"),
    [
        ("2025-09-08T11:50:00Z..2025-09-08T11:59:00Z", 10),
        ("2025-09-08T13:50:00+02:00..2025-09-08T13:59:00+02:00", 10),
        ("2025-09-08T11:50:00..*", 11),
        ("*..2025-09-07T15:30:00Z", 4),
        (">=2025-09-08T11:59:00Z", 2),
        (">2025-09-08T11:59:00Z", 1),
        ("<=2025-09-07T15:27:00Z", 1),
        ("<2025-09-07T15:28:00Z", 1),
        ("2025-09-08", 721),
        ("2025-09-07", 513),
        ("2025-09-07..2025-09-08", 1_234),
        (">2025-09-07", 721),
        ("<2025-09-08", 513),
        ("2025-09-08T12:00:00Z", 1),
    ],
)
def test_created_windows_are_inclusive(many: Server, created: str, count: int) -> None:
    query = urlencode({"created": created, "per_page": 1})
    assert body(many, f"{RUNS}?{query}")["total_count"] == count


@pytest.mark.parametrize("created", ["yesterday", "2025-09-08..", "2025-13-01", ">=x", "20250908"])
def test_a_window_that_is_none_is_refused(many: Server, created: str) -> None:
    assert get(many, f"{RUNS}?{urlencode({'created': created})}").status_code == 422


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(0, 10**7),
)
def test_a_window_written_out_is_read_back(begin: datetime, seconds: int) -> None:
    begin = begin.replace(microsecond=0)
    end = begin + timedelta(seconds=seconds)
    text = f"{begin:%Y-%m-%dT%H:%M:%SZ}..{end:%Y-%m-%dT%H:%M:%SZ}"
    assert created_range(text) == (begin, end)


@given(st.text(max_size=30))
def test_any_text_is_read_as_a_window_or_refused(text: str) -> None:
    try:
        bounds = created_range(text)
    except InvalidQueryError:
        return
    assert all(bound is None or bound.tzinfo for bound in bounds)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("event=push", 617),
        ("branch=b1", 309),
        ("event=pull_request&branch=b1", 0),
        ("status=success", 411),
        ("status=failure", 821),
        ("status=completed", 1_232),
        ("status=in_progress", 1),
        ("status=queued", 1),
        ("actor=octocat", 1_234),
        ("actor=nobody", 0),
        ("head_sha=0", 0),
    ],
)
def test_filters_narrow_a_listing(query: str, count: int, many: Server) -> None:
    assert body(many, f"{RUNS}?{query}&per_page=1")["total_count"] == count


def test_the_status_filter_does_not_know_startup_failure(many: Server) -> None:
    assert get(many, f"{RUNS}?status=startup_failure").status_code == 422


def test_jobs_come_in_pages_too() -> None:
    world = World(Clock())
    workflow = world.add_workflow(world.add_repository("octo/app"))
    jobs = [make_job(f"matrix ({number})", MONDAY) for number in range(256)]
    run = world.add_run(workflow, MONDAY, jobs)
    server = Server(world)
    found = rows(server, f"{RUNS}/{run.id}/attempts/1/jobs?per_page=100", "jobs")
    assert [job["id"] for job in found] == [job.id for job in jobs]
    assert len(server.requests) == 3
