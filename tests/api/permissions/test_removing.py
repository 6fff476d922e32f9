"""What people remove is hidden at once; what operators purge is gone."""

import pytest

from actionsight import purging
from actionsight.database import connect
from actionsight.locks import LOADING_LOCK, WEBHOOK_LOCK
from github_standin.world.people import User
from tests.api.permissions.installation import OPERATOR_ID, Caller, Installation, told

pytestmark = pytest.mark.integration


def test_removing_hides_at_once_and_keeps_the_data(
    installation: Installation, caller: Caller, ada: User
) -> None:
    closed_id = installation.monitor("octo/closed")
    caller.read("/stats")
    assert caller.delete(closed_id).status_code == 204
    assert caller.read("/stats")["data"]["run_count"] == 0
    assert caller.get(f"/workflows/{closed_id * 10}").status_code == 404
    assert installation.selections() == {"octo/closed": False}
    assert installation.audit() == [("repository.removed", ada.account.id, False, closed_id)]
    assert installation.connection.execute(
        "select count(*) from marts.workflow_runs"
    ).fetchone() == (16,)


def test_one_whose_name_belongs_to_another_repository_now_is_not_theirs_to_remove(
    installation: Installation, caller: Caller
) -> None:
    """GitHub's answer is about the id that it carries, not about the name that was asked for."""
    installation.connection.execute(
        """
        insert into app.repositories (repository_id, full_name, visibility, visibility_seen_at)
        values (42, 'octo/spare', 'public', now())
        """
    )
    assert caller.delete(42).status_code == 404
    assert caller.visible() == {42}


def test_a_renamed_repository_is_found_under_its_old_name(
    installation: Installation, caller: Caller
) -> None:
    closed_id = installation.monitor("octo/closed")
    repository = installation.world.repositories[closed_id]
    installation.world.rename_repository(repository, "octo/secret")
    assert caller.add("octo/secret").status_code == 200
    assert caller.delete(closed_id).status_code == 204
    assert caller.visible() == set()


def test_a_right_that_was_lost_a_moment_ago_counts_no_more(
    installation: Installation, caller: Caller, ada: User
) -> None:
    closed_id = installation.monitor("octo/closed")
    assert caller.visible() == {closed_id}
    installation.world.people.set_role(ada, "octo/closed", "write")
    assert caller.delete(closed_id).status_code == 403
    installation.world.people.set_role(ada, "octo/closed", "none")
    assert caller.delete(closed_id).status_code == 404
    assert installation.audit() == []


def work_off(installation: Installation) -> int:
    """Do what the job does, which waits for nothing here; give how many requests there were."""
    requests = purging.requested(installation.connection)
    for request in requests:
        purging.fulfil(installation.connection, request, patience_seconds=0)
    return len(requests)


def test_an_operator_s_purge_is_a_job_that_deletes_all_rows_and_leaves_the_note(
    installation: Installation, operator: Caller
) -> None:
    closed_id, open_id = installation.monitor("octo/closed"), installation.monitor("octo/open")
    installation.hear(
        "workflow_run",
        action="queued",
        repository={"id": closed_id},
        workflow_run={"id": 1, "workflow_id": 2, "status": "queued"},
    )
    before = installation.tables_with(closed_id)
    assert {"raw.webhook_runs", "raw.webhook_events", "marts.jobs", "app.repositories"} <= before
    others = installation.tables_with(open_id)
    response = operator.delete(closed_id, "?purge=true")
    assert response.status_code == 202
    asked = told(response)["data"]
    assert (asked["full_name"], asked["requested_by"]) == ("octo/closed", None)
    assert (asked["started_at"], asked["completed_at"], asked["error"]) == (None, None, None)
    assert operator.visible() == {open_id}
    assert before < installation.tables_with(closed_id)
    for path in ("?purge=true", "/data"):
        assert operator.delete(closed_id, path).status_code == 202
    assert work_off(installation) == 1
    # The version lives on, so that nothing that was cached before can ever be found again.
    left = {"app.audit_log", "app.purges", "marts.data_versions"}
    assert installation.tables_with(closed_id) == left
    assert installation.tables_with(open_id) == others
    assert [action for action, *_ in installation.audit()] == [
        "repository.removed",
        "repository.purged",
    ]
    assert installation.audit()[1][2:] == (True, closed_id)
    assert installation.selections() == {"octo/closed": False}
    ended = operator.read(f"/repositories/{closed_id}/data")["data"]
    assert ended["requested_at"] <= ended["started_at"] <= ended["completed_at"]
    assert ended["error"] is None
    assert work_off(installation) == 0
    assert operator.delete(closed_id, "?purge=true").status_code == 404
    assert operator.delete(closed_id, "/data").status_code == 404
    added = told(operator.add("octo/closed"))
    assert (added["data"]["run_count"], added["data"]["state"]) == (0, "waiting")


