"""Changes in the world: names, owners, visibility, deletion, workflows, runs that vanish."""

from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from werkzeug.wrappers import Request, Response

from github_standin.server import faults
from github_standin.world.model import Repository, Run, Workflow
from tests.ingestion.assertions import assert_exact
from tests.ingestion.factories import MINUTE, START, Installation, job, run, workflow

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TEN_MINUTES = 10 * MINUTE


class Known:
    """A repository with a little history, monitored."""

    def __init__(self, own: Installation, full_name: str) -> None:
        self.own = own
        self.ci: Workflow = workflow(own.world, full_name)
        self.repository: Repository = own.world.repositories[self.ci.repository_id]
        self.runs: list[Run] = [run(self.ci, own.world, START - 2 * DAY)]
        self.add_run(START - HOUR / 2)
        own.monitor(full_name)

    def add_run(self, at: datetime | None = None) -> None:
        """A run that has just ended, or one of another time."""
        begins = at or self.own.clock.now - 5 * MINUTE
        self.runs.append(run(self.ci, self.own.world, begins))

    def state(self) -> dict[str, Any]:
        """Its row in app.repositories, whatever its name is."""
        (row,) = self.own.query(
            "select * from app.repositories where repository_id = %s", self.repository.id
        )
        return row

    def stored(self, column: str) -> Any:
        """What is stored of it."""
        (row,) = self.own.query(
            "select * from raw.repositories where repository_id = %s", self.repository.id
        )
        return row[column]


def test_a_repository_is_followed_through_names_and_owners_and_shown_as_it_is_now(
    own: Installation,
) -> None:
    world = own.world
    names = ("renamed", "reused", "transferred", "archived", "privatized", "other")
    known = {name: Known(own, f"octo/{name}") for name in names}
    quiet = workflow(world, "octo/quiet")
    own.monitor("octo/quiet")
    own.collect()
    own.clock.advance(TEN_MINUTES)
    world.rename_repository(known["renamed"].repository, "octo/new-name")
    world.rename_repository(known["reused"].repository, "octo/left-its-name")
    impostor = workflow(world, "octo/reused")
    world.add_run(impostor, own.clock.now - MINUTE, ended_at=own.clock.now)
    world.transfer_repository(known["transferred"].repository, "hub")
    world.archive_repository(known["archived"].repository)
    world.privatize_repository(known["privatized"].repository)
    world.privatize_repository(world.repositories[quiet.repository_id])
    for each in known.values():
        each.add_run()
    own.paths()

    results = own.collect()

    assert results[-1].troubles == {}
    assert_exact(own, *(each.repository for each in known.values()), least=18)
    assert impostor.repository_id not in {
        row["repository_id"] for row in own.query("select repository_id from raw.workflow_runs")
    }
    assert known["renamed"].state()["full_name"] == "octo/new-name"
    assert known["reused"].state()["full_name"] == "octo/left-its-name"
    assert known["transferred"].state()["full_name"] == "hub/transferred"
    assert known["transferred"].stored("owner_login") == "hub"
    assert known["privatized"].state()["visibility"] == "private"
    assert known["privatized"].stored("visibility") == "private"
    # Whether these are public still was asked, which tells of everything but workflows.
    assert known["archived"].stored("archived") is True
    paths = own.paths()
    assert "/repos/octo/other/actions/workflows" not in paths
    assert "/repos/octo/archived/actions/workflows" not in paths

    world.publicize_repository(known["privatized"].repository)
    for each in known.values():
        own.clock.advance(MINUTE)
        each.add_run()
    own.clock.advance(HOUR)
    results = own.collect()
    assert results[-1].troubles == {}
    assert_exact(own, *(each.repository for each in known.values()), least=24)
    assert known["privatized"].state()["visibility"] == "public"
    (row,) = own.query(
        "select visibility from app.repositories where repository_id = %s", quiet.repository_id
    )
    assert row == {"visibility": "private"}
    paths = own.paths()
    assert [path for path in paths if path.startswith("/repos/octo/renamed")] == []


