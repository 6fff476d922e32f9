"""Changes in the world: names, owners, visibility, deletion, workflows, runs that vanish."""

from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from werkzeug.wrappers import Request, Response

from github_standin.server import faults
from github_standin.world.model import Repository, Run, Workflow
from tests.ingestion.assertions import assert_exact
from tests.ingestion.factories import MINUTE, START, job, run, workflow
from tests.ingestion.scenarios import HEAD, POLL, SWEEP, Own, Poll, Scenario, Steps

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TEN_MINUTES = 10 * MINUTE


class Known:
    """A repository with a little history, monitored."""

    def __init__(self, own: Own, full_name: str) -> None:
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


def a_repository_is_followed_through_names_and_owners_and_shown_as_it_is_now(own: Own) -> Steps:
    world = own.world
    names = ("renamed", "reused", "transferred", "archived", "privatized", "other")
    known = {name: Known(own, own.named(name)) for name in names}
    quiet = own.monitored("quiet")
    hub = f"{own.owner}-hub"
    own.names |= {own.named("new-name"), own.named("left-its-name"), f"{hub}/transferred"}
    yield POLL
    yield TEN_MINUTES
    world.rename_repository(known["renamed"].repository, own.named("new-name"))
    world.rename_repository(known["reused"].repository, own.named("left-its-name"))
    impostor = workflow(world, own.named("reused"))
    world.add_run(impostor, own.clock.now - MINUTE, ended_at=own.clock.now)
    world.transfer_repository(known["transferred"].repository, hub)
    world.archive_repository(known["archived"].repository)
    world.privatize_repository(known["privatized"].repository)
    world.privatize_repository(world.repositories[quiet.repository_id])
    for each in known.values():
        each.add_run()
    own.paths()

    troubles = yield POLL

    assert troubles == {}
    assert_exact(own, *(each.repository for each in known.values()), least=18)
    assert impostor.repository_id not in {
        row["repository_id"] for row in own.everything()["workflow_runs"]
    }
    assert known["renamed"].state()["full_name"] == own.named("new-name")
    assert known["reused"].state()["full_name"] == own.named("left-its-name")
    assert known["transferred"].state()["full_name"] == f"{hub}/transferred"
    assert known["transferred"].stored("owner_login") == hub
    assert known["privatized"].state()["visibility"] == "private"
    assert known["privatized"].stored("visibility") == "private"
    # Whether these are public still was asked, which tells of everything but workflows.
    assert known["archived"].stored("archived") is True
    paths = own.paths()
    assert f"/repos/{own.named('other')}/actions/workflows" not in paths
    assert f"/repos/{own.named('archived')}/actions/workflows" not in paths

    world.publicize_repository(known["privatized"].repository)
    for each in known.values():
        each.add_run()
    yield 2 * HOUR
    troubles = yield POLL
    assert troubles == {}
    assert_exact(own, *(each.repository for each in known.values()), least=24)
    assert known["privatized"].state()["visibility"] == "public"
    (row,) = own.query(
        "select visibility from app.repositories where repository_id = %s", quiet.repository_id
    )
    assert row == {"visibility": "private"}
    paths = own.paths()
    assert [path for path in paths if path.startswith(f"/repos/{own.named('renamed')}")] == []


def a_repository_that_is_deleted_or_unreadable_is_hidden_and_nothing_of_it_is_lost(
    own: Own,
) -> Steps:
    world = own.world
    names = ("deleted", "replaced", "unreadable", "other")
    known = {name: Known(own, own.named(name)) for name in names}
    yield POLL
    before = own.everything()
    yield TEN_MINUTES
    for name in ("deleted", "replaced"):
        world.delete_repository(known[name].repository)
    # Another one under the same name.
    replacement = workflow(world, own.named("replaced"))
    world.add_run(replacement, own.clock.now - MINUTE, ended_at=own.clock.now)
    own.fault = faults.named("gone", own.server, repository=known["unreadable"].repository)
    noticed = own.clock.now

    for _ in range(2):
        troubles = yield POLL
        assert set(troubles) == {own.named(name) for name in names} - {own.named("other")}
        assert own.everything() == before
        for name in ("deleted", "replaced", "unreadable"):
            state = known[name].state()
            assert (state["visibility"], state["unreachable_since"]) == ("private", noticed), name
            assert state["trouble"] is not None
        state = known["other"].state()
        assert (state["visibility"], state["trouble"]) == ("public", None)
        yield TEN_MINUTES

    own.fault = None
    known["unreadable"].add_run()
    yield POLL
    state = known["unreadable"].state()
    assert (state["visibility"], state["unreachable_since"]) == ("public", None)
    assert (state["trouble"], state["failure_count"], state["next_try_at"]) == (None, 0, None)
    assert_exact(own, known["unreadable"].repository, known["other"].repository, least=5)


