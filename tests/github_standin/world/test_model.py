"""At any moment the world shows what GitHub would show then."""

from datetime import timedelta
from typing import Any

import pytest

from github_standin.server.server import Server
from github_standin.world.model import Job, make_job
from github_standin.world.world import World
from tests.github_standin.client import MONDAY, Clock, body, get

pytestmark = pytest.mark.unit

SECOND = timedelta(seconds=1)
RUNS = "/repos/octo/app/actions/runs"


class Octo:
    """One repository with one workflow, asked at moments that a test chooses."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.world = World(self.clock)
        self.repository = self.world.add_repository("octo/app")
        self.workflow = self.world.add_workflow(self.repository)
        self.server = Server(self.world)

    def at(self, seconds: float) -> "Octo":
        """Set the clock to *seconds* after Monday noon."""
        self.clock.now = MONDAY + seconds * SECOND
        return self

    def run(self, run_id: int, below: str = "") -> Any:
        return body(self.server, f"{RUNS}/{run_id}{below}")

    def jobs(self, run_id: int, below: str = "/jobs") -> dict[str, Any]:
        return {job["name"]: job for job in self.run(run_id, below)["jobs"]}

    def status_code(self, url: str) -> int:
        return get(self.server, url).status_code


@pytest.fixture
def octo() -> Octo:
    return Octo()


def test_a_run_that_is_not_yet_created_is_absent(octo: Octo) -> None:
    run = octo.world.add_run(octo.workflow, MONDAY + 10 * SECOND, [make_job("build", MONDAY)])
    octo.at(9)
    assert octo.status_code(f"{RUNS}/{run.id}") == 404
    assert body(octo.server, RUNS)["total_count"] == 0
    octo.at(10)
    assert octo.status_code(f"{RUNS}/{run.id}") == 200
    assert body(octo.server, RUNS)["total_count"] == 1


def test_a_job_is_queued_then_in_progress_then_completed(octo: Octo) -> None:
    job = make_job("build", MONDAY, queue_seconds=10, duration_seconds=60)
    run = octo.world.add_run(octo.workflow, MONDAY, [job])

    queued = octo.at(5).jobs(run.id)["build"]
    assert (queued["status"], queued["conclusion"], queued["runner_id"]) == ("queued", None, None)
    assert queued["started_at"] == queued["created_at"]  # never null, and not a start
    assert octo.run(run.id)["status"] == "queued"

    running = octo.at(10).jobs(run.id)["build"]
    assert (running["status"], running["conclusion"]) == ("in_progress", None)
    assert (running["started_at"], running["completed_at"]) == ("2025-09-08T12:00:10Z", None)
    assert running["runner_name"] == "GitHub Actions 7"
    assert octo.run(run.id)["status"] == "in_progress"
    assert octo.run(run.id)["updated_at"] == "2025-09-08T12:00:10Z"

    done = octo.at(70).jobs(run.id)["build"]
    assert (done["status"], done["conclusion"]) == ("completed", "success")
    assert done["completed_at"] == "2025-09-08T12:01:10Z"
    assert octo.run(run.id)["conclusion"] == "success"
    assert octo.run(run.id)["updated_at"] == "2025-09-08T12:01:10Z"


def test_a_dependent_job_appears_when_it_is_created_and_keeps_the_run_in_progress(
    octo: Octo,
) -> None:
    later = MONDAY + 100 * SECOND
    jobs = [make_job("build", MONDAY, duration_seconds=20), make_job("deploy", later)]
    run = octo.world.add_run(octo.workflow, MONDAY, jobs)
    assert list(octo.at(60).jobs(run.id)) == ["build"]
    assert octo.run(run.id)["status"] == "in_progress"
    assert octo.status_code(f"/repos/octo/app/actions/jobs/{jobs[1].id}") == 404
    assert list(octo.at(100).jobs(run.id)) == ["build", "deploy"]


def test_a_job_that_ends_before_it_starts_is_completed_at_the_later_time(octo: Octo) -> None:
    job = Job(5, "lint", MONDAY, MONDAY + 60 * SECOND, MONDAY + SECOND, "cancelled")
    run = octo.world.add_run(octo.workflow, MONDAY, [job])
    assert octo.at(59).jobs(run.id)["lint"]["status"] == "queued"
    shown = octo.at(60).jobs(run.id)["lint"]
    assert shown["started_at"] == "2025-09-08T12:01:00Z"
    assert shown["completed_at"] == "2025-09-08T12:00:01Z"
    assert octo.run(run.id)["conclusion"] == "cancelled"


def test_a_rerun_appears_when_due_and_carries_over_the_jobs_that_it_does_not_repeat(
    octo: Octo,
) -> None:
    first = [make_job("build", MONDAY), make_job("test", MONDAY, conclusion="failure")]
    run = octo.world.add_run(octo.workflow, MONDAY, first)
    again = MONDAY + 600 * SECOND
    octo.world.add_attempt(run, again, [make_job("test", again)])

    assert octo.at(599).run(run.id)["run_attempt"] == 1
    assert octo.run(run.id)["conclusion"] == "failure"
    assert octo.status_code(f"{RUNS}/{run.id}/attempts/2") == 404

    newest = octo.at(605).run(run.id)
    assert (newest["run_attempt"], newest["status"]) == (2, "queued")
    assert newest["run_started_at"] == "2025-09-08T12:10:00Z"
    assert newest["created_at"] == "2025-09-08T12:00:00Z"
    assert newest["previous_attempt_url"].endswith(f"{RUNS}/{run.id}/attempts/1")
    carried = octo.jobs(run.id)["build"]
    assert carried["id"] != first[0].id
    assert carried["created_at"] == "2025-09-08T12:10:00Z"
    assert carried["started_at"] == "2025-09-08T12:00:10Z"
    assert (carried["status"], carried["runner_id"], carried["runner_name"]) == ("completed", 0, "")

    assert octo.at(611).run(run.id)["status"] == "in_progress"
    assert octo.at(670).run(run.id)["conclusion"] == "success"
    assert octo.run(run.id, "/attempts/1")["conclusion"] == "failure"
    assert octo.jobs(run.id, "/attempts/1/jobs")["build"]["id"] == first[0].id
    assert octo.run(run.id, "/jobs?filter=all")["total_count"] == 4
    assert octo.run(run.id, "/jobs")["total_count"] == 2


def test_the_head_of_a_deleted_fork_is_null(octo: Octo) -> None:
    run = octo.world.add_run(octo.workflow, MONDAY, head_repository=None)
    assert octo.run(run.id)["head_repository"] is None


def test_a_lost_attempt_and_its_jobs_are_404_while_the_run_remains(octo: Octo) -> None:
    run = octo.world.add_run(octo.workflow, MONDAY, [make_job("build", MONDAY)])
    octo.world.add_attempt(run, MONDAY + 600 * SECOND, carry_over=True)
    octo.world.lose_attempt(run, 1)
    octo.at(900)
    assert octo.run(run.id)["run_attempt"] == 2
    assert octo.status_code(f"{RUNS}/{run.id}/attempts/1") == 404
    assert octo.status_code(f"{RUNS}/{run.id}/attempts/1/jobs") == 404
    assert octo.run(run.id, "/jobs?filter=all")["total_count"] == 1


def test_a_run_without_jobs_ends_only_when_told_to(octo: Octo) -> None:
    waiting = octo.world.add_run(octo.workflow, MONDAY)
    refused = octo.world.add_run(
        octo.workflow, MONDAY, ended_at=MONDAY, conclusion="action_required"
    )
    assert octo.at(9_999).run(waiting.id)["status"] == "queued"
    assert octo.run(refused.id)["conclusion"] == "action_required"


def test_a_job_that_never_ends_keeps_its_run_in_progress(octo: Octo) -> None:
    job = make_job("forever", MONDAY, duration_seconds=None)
    run = octo.world.add_run(octo.workflow, MONDAY, [job])
    assert octo.at(10**6).run(run.id)["status"] == "in_progress"
    job.completed_at = MONDAY + 20 * SECOND
    assert octo.run(run.id)["status"] == "completed"


def test_a_renamed_repository_redirects_until_the_name_is_reused(octo: Octo) -> None:
    octo.world.rename_repository(octo.repository, "octo/tool")
    moved = get(octo.server, "/repos/octo/app/actions/runs?per_page=5")
    assert moved.status_code == 301
    target = f"/repositories/{octo.repository.id}/actions/runs?per_page=5"
    assert moved.headers["Location"] == f"http://localhost{target}"
    assert body(octo.server, "/repos/octo/tool")["id"] == octo.repository.id
    other = octo.world.add_repository("octo/app")
    assert body(octo.server, "/repos/octo/app")["id"] == other.id


def test_what_is_deleted_is_404(octo: Octo) -> None:
    run = octo.world.add_run(octo.workflow, MONDAY, [make_job("build", MONDAY)])
    workflow = f"/repos/octo/app/actions/workflows/{octo.workflow.id}"
    assert octo.status_code(workflow) == 200
    octo.world.delete_workflow(octo.workflow)
    assert octo.status_code(workflow) == 404
    assert octo.run(run.id)["workflow_id"] == octo.workflow.id
    octo.world.delete_run(run)
    assert octo.status_code(f"{RUNS}/{run.id}") == 404
    octo.world.delete_repository(octo.repository)
    assert octo.status_code(RUNS) == 404
    assert octo.status_code(f"/repositories/{octo.repository.id}") == 404


def test_one_repository_does_not_show_what_belongs_to_another(octo: Octo) -> None:
    job = make_job("build", MONDAY)
    run = octo.world.add_run(octo.workflow, MONDAY, [job])
    octo.world.add_repository("octo/other")
    assert octo.status_code(f"/repos/octo/other/actions/runs/{run.id}") == 404
    assert octo.status_code(f"/repos/octo/other/actions/jobs/{job.id}") == 404