def test_a_repository_that_is_deleted_or_unreadable_is_hidden_and_nothing_of_it_is_lost(
    own: Installation,
) -> None:
    world = own.world
    names = ("deleted", "replaced", "unreadable", "other")
    known = {name: Known(own, f"octo/{name}") for name in names}
    own.collect()
    before = own.everything()
    own.clock.advance(TEN_MINUTES)
    for name in ("deleted", "replaced"):
        world.delete_repository(known[name].repository)
    # Another one under the same name.
    replacement = workflow(world, "octo/replaced")
    world.add_run(replacement, own.clock.now - MINUTE, ended_at=own.clock.now)
    own.server.fault = faults.named("gone", own.server, repository=known["unreadable"].repository)
    noticed = own.clock.now

    for _ in range(2):
        results = own.collect()
        assert set(results[-1].troubles) == {"octo/deleted", "octo/replaced", "octo/unreadable"}
        assert own.everything() == before
        for name in ("deleted", "replaced", "unreadable"):
            state = known[name].state()
            assert (state["visibility"], state["unreachable_since"]) == ("private", noticed), name
            assert state["trouble"] is not None
        state = known["other"].state()
        assert (state["visibility"], state["trouble"]) == ("public", None)
        own.clock.advance(TEN_MINUTES)

    own.server.fault = None
    known["unreadable"].add_run()
    own.collect()
    state = known["unreadable"].state()
    assert (state["visibility"], state["unreachable_since"]) == ("public", None)
    assert (state["trouble"], state["failure_count"], state["next_try_at"]) == (None, 0, None)
    assert_exact(own, known["unreadable"].repository, known["other"].repository, least=5)


def test_workflows_that_break_or_go_leave_their_runs(own: Installation) -> None:
    world = own.world
    known = Known(own, "octo/hello")
    unseen = world.add_workflow(known.repository, "Unseen", path=".github/workflows/unseen.yml")
    of_unseen = run(unseen, world, START - HOUR)
    world.delete_workflow(unseen)
    own.collect()
    assert_exact(own, least=3)
    assert (of_unseen.id, 1) in {row[:2] for row in own.attempts()}
    own.clock.advance(TEN_MINUTES)
    world.break_workflow(known.ci)
    at = own.clock.now - MINUTE
    broken = world.add_run(known.ci, at, ended_at=at, conclusion="startup_failure")
    late = world.add_workflow(known.repository, "Late", path=".github/workflows/late.yml")
    run(late, world, own.clock.now - 5 * MINUTE)

    def workflows() -> dict[str, str]:
        rows = own.query("select path, name from raw.workflows order by path")
        return {row["path"]: row["name"] for row in rows}

    own.collect()
    assert_exact(own, least=5)
    assert (broken.id, 1, "completed", "startup_failure") in own.attempts()
    assert own.jobs() and broken.id not in {row[1] for row in own.jobs()}
    # A run of an unknown workflow is cause to look: the broken one is seen by its path then.
    assert workflows() == {
        known.ci.path: ".github/workflows/ci.yml",
        late.path: "Late",
    }
    world.mend_workflow(known.ci, "CI")
    world.delete_workflow(late)
    own.clock.advance(HOUR)
    known.add_run()
    own.collect()
    assert_exact(own, least=6)
    # One that is listed no more stays, as runs name it.
    assert workflows() == {known.ci.path: "CI", late.path: "Late"}
    own.paths()
    own.clock.advance(TEN_MINUTES)
    own.collect()
    assert own.paths() == ["/repos/octo/hello", "/repos/octo/hello/actions/runs"]


def test_a_workflow_that_its_repository_lists_no_more_is_stamped_until_it_is_listed_again(
    own: Installation,
) -> None:
    world = own.world
    known, other = Known(own, "octo/hello"), Known(own, "octo/other")
    late = world.add_workflow(known.repository, "Late", path=".github/workflows/late.yml")

    def gone_at() -> dict[str, datetime | None]:
        rows = own.query(
            "select path, gone_at from raw.workflows where repository_id = %s order by path",
            known.repository.id,
        )
        return {row["path"]: row["gone_at"] for row in rows}

    def newest_load() -> str:
        [row] = own.query("select max(_dlt_load_id) as load_id from raw.workflows")
        return str(row["load_id"])

    own.collect()
    assert gone_at() == {known.ci.path: None, late.path: None}
    world.delete_workflow(late)
    own.clock.advance(2 * HOUR)
    own.collect()
    gone = gone_at()
    noticed_at = known.state()["visibility_seen_at"]
    assert gone == {known.ci.path: None, late.path: noticed_at}
    stamped_by = newest_load()
    own.clock.advance(2 * HOUR)
    own.collect()
    assert gone_at() == gone
    assert newest_load() == stamped_by
    world.workflows[late.id] = late
    own.clock.advance(2 * HOUR)
    own.collect()
    assert gone_at() == {known.ci.path: None, late.path: None}
    assert newest_load() > stamped_by
    [row] = own.query("select * from raw.workflows where workflow_id = %s", other.ci.id)
    assert row["gone_at"] is None