def test_what_was_removed_before_can_still_be_purged(
    installation: Installation, operator: Caller
) -> None:
    closed_id = installation.monitor("octo/closed")
    assert operator.delete(closed_id, "/data").status_code == 409
    assert operator.get(f"/repositories/{closed_id}/data").status_code == 404
    assert operator.delete(closed_id).status_code == 204
    assert operator.delete(closed_id).status_code == 404
    assert operator.delete(closed_id, "/data").status_code == 202
    assert work_off(installation) == 1
    assert "app.repositories" not in installation.tables_with(closed_id)


@pytest.mark.parametrize("lock", [LOADING_LOCK, WEBHOOK_LOCK])
def test_while_rows_could_still_come_a_purge_waits(
    installation: Installation, operator: Caller, monkeypatch: pytest.MonkeyPatch, lock: int
) -> None:
    """A collection has its rows in hand; a drain is waited for, but not for long."""
    monkeypatch.setattr(purging, "WAIT_SECONDS", 0.1)
    closed_id = installation.monitor("octo/closed")
    with connect(str(installation.settings.database_url)) as collection:
        collection.execute("select pg_advisory_lock(%s)", [lock])
        assert operator.delete(closed_id, "?purge=true").status_code == 202
        assert operator.visible() == set()
        with pytest.raises(purging.BusyError):
            work_off(installation)
    assert "marts.jobs" in installation.tables_with(closed_id)
    waits = operator.read(f"/repositories/{closed_id}/data")["data"]
    assert "under way" in waits["error"]
    assert waits["completed_at"] is None
    assert purging.requested(installation.connection) == [], "a pause"
    installation.connection.execute(
        "update app.purges set started_at = now() - interval '6 minutes'"
    )
    assert work_off(installation) == 1
    assert "marts.jobs" not in installation.tables_with(closed_id)


def test_what_a_killed_job_had_begun_with_is_begun_anew(
    installation: Installation, operator: Caller
) -> None:
    closed_id = installation.monitor("octo/closed")
    assert operator.delete(closed_id, "?purge=true").status_code == 202
    installation.connection.execute("update app.purges set started_at = now()")
    assert work_off(installation) == 1
    assert "marts.jobs" not in installation.tables_with(closed_id)


@pytest.mark.parametrize("is_removed_again", [False, True])
def test_what_was_added_again_keeps_its_data(
    installation: Installation, operator: Caller, is_removed_again: bool
) -> None:
    closed_id = installation.monitor("octo/closed")
    assert operator.delete(closed_id, "?purge=true").status_code == 202
    assert operator.add("octo/closed").status_code == 201
    if is_removed_again:
        assert operator.delete(closed_id).status_code == 204
    assert work_off(installation) == 1
    assert "marts.jobs" in installation.tables_with(closed_id)
    ended = operator.read(f"/repositories/{closed_id}/data")["data"]
    assert ended["completed_at"] is not None
    assert "added again" in ended["error"]
    assert "repository.purged" not in [action for action, *_ in installation.audit()]
    assert operator.delete(closed_id, "?purge=true").status_code == 202
    assert work_off(installation) == 1
    assert "marts.jobs" not in installation.tables_with(closed_id)


def test_only_operators_purge(installation: Installation, caller: Caller) -> None:
    closed_id, ruled_id = installation.monitor("octo/closed"), installation.monitor("octo/ruled")
    assert caller.delete(closed_id, "?purge=true").status_code == 403
    assert caller.delete(closed_id, "/data").status_code == 403
    assert caller.get(f"/repositories/{closed_id}/data").status_code == 403
    for hidden_id in (ruled_id, 42):
        assert caller.delete(hidden_id, "?purge=true").status_code == 404
        assert caller.delete(hidden_id, "/data").status_code == 404
        assert caller.get(f"/repositories/{hidden_id}/data").status_code == 404
    assert caller.visible() == {closed_id}
    assert caller.delete(closed_id, "?purge=yes").status_code == 400
    assert caller.delete(closed_id, "?purge=false").status_code == 204
    assert caller.delete(closed_id, "?purge=true").status_code == 404
    assert caller.delete(closed_id, "/data").status_code == 404
    assert work_off(installation) == 0


def test_a_session_and_a_token_need_what_every_write_needs(installation: Installation) -> None:
    closed_id = installation.monitor("octo/closed")
    person = installation.signed_in(installation.person("boss", user_id=OPERATOR_ID))
    unprotected = installation.caller(person.headers)
    for path in ("?purge=true", "/data"):
        assert unprotected.delete(closed_id, path).status_code == 403
        assert installation.with_token(None, "read").delete(closed_id, path).status_code == 403
        assert installation.anonymous().delete(closed_id, path).status_code == 401
    response = person.delete(closed_id, "?purge=true")
    assert response.status_code == 202
    assert told(response)["data"]["requested_by"] == OPERATOR_ID
    assert work_off(installation) == 1
    assert installation.audit()[-1] == ("repository.purged", OPERATOR_ID, False, closed_id)
