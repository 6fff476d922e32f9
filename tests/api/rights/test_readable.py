"""What a person may see: what is public, and what GitHub lists for them; for minutes, then not."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import redis
from flask import Flask
from werkzeug.wrappers import Request, Response

from actionsight.embedded.server import free_port
from actionsight.loopback import HOST
from actionsight.settings import Settings
from github_standin.people import User
from github_standin.server import Break, Fault
from tests.api.client import app_of
from tests.api.rights.house import OPERATOR_ID, Caller, House

pytestmark = pytest.mark.integration


@pytest.fixture
def open_id(house: House) -> int:
    return house.monitor("octo/open")


@pytest.fixture
def closed_id(house: House) -> int:
    return house.monitor("octo/closed")


@pytest.fixture
def ada(house: House, open_id: int, closed_id: int) -> User:
    return house.person("ada", {"octo/closed": "read"})


@pytest.fixture
def caller(house: House, ada: User) -> Caller:
    return house.signed_in(ada)


def fails(_: Request) -> Response:
    return Response("", 502)


def is_away(_: Request) -> Break:
    return Break()


def is_limited(_: Request) -> Response:
    return Response('{"message": "API rate limit exceeded"}', 403)


def is_nonsense(_: Request) -> Response:
    return Response("<html>", 200)


FAULTS = [fails, is_away, is_limited, is_nonsense]


def test_a_person_sees_what_is_public_and_what_github_lists(
    house: House, caller: Caller, open_id: int, closed_id: int
) -> None:
    assert caller.visible() == {open_id, closed_id}
    outsider = house.signed_in(house.person("eve"))
    assert outsider.visible() == {open_id}


def test_what_github_lists_and_nobody_monitors_is_not_there(
    house: House, caller: Caller, ada: User, open_id: int, closed_id: int
) -> None:
    house.world.people.set_role(ada, "octo/spare", "admin")
    assert caller.visible() == {open_id, closed_id}


def test_what_is_internal_is_visible_to_whom_github_lists_it_alone(
    house: House, ada: User, caller: Caller, open_id: int, closed_id: int
) -> None:
    house.connection.execute("update app.repositories set visibility = 'internal'")
    assert caller.visible() == {closed_id}
    assert house.signed_in(house.person("eve")).visible() == set()


def test_github_is_asked_once_in_five_minutes_and_by_session(
    house: House, ada: User, caller: Caller
) -> None:
    for path in ("/repositories", "/stats", "/workflows"):
        caller.read(path)
    house.age(4.9)
    caller.read("/stats")
    assert house.asked() == 1
    house.age(0.2)
    caller.read("/stats")
    assert house.asked() == 2
    house.signed_in(ada).read("/stats")
    assert house.asked() == 3


def test_an_operator_s_rights_need_no_github(house: House, open_id: int, closed_id: int) -> None:
    house.github.fault = fails
    operator = house.signed_in(house.person("root", user_id=OPERATOR_ID))
    assert operator.visible() == {open_id, closed_id}
    assert house.github.requests == []


def test_all_pages_are_read_and_of_every_installation(house: House, closed_id: int) -> None:
    roles = {}
    for number in range(250):
        last = house.world.add_repository(f"acme/r{number}", visibility="private").id
        roles[f"acme/r{number}"] = "read"
    house.world.people.install("acme")
    house.connection.execute(
        "insert into app.repositories (repository_id, full_name) values (%s, 'acme/last')", [last]
    )
    caller = house.signed_in(house.person("ada", {**roles, "octo/closed": "triage"}))
    assert caller.visible() == {closed_id, last}
    assert sum("/repositories" in path for path in house.github.paths()) == 3 + 1


def test_a_suspended_or_removed_installation_lists_nothing(
    house: House, ada: User, open_id: int, closed_id: int
) -> None:
    house.world.people.suspend(house.organisation)
    caller = house.signed_in(ada)
    assert caller.visible() == {open_id}
    house.world.people.unsuspend(house.organisation)
    assert caller.visible() == {open_id}  # for five minutes
    house.age(5)
    assert caller.visible() == {open_id, closed_id}
    house.world.people.uninstall(house.organisation)
    house.age(5)
    assert caller.visible() == {open_id}


def test_an_installation_that_ends_while_its_repositories_are_listed_lists_nothing(
    house: House, caller: Caller, open_id: int
) -> None:
    def ends(request: Request) -> Response | None:
        return Response("{}", 404) if request.path.endswith("/repositories") else None

    house.github.fault = ends
    assert caller.visible() == {open_id}


def test_a_role_that_was_lost_shows_nothing_after_five_minutes(
    house: House, caller: Caller, ada: User, open_id: int, closed_id: int
) -> None:
    assert caller.visible() == {open_id, closed_id}
    house.world.people.set_role(ada, "octo/closed", "none")
    house.age(5)
    assert caller.visible() == {open_id}


@pytest.mark.parametrize("fault", FAULTS)
def test_while_github_cannot_be_asked_rights_serve_for_fifteen_minutes_and_then_are_closed(
    house: House, caller: Caller, open_id: int, closed_id: int, fault: Fault
) -> None:
    assert caller.visible() == {open_id, closed_id}
    house.github.fault = fault
    house.age(14.8)
    assert caller.visible() == {open_id, closed_id}
    house.age(0.3)
    assert caller.visible() == {open_id}
    house.github.fault = None
    house.forget_pauses()
    assert caller.visible() == {open_id, closed_id}


@pytest.mark.parametrize("fault", FAULTS)
def test_without_known_rights_and_without_github_only_what_is_public_is_there(
    house: House, caller: Caller, open_id: int, fault: Fault
) -> None:
    house.github.fault = fault
    assert caller.visible() == {open_id}


def test_a_github_that_fails_is_not_asked_by_every_request(
    house: House, caller: Caller, open_id: int
) -> None:
    house.github.fault = fails
    for _ in range(5):
        assert caller.visible() == {open_id}
    assert house.asked() == 1


HEARD: list[tuple[str, Callable[[House], None]]] = [
    ("installation", lambda house: house.hear("installation", action="suspend")),
    ("deleted", lambda house: house.hear("installation", action="deleted")),
    ("removed", lambda house: house.hear("installation_repositories", action="removed")),
]


@pytest.mark.parametrize("hear", [each for _, each in HEARD], ids=[name for name, _ in HEARD])
def test_what_webhooks_took_is_gone_at_once_also_while_github_is_away(
    house: House,
    caller: Caller,
    ada: User,
    open_id: int,
    closed_id: int,
    hear: Callable[[House], None],
) -> None:
    assert caller.visible() == {open_id, closed_id}
    house.world.people.set_role(ada, "octo/closed", "none")
    hear(house)
    house.github.fault = fails
    assert caller.visible() == {open_id}
    house.github.fault = None
    house.forget_pauses()
    assert caller.visible() == {open_id}
    house.world.people.set_role(ada, "octo/closed", "read")
    hear(house)
    assert caller.visible() == {open_id, closed_id}


def test_what_was_made_private_is_gone_at_once(
    house: House, caller: Caller, open_id: int, closed_id: int
) -> None:
    assert caller.visible() == {open_id, closed_id}
    house.privatize(open_id)
    assert caller.visible() == {closed_id}


def test_a_token_that_github_refuses_ends_the_session_and_its_grant(
    house: House, caller: Caller, ada: User
) -> None:
    other = house.signed_in(ada)
    house.world.people.revoke_authorization(ada)
    for path in ("/stats", "/repositories"):
        response = caller.get(path)
        assert response.status_code == 401
        assert "sign in" in response.text
    assert house.asked() == 1, "the session is known to have ended"
    assert house.connection.execute(
        "select count(*) from app.sign_in_grants where revoked_at is null"
    ).fetchone() == (1,)
    assert other.get("/stats").status_code == 401


def test_a_revocation_that_github_tells_ends_sessions_at_once(
    house: House, caller: Caller, ada: User
) -> None:
    caller.read("/stats")
    asked = len(house.github.requests)
    house.hear("github_app_authorization", action="revoked", sender={"id": ada.account.id})
    assert caller.get("/stats").status_code == 401
    assert len(house.github.requests) == asked


def test_what_is_kept_are_ids_and_roles_without_a_token_or_a_name(
    house: House, caller: Caller, closed_id: int, settings: Settings
) -> None:
    caller.read("/stats")
    with redis.Redis.from_url(str(settings.cache_url)) as cache:
        (key,) = house.rights_keys(cache)
        value: Any = cache.get(key)
        lasts: Any = cache.ttl(key)
        everything: Any = [cache.get(each) for each in cache.scan_iter("actionsight:rights*")]
    assert json.loads(value)["roles"] == {str(closed_id): "read"}
    assert set(json.loads(value)) == {"read_at", "roles"}
    assert 890 < lasts <= 900
    assert "ghu_" not in str(everything) and "octo" not in str(everything)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"read_at": "2999-01-01", "roles": {}}',
        b'{"read_at": 1, "roles": {}}',
        b'{"read_at": "2999-01-01T00:00:00Z", "roles": {"x": "read"}}',
        b'{"read_at": "2999-01-01T00:00:00Z", "roles": {"812345704": "none"}}',
        b'{"read_at": "2999-01-01T00:00:00Z", "roles": [812345704]}',
    ],
)
def test_an_entry_that_cannot_be_read_is_none(
    house: House,
    caller: Caller,
    open_id: int,
    closed_id: int,
    settings: Settings,
    value: bytes,
) -> None:
    caller.read("/stats")
    with redis.Redis.from_url(str(settings.cache_url)) as cache:
        (key,) = house.rights_keys(cache)
        cache.set(key, value)
    assert caller.visible() == {open_id, closed_id}
    assert house.asked() == 2


def test_many_requests_at_once_ask_github_once(house: House, caller: Caller) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: caller.visible(), range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert house.asked() == 1


@pytest.fixture
def without_cache(settings: Settings, house: House) -> Any:
    """The same, its cache server away."""
    address = f"redis://{HOST}:{free_port()}/0"
    with app_of(replace(settings, cache_url=address)) as app:
        yield app


def test_without_the_cache_server_github_is_asked_each_time_and_fails_closed(
    house: House, ada: User, without_cache: Flask, open_id: int, closed_id: int
) -> None:
    caller = replace(house, app=without_cache).signed_in(ada)
    for count in (1, 2):
        assert caller.visible() == {open_id, closed_id}
        assert house.asked() == count
    house.github.fault = fails
    assert caller.visible() == {open_id}