def workflows_that_break_or_go_leave_their_runs(own: Own) -> Steps:
    world = own.world
    known = Known(own, own.name)
    unseen = world.add_workflow(known.repository, "Unseen", path=".github/workflows/unseen.yml")
    of_unseen = run(unseen, world, START - HOUR)
    world.delete_workflow(unseen)
    yield POLL
    assert_exact(own, least=3)
    assert (of_unseen.id, 1) in {row[:2] for row in own.attempts()}
    yield TEN_MINUTES
    world.break_workflow(known.ci)
    at = own.clock.now - MINUTE
    broken = world.add_run(known.ci, at, ended_at=at, conclusion="startup_failure")
    late = world.add_workflow(known.repository, "Late", path=".github/workflows/late.yml")
    run(late, world, own.clock.now - 5 * MINUTE)

    def workflows() -> dict[str, str]:
        return {row["path"]: row["name"] for row in own.everything()["workflows"]}

    yield POLL
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
    yield 2 * HOUR - TEN_MINUTES
    known.add_run()
    yield POLL
    assert_exact(own, least=6)
    # One that is listed no more stays, as runs name it.
    assert workflows() == {known.ci.path: "CI", late.path: "Late"}
    own.paths()
    yield TEN_MINUTES
    yield POLL
    assert own.paths() == [f"/repos/{own.name}", f"/repos/{own.name}/actions/runs"]


def a_workflow_that_its_repository_lists_no_more_is_stamped_until_it_is_listed_again(
    own: Own,
) -> Steps:
    world = own.world
    known, other = Known(own, own.name), Known(own, own.named("other"))
    late = world.add_workflow(known.repository, "Late", path=".github/workflows/late.yml")

    def gone_at() -> dict[str, datetime | None]:
        rows = own.query(
            "select path, gone_at from raw.workflows where repository_id = %s order by path",
            known.repository.id,
        )
        return {row["path"]: row["gone_at"] for row in rows}

    def newest_load() -> str:
        [row] = own.query(
            "select max(_dlt_load_id) as load_id from raw.workflows where repository_id = %s",
            known.repository.id,
        )
        return str(row["load_id"])

    yield POLL
    assert gone_at() == {known.ci.path: None, late.path: None}
    world.delete_workflow(late)
    yield 2 * HOUR
    yield POLL
    gone = gone_at()
    noticed_at = known.state()["visibility_seen_at"]
    assert gone == {known.ci.path: None, late.path: noticed_at}
    stamped_by = newest_load()
    yield 2 * HOUR
    yield POLL
    assert gone_at() == gone
    assert newest_load() == stamped_by
    world.workflows[late.id] = late
    yield 2 * HOUR
    yield POLL
    assert gone_at() == {known.ci.path: None, late.path: None}
    assert newest_load() > stamped_by
    [row] = own.query("select * from raw.workflows where workflow_id = %s", other.ci.id)
    assert row["gone_at"] is None


def a_listing_that_is_not_whole_says_of_no_workflow_that_it_is_gone(own: Own) -> Steps:
    known = {name: Known(own, own.named(name)) for name in ("unreadable", "counted", "missing")}
    late = [
        own.world.add_workflow(each.repository, "Late", path=".github/workflows/late.yml")
        for each in known.values()
    ]
    yield POLL
    for each in late:
        own.world.delete_workflow(each)
    yield 2 * HOUR

    def answer(request: Request) -> Response | None:
        if not request.path.endswith("/actions/workflows"):
            return None
        fault = request.path.split("/")[3]
        if fault == "missing":
            return Response("{}", 404, content_type="application/json")
        ci = known[fault].ci
        shown: list[dict[str, Any]] = [{"id": ci.id, "name": "CI", "path": ci.path}]
        if fault == "unreadable":
            shown.append({"id": "none"})
        body = orjson.dumps({"total_count": 2, "workflows": shown})
        return Response(body, content_type="application/json")

    own.fault = answer
    own.paths()
    yield POLL
    assert [path.endswith("/actions/workflows") for path in own.paths()].count(True) == 3
    assert {row["gone_at"] for row in own.everything()["workflows"]} == {None}


