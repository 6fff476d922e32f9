"""What people remove is hidden at once; what operators purge is gone."""

import pytest

from actionsight import purging
from github_standin.people import User
from tests.api.rights.house import Caller, House, told

pytestmark = pytest.mark.integration


def test_removing_hides_at_once_and_keeps_the_data(house: House, caller: Caller, ada: User) -> None:
    closed_id = house.monitor("octo/closed")
    caller.read("/stats")
    assert caller.delete(closed_id).status_code == 204
    assert caller.read("/stats")["data"]["run_count"] == 0
    assert caller.get(f"/workflows/{closed_id * 10}").status_code == 404
    assert house.selections() == {"octo/closed": False}
    assert house.audit() == [("repository.removed", ada.account.id, False, closed_id)]
    assert house.connection.execute("select count(*) from marts.workflow_runs").fetchone() == (16,)


def test_one_whose_name_belongs_to_another_repository_now_is_not_theirs_to_remove(
    house: House, caller: Caller
) -> None:
    """GitHub's answer is about the id that it carries, not about the name that was asked for."""
    house.connection.execute(
        """
        insert into app.repositories (repository_id, full_name, visibility, visibility_seen_at)
        values (42, 'octo/spare', 'public', now())
        """
    )
    assert caller.delete(42).status_code == 404
    assert caller.visible() == {42}


def test_a_renamed_repository_is_found_under_its_old_name(house: House, caller: Caller) -> None:
    closed_id = house.monitor("octo/closed")
    repository = house.world.repositories[closed_id]
    house.world.rename_repository(repository, "octo/secret")
    assert caller.add("octo/secret").status_code == 200
    assert caller.delete(closed_id).status_code == 204
    assert caller.visible() == set()


def test_a_right_that_was_lost_a_moment_ago_counts_no_more(
    house: House, caller: Caller, ada: User
) -> None:
    closed_id = house.monitor("octo/closed")
    assert caller.visible() == {closed_id}
    house.world.people.set_role(ada, "octo/closed", "write")
    assert caller.delete(closed_id).status_code == 403
    house.world.people.set_role(ada, "octo/closed", "none")
    assert caller.delete(closed_id).status_code == 404
    assert house.audit() == []


def test_an_operator_s_purge_deletes_all_rows_and_leaves_the_note(
    house: House, operator: Caller
) -> None:
    closed_id, open_id = house.monitor("octo/closed"), house.monitor("octo/open")
    house.hear(
        "workflow_run",
        action="queued",
        repository={"id": closed_id},
        workflow_run={"id": 1, "workflow_id": 2, "status": "queued"},
    )
    before = house.tables_with(closed_id)
    assert {"raw.webhook_runs", "raw.webhook_events", "marts.jobs", "app.repositories"} <= before
    others = house.tables_with(open_id)
    assert operator.delete(closed_id, "?purge=true").status_code == 204
    # The version lives on, so that nothing that was cached before can ever be found again.
    assert house.tables_with(closed_id) == {"app.audit_log", "marts.data_versions"}
    assert house.tables_with(open_id) == others
    assert [action for action, *_ in house.audit()] == ["repository.removed", "repository.purged"]
    assert house.selections() == {"octo/closed": False}
    assert operator.delete(closed_id, "?purge=true").status_code == 404
    added = told(operator.add("octo/closed"))
    assert (added["data"]["run_count"], added["data"]["state"]) == (0, "waiting")


def test_what_was_removed_before_can_still_be_purged(house: House, operator: Caller) -> None:
    closed_id = house.monitor("octo/closed")
    assert operator.delete(closed_id).status_code == 204
    assert operator.delete(closed_id).status_code == 404
    assert operator.delete(closed_id, "?purge=true").status_code == 204
    assert "app.repositories" not in house.tables_with(closed_id)


@pytest.mark.parametrize("lock", ["0x41530001", "0x41530002"])
def test_while_rows_could_still_come_a_purge_only_removes(
    house: House, operator: Caller, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    """A collection has its rows in hand; a drain is waited for, but not for long."""
    monkeypatch.setattr(purging, "WAIT_SECONDS", 0.1)
    closed_id = house.monitor("octo/closed")
    house.connection.execute("select pg_advisory_lock(%s)", [int(lock, 16)])
    response = operator.delete(closed_id, "?purge=true")
    assert response.status_code == 409
    assert response.headers["Retry-After"] == "5"
    assert operator.visible() == set()
    assert "marts.jobs" in house.tables_with(closed_id)
    house.connection.execute("select pg_advisory_unlock_all()")
    assert operator.delete(closed_id, "?purge=true").status_code == 204


def test_only_operators_purge(house: House, caller: Caller) -> None:
    closed_id = house.monitor("octo/closed")
    assert caller.delete(closed_id, "?purge=true").status_code == 403
    assert caller.visible() == {closed_id}
    assert caller.delete(closed_id, "?purge=yes").status_code == 400
    assert caller.delete(closed_id, "?purge=false").status_code == 204
    assert caller.delete(closed_id, "?purge=true").status_code == 404
