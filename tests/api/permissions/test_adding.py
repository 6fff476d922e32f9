"""What people may add, and that it is collected from then on."""

from dataclasses import replace
from typing import Any

import pytest
import redis
from psycopg import sql
from werkzeug.wrappers import Request, Response

from actionsight.repositories import list_monitored
from actionsight.settings import Settings
from github_standin.world.people import User
from tests.api.client import app_of
from tests.api.permissions.installation import COLLECTOR, OPERATOR_ID, Caller, Installation, told
from tests.support.services import Databases

pytestmark = pytest.mark.integration


def test_available_is_what_the_person_maintains_and_nobody_monitors(
    installation: Installation, caller: Caller
) -> None:
    open_id = installation.monitor("octo/open")
    answer = caller.read("/repositories/available")
    assert [(row["full_name"], row["role"], row["visibility"]) for row in answer["data"]] == [
        ("octo/closed", "admin", "private"),
        ("octo/spare", "admin", "private"),
    ]
    assert answer["next"] is None and answer["removable_ids"] == [open_id]
    assert (
        answer["install_url"]
        == f"{installation.github.url}/apps/actionsight-octo/installations/new"
    )


def test_available_comes_in_pages(installation: Installation, caller: Caller) -> None:
    names, after = [], ""
    while True:
        page = caller.read(f"/repositories/available?limit=1{after}")
        names += [row["full_name"] for row in page["data"]]
        if page["next"] is None:
            break
        after = f"&next={page['next']}"
    assert names == ["octo/closed", "octo/open", "octo/spare"]
    # Once for the rights, once for all pages of this.
    assert installation.asked() == 2
    with redis.Redis.from_url(str(installation.settings.cache_url)) as cache:
        (key,) = cache.keys("actionsight:rights:*:listing")
        assert "octo" not in str(cache.get(key))
        assert 290 < cache.ttl(key) <= 300


def test_without_an_installation_nothing_is_available_but_the_place_to_install_it(
    installation: Installation, caller: Caller
) -> None:
    installation.world.people.uninstall(installation.organisation)
    assert caller.read("/repositories/available") == {
        "data": [],
        "next": None,
        "install_url": f"{installation.github.url}/settings/installations",
        "removable_ids": [],
        "filter": {},
    }


def test_an_operator_may_add_whatever_is_listed(
    installation: Installation, operator: Caller
) -> None:
    root = installation.person("root", {"octo/closed": "read"}, user_id=OPERATOR_ID)
    rows = installation.signed_in(root).read("/repositories/available")["data"]
    assert [row["full_name"] for row in rows] == ["octo/closed"]
    assert operator.read("/repositories/available")["data"] == []


def test_who_may_remove_what_is_monitored_is_told(
    installation: Installation, caller: Caller, ada: User, operator: Caller
) -> None:
    closed_id, open_id = (installation.monitor(f"octo/{name}") for name in ("closed", "open"))
    installation.world.people.set_role(ada, "octo/closed", "write")
    assert caller.read("/repositories/available")["removable_ids"] == [open_id]
    both = sorted([closed_id, open_id])
    assert operator.read("/repositories/available")["removable_ids"] == both


def test_github_away_is_a_503(installation: Installation, caller: Caller) -> None:
    identity_of_open = installation.monitor("octo/open")
    caller.read("/stats")
    installation.github.fault = lambda _: Response("", 502)
    for response in (
        caller.get("/repositories/available"),
        caller.add("octo/spare"),
        caller.delete(identity_of_open),
    ):
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "5"
        assert "GitHub" in response.text
    installation.github.fault = None
    assert caller.visible() == {identity_of_open}


def test_an_added_repository_waits_for_its_first_collection(
    installation: Installation, caller: Caller, ada: User
) -> None:
    response = caller.add("Octo/SPARE")
    assert response.status_code == 201
    body: Any = response.json
    spare_id = installation.identity("octo/spare")
    assert body["data"] | {"added_at": None} == {
        "repository_id": spare_id,
        "full_name": "octo/spare",
        "visibility": "private",
        "state": "waiting",
        "default_branch": None,
        "is_archived": None,
        "html_url": None,
        "workflow_count": 0,
        "run_count": 0,
        "jobs_listed": 0,
        "added_at": None,
        "backfilled_from": None,
        "observed_until": None,
        "newest_observation_at": None,
        "trouble": None,
        "trouble_since": None,
        "unreachable_since": None,
        "failure_count": 0,
        "next_try_at": None,
        "progress": {
            "backfill_target": None,
            "backfilled_from": None,
            "windows": 0,
            "windows_completed": 0,
            "job_listings_owed": 0,
            "estimated_end": None,
        },
    }
    assert caller.read("/repositories")["data"] == [body["data"]]
    assert installation.selections() == {"octo/spare": True}
    assert installation.audit() == [("repository.added", ada.account.id, False, spare_id)]
    again = caller.add("octo/spare")
    assert (again.status_code, told(again)["data"]) == (200, body["data"])
    assert len(installation.audit()) == 1


