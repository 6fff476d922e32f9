"""What happens to repositories, workflows and runs, as REST shows it."""

import json
from datetime import timedelta
from typing import Any

import pytest

from github_standin.server.server import Server
from github_standin.webhooks.deliveries import deliveries_between
from github_standin.world.model import Account, make_job
from github_standin.world.world import World
from tests.github_standin.client import MONDAY, Clock, body, get
from tests.github_standin.schemas import payload_validator, validator

pytestmark = pytest.mark.unit

RUN = "/repos/{owner}/{repo}/actions/runs/{run_id}"


@pytest.fixture
def server() -> Server:
    world = World(Clock())
    workflow = world.add_workflow(world.add_repository("octo/app"))
    for age in range(10):
        created_at = MONDAY - timedelta(days=10 * age)
        world.add_run(workflow, created_at, [make_job("build", created_at)])
    return Server(world)


def told_of_repositories(world: World) -> list[Any]:
    told = deliveries_between(world, MONDAY - timedelta(days=1), MONDAY)
    return [json.loads(of.body) for of in told if of.event == "repository"]


def test_a_transferred_repository_has_another_owner_and_the_old_name_redirects(
    server: Server,
) -> None:
    world = server.world
    [repository] = world.repositories.values()
    world.transfer_repository(repository, Account(9, "ada"))
    moved = get(server, "/repos/octo/app/actions/runs?per_page=1")
    assert moved.status_code == 301
    [run] = body(server, moved.headers["Location"])["workflow_runs"]
    assert run["repository"]["full_name"] == "ada/app"
    assert body(server, "/repos/ada/app")["owner"]["login"] == "ada"
    [payload] = told_of_repositories(world)
    payload_validator("repository", "transferred").validate(payload)
    assert payload["changes"]["owner"]["from"]["organization"]["login"] == "octo"


def test_a_user_can_give_a_repository_away(server: Server) -> None:
    world = server.world
    repository = world.add_repository("ada/tool", owner=Account(9, "ada"))
    world.transfer_repository(repository, "octo")
    [payload] = told_of_repositories(world)
    payload_validator("repository", "transferred").validate(payload)
    assert payload["changes"]["owner"]["from"]["user"]["login"] == "ada"
    assert payload["organization"]["login"] == "octo"


def test_an_installation_keeps_nothing_of_what_is_transferred(server: Server) -> None:
    world = server.world
    [repository] = world.repositories.values()
    chosen = world.people.install("octo", ["octo/app"])
    everything = world.people.install("acme")
    world.transfer_repository(repository, "acme")
    assert not chosen.covers(repository)
    assert everything.covers(repository)


def test_an_old_name_can_be_reused(server: Server) -> None:
    world = server.world
    [first] = world.repositories.values()
    world.rename_repository(first, "octo/tool")
    assert get(server, "/repos/octo/app").status_code == 301
    second = world.add_repository("octo/app")
    assert body(server, "/repos/octo/app")["id"] == second.id != first.id
    assert body(server, f"/repositories/{first.id}")["full_name"] == "octo/tool"
    world.delete_repository(second)
    assert get(server, "/repos/octo/app").status_code == 404


def test_a_repository_can_get_its_old_name_back(server: Server) -> None:
    world = server.world
    [repository] = world.repositories.values()
    world.rename_repository(repository, "octo/tool")
    world.rename_repository(repository, "octo/app")
    assert body(server, "/repos/OCTO/app")["id"] == repository.id
    assert get(server, "/repos/octo/tool").status_code == 301


def test_the_clock_can_be_skewed(server: Server) -> None:
    server.world.skew_clock(timedelta(hours=1))
    assert get(server, "/meta").headers["Date"] == "Mon, 08 Sep 2025 13:00:00 GMT"


def test_archived_and_back(server: Server) -> None:
    world = server.world
    [repository] = world.repositories.values()
    world.archive_repository(repository)
    assert body(server, "/repos/octo/app")["archived"] is True
    world.unarchive_repository(repository)
    assert body(server, "/repos/octo/app")["archived"] is False
    told = told_of_repositories(world)
    assert [of["repository"]["archived"] for of in told] == [True, False]


def test_another_branch_becomes_the_default_one(server: Server) -> None:
    [repository] = server.world.repositories.values()
    before = repository.default_branch
    server.world.change_default_branch(repository, "trunk")
    assert body(server, "/repos/octo/app")["default_branch"] == "trunk"
    [told] = told_of_repositories(server.world)
    assert (told["action"], told["changes"]) == ("edited", {"default_branch": {"from": before}})
    assert told["repository"]["default_branch"] == "trunk"


def test_a_broken_workflow_bears_its_path(server: Server) -> None:
    world = server.world
    [workflow] = world.workflows.values()
    world.break_workflow(workflow)
    world.add_run(workflow, MONDAY, conclusion="startup_failure", ended_at=MONDAY)
    shown = body(server, f"/repos/octo/app/actions/workflows/{workflow.id}")
    assert shown["name"] == shown["path"] == workflow.path
    [run] = body(server, "/repos/octo/app/actions/runs?per_page=1")["workflow_runs"]
    validator(RUN).validate(run)
    assert (run["name"], run["conclusion"]) == (workflow.path, "startup_failure")
    assert body(server, f"/repos/octo/app/actions/runs/{run['id']}/jobs")["jobs"] == []
    world.mend_workflow(workflow, "CI")
    assert body(server, f"/repos/octo/app/actions/workflows/{workflow.id}")["name"] == "CI"


def test_a_deleted_run_is_gone_and_can_come_back(server: Server) -> None:
    world = server.world
    run = list(world.runs.values())[4]
    [job] = run.attempts[0].jobs
    paths = (f"/repos/octo/app/actions/runs/{run.id}", f"/repos/octo/app/actions/jobs/{job.id}")
    before = body(server, "/repos/octo/app/actions/runs")
    world.delete_run(run)
    assert [get(server, path).status_code for path in paths] == [404, 404]
    listed = body(server, "/repos/octo/app/actions/runs")
    assert listed["total_count"] == 9
    assert run.id not in {of["id"] for of in listed["workflow_runs"]}
    world.restore_run(run)
    assert [get(server, path).status_code for path in paths] == [200, 200]
    assert body(server, "/repos/octo/app/actions/runs") == before


def test_retention_lets_old_runs_vanish(server: Server) -> None:
    [repository] = server.world.repositories.values()
    gone = server.world.expire_runs(repository, days=35)
    left = body(server, "/repos/octo/app/actions/runs")["workflow_runs"]
    assert (len(gone), len(left)) == (6, 4)
    assert all(run["created_at"] >= "2025-08-04" for run in left)
    assert get(server, f"/repos/octo/app/actions/runs/{gone[0].id}").status_code == 404
