"""Every answer is valid under GitHub's published schemas."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from github_standin.histories import recording
from github_standin.server.server import Server
from github_standin.world.model import make_job
from github_standin.world.world import World
from tests.github_standin.client import MONDAY, Clock, body, get, rows
from tests.github_standin.schemas import document, error_validator, validator

pytestmark = pytest.mark.unit

R = "/repos/{owner}/{repo}"
RUNS = f"{R}/actions/runs"
JOBS = f"{RUNS}/{{run_id}}/jobs"

ENDPOINTS = {
    R: "/repos/tenstorrent/tt-mlir",
    f"{R}/actions/workflows": "/repos/tenstorrent/tt-mlir/actions/workflows",
    f"{R}/actions/workflows/{{workflow_id}}": (
        "/repos/tenstorrent/tt-mlir/actions/workflows/111446698"
    ),
    f"{R}/actions/workflows/{{workflow_id}}/runs": (
        "/repos/tenstorrent/tt-mlir/actions/workflows/on-pr.yml/runs"
    ),
    RUNS: "/repos/bitcoin/bitcoin/actions/runs?per_page=100",
    f"{RUNS}/{{run_id}}": "/repositories/816473585/actions/runs/12083382635",
    JOBS: "/repos/tenstorrent/tt-mlir/actions/runs/12083382635/jobs?filter=all&per_page=100",
    f"{RUNS}/{{run_id}}/attempts/{{attempt_number}}": (
        "/repos/tenstorrent/tt-mlir/actions/runs/12083382635/attempts/1"
    ),
    f"{RUNS}/{{run_id}}/attempts/{{attempt_number}}/jobs": (
        "/repos/tenstorrent/tt-mlir/actions/runs/12083382635/attempts/1/jobs"
    ),
    f"{R}/actions/jobs/{{job_id}}": "/repos/tenstorrent/tt-mlir/actions/jobs/33696387893",
    "/rate_limit": "/rate_limit",
    "/meta": "/meta",
}


@pytest.fixture(scope="module")
def recorded(recorded_world: World) -> Server:
    return Server(recorded_world)


def test_every_published_path_of_the_subset_is_tried() -> None:
    others = ("user", "hooks", "/app", "installation", "/orgs/")
    elsewhere = {path for path in document()["paths"] if any(word in path for word in others)}
    assert elsewhere.isdisjoint(ENDPOINTS)
    assert set(document()["paths"]) == {*ENDPOINTS, *elsewhere}


def test_a_body_that_breaks_the_schema_is_refused(recorded: Server) -> None:
    jobs = body(recorded, ENDPOINTS[JOBS])
    for field, value in (("conclusion", "great"), ("created_at", "yesterday"), ("labels", None)):
        broken = {"total_count": 1, "jobs": [jobs["jobs"][0] | {field: value}]}
        assert not validator(JOBS).is_valid(broken), field


@pytest.mark.parametrize("path", ENDPOINTS)
def test_an_answer_is_valid_under_the_published_schema(recorded: Server, path: str) -> None:
    validator(path).validate(body(recorded, ENDPOINTS[path]))


def test_the_tokens_owner_is_valid_under_the_published_schema(recorded: Server) -> None:
    response = get(recorded, "/user", Authorization="Bearer any")
    validator("/user").validate(response.get_json())


def test_all_runs_and_a_sample_of_their_jobs_are_valid(recorded: Server) -> None:
    for name in ("bitcoin/bitcoin", "tenstorrent/tt-forge-onnx", "tenstorrent/tt-forge"):
        runs = rows(recorded, f"/repos/{name}/actions/runs?per_page=100", "workflow_runs")
        for run in runs[:: max(1, len(runs) // 10)]:
            validator(f"{RUNS}/{{run_id}}").validate(run)
            jobs = body(recorded, f"/repos/{name}/actions/runs/{run['id']}/jobs?per_page=100")
            validator(JOBS).validate(jobs)


@pytest.mark.parametrize("url", ["/repos/no/body", "/nothing", "/repositories/1/actions/runs"])
def test_what_does_not_exist_is_a_404_as_github_words_it(recorded: Server, url: str) -> None:
    response = get(recorded, url)
    assert response.status_code == 404
    assert response.get_json()["message"] == "Not Found"
    error_validator().validate(response.get_json())


FIRST = datetime.fromisoformat("2024-11-29T10:47:00Z")


@settings(max_examples=60, deadline=None)
@given(seconds=st.integers(min_value=0, max_value=50 * 60))
def test_at_every_moment_of_a_run_its_answers_are_valid_and_tell_nothing_of_the_future(
    seconds: int,
) -> None:
    clock = Clock(FIRST + timedelta(seconds=seconds))
    world = World(clock)
    recording.load(world, "tenstorrent-12083382635")
    server = Server(world)
    listing = body(server, "/repos/tenstorrent/tt-mlir/actions/runs")
    validator(RUNS).validate(listing)
    for run in listing["workflow_runs"]:
        url = f"/repos/tenstorrent/tt-mlir/actions/runs/{run['id']}/jobs?per_page=100"
        jobs = body(server, url)
        validator(JOBS).validate(jobs)
        times = [run["created_at"], run["updated_at"]]
        for job in jobs["jobs"]:
            times += [job["created_at"], job["started_at"], job["completed_at"]]
            for step in job["steps"]:
                times += [step["started_at"], step["completed_at"]]
            assert (job["conclusion"] is None) == (job["status"] != "completed")
            assert (job["completed_at"] is None) == (job["status"] != "completed")
            if run["status"] == "completed":
                assert job["status"] == "completed"
        assert all(datetime.fromisoformat(moment) <= clock.now for moment in times if moment)


def test_a_rerun_with_carried_over_jobs_is_valid() -> None:
    world = World(Clock())
    repository = world.add_repository("octo/app")
    workflow = world.add_workflow(repository)
    begun = MONDAY - timedelta(hours=2)
    red = [make_job("build", begun), make_job("test", begun, conclusion="failure")]
    run = world.add_run(workflow, begun, red)
    again = MONDAY - timedelta(hours=1)
    world.add_attempt(run, again, [make_job("test", again)])
    server = Server(world)
    validator(f"{RUNS}/{{run_id}}").validate(body(server, f"/repos/octo/app/actions/runs/{run.id}"))
    jobs = body(server, f"/repos/octo/app/actions/runs/{run.id}/jobs?filter=all")
    assert jobs["total_count"] == 4
    validator(JOBS).validate(jobs)