def runs_that_were_deleted_keep_their_rows_and_are_stamped_by_the_sweep(own: Own) -> Steps:
    world = own.world
    known = Known(own, own.name)
    gone = [run(known.ci, world, START - days * DAY) for days in (3, 20)]
    at = START - 19 * DAY
    world.add_attempt(gone[1], at, [job("test", at)])
    yield POLL
    yield DAY
    for each in gone:
        world.delete_run(each)
    own.paths()

    troubles = yield POLL

    assert troubles == {}
    assert_exact(own, gone=gone, least=5)
    stamps = {row["gone_at"] for row in own.everything()["workflow_runs"]}
    assert stamps == {None, own.clock.now}
    paths = own.paths()
    assert sorted(path for path in paths if path.count("/") == 6) == sorted(
        f"/repos/{own.name}/actions/runs/{each.id}" for each in gone
    )
    assert not [path for path in paths if path.endswith("/jobs")]

    yield DAY
    rows, loads = own.everything(), own.loads_of_rows()
    yield POLL
    assert own.everything()["workflow_runs"] == rows["workflow_runs"], "they are stamped once"
    assert own.loads_of_rows() == loads
    assert len([path for path in own.paths() if path.count("/") == 6]) == 0

    world.restore_run(gone[0])
    yield DAY
    yield POLL
    assert_exact(own, gone=gone[1:], least=5)
    owed = "select from raw.owed_job_listings where repository_id = %s"
    assert own.query(owed, known.repository.id) == []


def what_retention_takes_is_found_by_counting(own: Own) -> Steps:
    world = own.world
    known = Known(own, own.name)
    for number in range(240):
        world.add_run(known.ci, START - 100 * DAY + number * 6 * HOUR, ended_at=START)
    yield Poll(since=START - 101 * DAY, has_jobs=False)
    own.paths()

    # One page of what is recent, one count of all that is older.
    yield DAY
    yield SWEEP
    assert len(own.paths()) == 2
    assert_exact(own, least=240, has_jobs=False)

    expired = world.expire_runs(known.repository, 99)
    assert 0 < len(expired) < 20
    yield DAY
    yield SWEEP
    assert_exact(own, gone=expired, least=240, has_jobs=False)
    # Halves on the way to where they are, each of them by its id, and the repository itself.
    assert len(own.paths()) <= 2 + 2 * 5 + len(expired) + 2
    yield DAY
    yield SWEEP
    assert len(own.paths()) == 2


def what_a_webhook_closed_and_github_opened_again_is_open_with_the_next_poll(own: Own) -> Steps:
    ci = own.monitored()
    run(ci, own.world, START - HOUR)
    yield POLL
    # As the drain does; GitHub's own answers are again what they were.
    own.query(
        "update app.repositories set visibility = 'private' where repository_id = %s returning 1",
        ci.repository_id,
    )
    yield 10 * MINUTE
    yield HEAD
    assert own.repository(own.name)["visibility"] == "public"


SCENARIOS: tuple[Scenario, ...] = (
    a_repository_is_followed_through_names_and_owners_and_shown_as_it_is_now,
    a_repository_that_is_deleted_or_unreadable_is_hidden_and_nothing_of_it_is_lost,
    workflows_that_break_or_go_leave_their_runs,
    a_workflow_that_its_repository_lists_no_more_is_stamped_until_it_is_listed_again,
    a_listing_that_is_not_whole_says_of_no_workflow_that_it_is_gone,
    runs_that_were_deleted_keep_their_rows_and_are_stamped_by_the_sweep,
    what_retention_takes_is_found_by_counting,
    what_a_webhook_closed_and_github_opened_again_is_open_with_the_next_poll,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test(failures: dict[Scenario, Exception], scenario: Scenario) -> None:
    if failure := failures.get(scenario):
        raise failure