def test_the_state_says_how_collection_does(installation: Installation, operator: Caller) -> None:
    def state(**columns: Any) -> str:
        for name, value in columns.items():
            update = sql.SQL("update app.repositories set {} = %s").format(sql.Identifier(name))
            installation.connection.execute(update, [value])
        (row,) = operator.read("/repositories")["data"]
        return str(row["state"])

    operator.add("octo/spare")
    assert state() == "waiting"
    assert state(backfill_target="2025-10-01Z") == "backfilling"
    assert state(backfilled_from="2026-01-01Z") == "backfilling"
    assert state(backfilled_from="2025-10-01Z") == "collecting"
    assert state(observed_until="2026-01-02Z") == "collected"
    assert state(backfill_target="2025-09-01Z") == "backfilling", "older history is wanted"
    assert state(trouble="502") == "trouble"
    assert state(unreachable_since="2026-01-03Z") == "unreachable"


def test_adding_again_what_fails_changes_nothing_of_what_its_collection_says(
    installation: Installation, caller: Caller
) -> None:
    spare_id = installation.monitor("octo/spare", failure_count=9, next_try_at="2036-01-01Z")
    assert caller.add("octo/spare").status_code == 200
    (row,) = caller.read(f"/repositories?repository={spare_id}")["data"]
    assert (row["failure_count"], row["next_try_at"]) == (9, "2036-01-01T00:00:00Z")


def test_what_was_followed_and_is_added_by_its_own_name_is_listed_once(
    installation: Installation, operator: Caller
) -> None:
    installation.monitor("octo/spare", removed_at="2026-01-01Z", selected_by="octo/*")
    assert operator.add("octo/spare").status_code == 201
    names = [repository.name for repository in list_monitored(installation.connection)]
    assert names.count("octo/spare") == 1


def test_what_was_removed_while_it_failed_is_added_without_its_failures(
    installation: Installation, operator: Caller
) -> None:
    installation.monitor(
        "octo/spare",
        removed_at="2026-01-01Z",
        unreachable_since="2026-01-01Z",
        failure_count=9,
        next_try_at="2036-01-01Z",
    )
    assert operator.add("octo/spare").status_code == 201
    (row,) = operator.read("/repositories")["data"]
    assert (row["state"], row["failure_count"], row["next_try_at"]) == ("collected", 0, None)


@pytest.mark.usefixtures("own_database_url")
def test_before_the_first_build_repositories_are_added_and_listed(
    installation: Installation, caller: Caller
) -> None:
    installation.connection.execute("drop schema marts cascade")
    added: Any = caller.add("octo/spare").json
    assert caller.read("/repositories")["data"] == [added["data"]]
    assert caller.get("/stats").status_code == 503


def test_what_was_just_added_is_answered_although_a_replica_does_not_have_it_yet(
    installation: Installation, settings: Settings, postgres_server: Databases
) -> None:
    with (
        postgres_server.migrated() as behind,
        app_of(replace(settings, read_database_url=behind)) as app,
    ):
        added = replace(installation, app=app).with_token(None).add("octo/spare")
        assert (added.status_code, told(added)["data"]["state"]) == (201, "waiting")


def test_what_somebody_just_added_is_theirs_to_see_whatever_was_read_of_their_rights(
    installation: Installation, caller: Caller, ada: User
) -> None:
    assert caller.visible() == set()
    fresh = installation.world.add_repository("octo/fresh", visibility="private")
    installation.world.people.set_role(ada, "octo/fresh", "maintain")
    assert caller.add("octo/fresh").status_code == 201
    assert caller.visible() == {fresh.id}