@pytest.mark.parametrize("fault", ["unreadable", "counted", "missing"])
def test_a_listing_that_is_not_whole_says_of_no_workflow_that_it_is_gone(
    own: Installation, fault: str
) -> None:
    known = Known(own, "octo/hello")
    late = own.world.add_workflow(known.repository, "Late", path=".github/workflows/late.yml")
    own.collect()
    own.world.delete_workflow(late)
    own.clock.advance(2 * HOUR)

    shown: list[dict[str, Any]] = [{"id": known.ci.id, "name": "CI", "path": known.ci.path}]
    if fault == "unreadable":
        shown.append({"id": "none"})

    def answer(request: Request) -> Response | None:
        if not request.path.endswith("/actions/workflows"):
            return None
        if fault == "missing":
            return Response("{}", 404, content_type="application/json")
        body = orjson.dumps({"total_count": 2, "workflows": shown})
        return Response(body, content_type="application/json")

    own.server.fault = answer
    own.collect()
    rows = own.query("select from raw.workflows where gone_at is not null")
    assert rows == []


def test_runs_that_were_deleted_keep_their_rows_and_are_stamped_by_the_sweep(
    own: Installation,
) -> None:
    world = own.world
    known = Known(own, "octo/hello")
    gone = [run(known.ci, world, START - days * DAY) for days in (3, 20)]
    at = START - 19 * DAY
    world.add_attempt(gone[1], at, [job("test", at)])
    own.collect()
    own.clock.advance(DAY)
    for each in gone:
        world.delete_run(each)
    own.paths()

    results = own.collect()

    assert results[-1].troubles == {}
    assert_exact(own, gone=gone, least=5)
    stamps = own.query("select distinct gone_at from raw.workflow_runs where gone_at is not null")
    assert stamps == [{"gone_at": own.clock.now}]
    paths = own.paths()
    assert sorted(path for path in paths if path.count("/") == 6) == sorted(
        f"/repos/octo/hello/actions/runs/{each.id}" for each in gone
    )
    assert not [path for path in paths if path.endswith("/jobs")]

    own.clock.advance(DAY)
    rows, loads = own.everything(), own.loads()
    own.collect()
    assert own.everything()["workflow_runs"] == rows["workflow_runs"], "they are stamped once"
    assert own.loads() == loads
    assert len([path for path in own.paths() if path.count("/") == 6]) == 0

    world.restore_run(gone[0])
    own.clock.advance(DAY)
    own.collect()
    assert_exact(own, gone=gone[1:], least=5)
    assert own.query("select * from raw.owed_job_listings") == []


def test_what_retention_takes_is_found_by_counting(own: Installation) -> None:
    world = own.world
    known = Known(own, "octo/hello")
    for number in range(240):
        world.add_run(known.ci, START - 100 * DAY + number * 6 * HOUR, ended_at=START)
    own.collect(since=START - 101 * DAY)
    own.paths()

    def sweep() -> int:
        """A day later; gives the requests."""
        own.clock.advance(DAY)
        own.collect("sweep")
        return len(own.paths())

    # One page of what is recent, one count of all that is older.
    assert sweep() == 2
    assert_exact(own, least=240)

    expired = world.expire_runs(known.repository, 99)
    assert 0 < len(expired) < 20
    requests = sweep()
    assert_exact(own, gone=expired, least=240)
    # Halves on the way to where they are, each of them by its id, and the repository itself.
    assert requests <= 2 + 2 * 5 + len(expired) + 2
    assert sweep() == 2


def test_what_a_webhook_closed_and_github_opened_again_is_open_with_the_next_poll(
    own: Installation,
) -> None:
    run(workflow(own.world), own.world, START - HOUR)
    own.monitor("octo/hello")
    own.collect()
    # As the drain does; GitHub's own answers are again what they were.
    own.query("update app.repositories set visibility = 'private' returning 1")
    own.clock.advance(10 * MINUTE)
    own.collect("head", "open")
    assert own.repository("octo/hello")["visibility"] == "public"