@pytest.mark.parametrize("name", ["octo/removed", "octo/never", "never/spare"])
def test_what_the_person_does_not_maintain_or_see_is_not_added(
    installation: Installation, caller: Caller, name: str
) -> None:
    response = caller.add(name)
    assert response.status_code == (403 if name == "octo/removed" else 404)
    assert installation.selections() == {}
    assert installation.audit() == []


def test_what_belongs_to_a_stranger_is_added_by_operators_alone_until_it_is_followed(
    installation: Installation, caller: Caller, ada: User, operator: Caller
) -> None:
    """Anybody has repositories of their own, which a token reads and the installation pays for."""
    for name in ("ada/huge", "ada/other"):
        installation.world.add_repository(name, visibility="public")
        installation.world.people.set_role(ada, name, "admin")
    refused = caller.add("ada/huge")
    assert refused.status_code == 403
    assert "ask an operator" in refused.text
    assert installation.selections() == {}
    assert operator.add("ada/huge").status_code == 201
    assert caller.add("ada/other").status_code == 201
    installed = installation.world.add_repository("bea/mine", visibility="public")
    installation.world.people.install(installed.owner)
    installation.world.people.set_role(ada, "bea/mine", "maintain")
    assert caller.add("bea/mine").status_code == 201


def test_what_the_collector_cannot_read_is_not_added(
    installation: Installation, caller: Caller
) -> None:
    def hidden(request: Request) -> Response | None:
        is_collector = request.headers["Authorization"] == f"Bearer {COLLECTOR}"
        return Response('{"message": "Not Found"}', 404) if is_collector else None

    installation.github.fault = hidden
    response = caller.add("octo/spare")
    assert response.status_code == 409
    assert "collector" in response.text
    assert installation.selections() == {}
    assert installation.with_token(None).add("octo/spare").status_code == 404


def test_one_that_was_removed_can_be_added_again(
    installation: Installation, caller: Caller
) -> None:
    closed_id = installation.monitor("octo/closed")
    assert caller.delete(closed_id).status_code == 204
    assert caller.visible() == set()
    response = caller.add("octo/closed")
    assert (response.status_code, told(response)["data"]["run_count"]) == (201, 16)
    assert caller.visible() == {closed_id}
    assert installation.selections() == {"octo/closed": True}


@pytest.mark.parametrize(
    "body",
    [
        [],
        "octo/spare",
        {},
        {"full_name": None},
        {"full_name": 5},
        {"full_name": "spare"},
        {"full_name": "octo/spare/"},
        {"full_name": "octo/*"},
        {"full_name": "octo/.."},
        {"full_name": "octo/."},
        {"full_name": "../user"},
        {"full_name": "octo/spare?x=1"},
        {"full_name": "octo/spare#x"},
        {"full_name": "octo/sp are"},
        {"full_name": "octo/späre"},
        {"full_name": "octo/" + "x" * 101},
        {"full_name": "octo/spare", "purge": True},
    ],
)
def test_a_body_that_names_no_repository_is_refused_before_github_is_asked(
    installation: Installation, operator: Caller, body: Any
) -> None:
    response = operator.post(body)
    assert response.status_code == 400, response.text
    assert installation.github.requests == []


def test_a_body_that_is_too_large_or_of_another_kind_is_refused(operator: Caller) -> None:
    post, headers = operator.client.post, dict(operator.headers)
    for data, kind, status in (
        (b'{"full_name": "octo/spare"}', "text/plain", 415),
        (b'{"full_name": "octo/spare"}', None, 415),
        (b" " * 70_000, "application/json", 413),
        (b"\xff", "application/json", 400),
        (b"", "application/json", 400),
    ):
        response = post("/repositories", data=data, content_type=kind, headers=headers)
        assert response.status_code == status


def test_a_write_by_cookie_needs_the_csrf_token_and_the_origin(
    installation: Installation, caller: Caller
) -> None:
    spare_id = installation.monitor("octo/spare")
    for missing in ("X-CSRF-Token", "Origin"):
        kept = {name: text for name, text in caller.protection.items() if name != missing}
        for given in (kept, {**kept, missing: "https://elsewhere.example"}):
            other = replace(caller, protection=given)
            assert other.add("octo/closed").status_code == 403
            assert other.delete(spare_id).status_code == 403
    assert caller.visible() == {spare_id}
    assert installation.selections() == {}
