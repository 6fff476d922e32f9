"""What a person may see: what is public, and what GitHub lists for them; for minutes, then not."""

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from threading import Event
from typing import Any

import pytest
import redis
from werkzeug.wrappers import Request, Response

from actionsight.settings import Settings
from api.auth import permissions
from github_standin.world.people import User
from tests.api.permissions.installation import (
    ODD_INSTALLATIONS,
    OPERATOR_ID,
    Caller,
    Installation,
    answering,
    fails,
)

pytestmark = pytest.mark.integration


def test_a_person_sees_what_is_public_and_what_github_lists(
    installation: Installation, browser: Caller, open_id: int, closed_id: int
) -> None:
    assert browser.visible() == {open_id, closed_id}
    outsider = installation.signed_in(installation.person("eve"))
    assert outsider.visible() == {open_id}


def test_what_is_public_counts_so_for_fifteen_minutes_and_one_poll(
    installation: Installation, open_id: int, settings: Settings
) -> None:
    outsider = installation.signed_in(installation.person("eve"))
    installation.refuse_collector(14.9 + settings.poll_minutes)
    assert outsider.visible() == {open_id}
    installation.refuse_collector(15.1 + settings.poll_minutes)
    assert outsider.visible() == set()
    installation.connection.execute("update app.repositories set visibility_seen_at = null")
    assert outsider.visible() == set()


def test_what_github_lists_and_nobody_monitors_is_not_there(
    installation: Installation, browser: Caller, reader: User, open_id: int, closed_id: int
) -> None:
    installation.world.people.set_role(reader, "octo/spare", "admin")
    assert browser.visible() == {open_id, closed_id}


def test_what_is_internal_is_visible_to_whom_github_lists_it_alone(
    installation: Installation, reader: User, browser: Caller, open_id: int, closed_id: int
) -> None:
    installation.connection.execute("update app.repositories set visibility = 'internal'")
    assert browser.visible() == {closed_id}
    assert installation.signed_in(installation.person("eve")).visible() == set()


def test_github_is_asked_once_in_five_minutes_and_by_session(
    installation: Installation, reader: User, browser: Caller
) -> None:
    for path in ("/repositories", "/stats", "/workflows"):
        browser.read(path)
    installation.age(4.9)
    browser.read("/stats")
    assert installation.asked() == 1
    installation.age(0.2)
    browser.read("/stats")
    installation.settle()
    assert installation.asked() == 2
    installation.signed_in(reader).read("/stats")
    assert installation.asked() == 3


def test_an_operator_s_rights_need_no_github(
    installation: Installation, open_id: int, closed_id: int
) -> None:
    installation.github.fault = fails
    operator = installation.signed_in(installation.person("root", user_id=OPERATOR_ID))
    assert operator.visible() == {open_id, closed_id}
    assert installation.github.requests == []


def test_all_pages_are_read_and_of_every_installation(
    installation: Installation, closed_id: int
) -> None:
    roles = {}
    for number in range(250):
        last = installation.world.add_repository(f"acme/r{number}", visibility="private").id
        roles[f"acme/r{number}"] = "read"
    installation.world.people.install("acme")
    installation.connection.execute(
        "insert into app.repositories (repository_id, full_name) values (%s, 'acme/last')", [last]
    )
    browser = installation.signed_in(
        installation.person("reader", {**roles, "octo/closed": "triage"})
    )
    assert browser.visible() == {closed_id, last}
    assert sum("/repositories" in path for path in installation.github.paths()) == 3 + 1


def test_an_installation_without_an_owner_is_passed_over(
    installation: Installation, browser: Caller, open_id: int, closed_id: int
) -> None:
    installation.github.fault = answering(
        installation,
        "/user/installations",
        lambda body: body["installations"].extend([*ODD_INSTALLATIONS, None]),
    )
    assert browser.visible() == {open_id, closed_id}


def test_a_suspended_or_removed_installation_lists_nothing(
    installation: Installation, reader: User, open_id: int, closed_id: int
) -> None:
    installation.world.people.suspend(installation.organisation)
    browser = installation.signed_in(reader)
    assert browser.visible() == {open_id}
    installation.world.people.unsuspend(installation.organisation)
    assert browser.visible() == {open_id}  # for five minutes
    installation.age(5)
    assert renewed(installation, browser) == {open_id, closed_id}
    installation.world.people.uninstall(installation.organisation)
    installation.age(5)
    assert renewed(installation, browser) == {open_id}


def test_an_installation_that_ends_while_its_repositories_are_listed_lists_nothing(
    installation: Installation, browser: Caller, open_id: int
) -> None:
    def ends(request: Request) -> Response | None:
        return Response("{}", 404) if request.path.endswith("/repositories") else None

    installation.github.fault = ends
    assert browser.visible() == {open_id}


def test_a_role_that_was_lost_shows_nothing_after_five_minutes(
    installation: Installation, browser: Caller, reader: User, open_id: int, closed_id: int
) -> None:
    assert browser.visible() == {open_id, closed_id}
    installation.world.people.set_role(reader, "octo/closed", "none")
    installation.age(5)
    assert renewed(installation, browser) == {open_id}


def renewed(installation: Installation, browser: Caller) -> set[int]:
    """What somebody sees who asked a moment before."""
    browser.read("/stats")
    installation.settle()
    return browser.visible()


def test_rights_of_five_to_fifteen_minutes_serve_at_once_while_one_request_asks_github(
    installation: Installation, browser: Caller, reader: User, open_id: int, closed_id: int
) -> None:
    assert browser.visible() == {open_id, closed_id}
    installation.world.people.set_role(reader, "octo/closed", "none")
    answered = Event()

    def slow(_: Request) -> None:
        answered.wait(timeout=60)

    installation.github.fault = slow
    installation.age(14)
    with ThreadPoolExecutor(8) as threads:
        assert (
            list(threads.map(lambda _: browser.visible(), range(8))) == [{open_id, closed_id}] * 8
        )
    answered.set()
    installation.settle()
    assert installation.asked() == 2
    assert browser.visible() == {open_id}


def test_who_waited_in_vain_gets_what_is_public_and_asks_not_again(
    installation: Installation,
    browser: Caller,
    open_id: int,
    closed_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(permissions, "WAIT_SECONDS", 0.2)
    answered = Event()

    def slow(_: Request) -> None:
        answered.wait(timeout=60)

    installation.github.fault = slow
    with ThreadPoolExecutor(4) as threads:
        first = [threads.submit(browser.visible) for _ in range(4)]
        waited = list(islice(as_completed(first, timeout=60), 3))
        answered.set()
        assert [each.result() for each in waited] == [{open_id}] * 3
        assert {frozenset(each.result()) for each in first} == {
            frozenset({open_id}),
            frozenset({open_id, closed_id}),
        }
    assert installation.asked() == 1


def test_who_waits_for_what_another_asks_leaves_the_cache_server_alone(
    installation: Installation, browser: Caller, settings: Settings
) -> None:
    asked, answered = Event(), Event()

    def slow(_: Request) -> None:
        asked.set()
        answered.wait(timeout=60)

    installation.github.fault = slow
    with redis.Redis.from_url(str(settings.cache_url)) as cache, ThreadPoolExecutor(8) as threads:

        def locks_asked_for() -> int:
            return int(cache.info("commandstats").get("cmdstat_set", {}).get("calls", 0))

        waiting = [threads.submit(browser.visible) for _ in range(8)]
        assert asked.wait(timeout=60)
        before = locks_asked_for()
        time.sleep(0.5)  # each would have asked ten times
        assert locks_asked_for() - before <= 1
        answered.set()
        assert len({frozenset(each.result()) for each in waiting}) == 1


def test_all_pages_together_have_one_deadline(
    installation: Installation, browser: Caller, open_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permissions, "ASKING_SECONDS", 0.5)
    installation.github.fault = lambda _: time.sleep(0.3)
    assert browser.visible() == {open_id}


def test_what_is_kept_are_ids_and_roles_without_a_token_or_a_name(
    installation: Installation, browser: Caller, closed_id: int, settings: Settings
) -> None:
    browser.read("/stats")
    with redis.Redis.from_url(str(settings.cache_url)) as cache:
        (key,) = installation.rights_keys(cache)
        entry = installation.entry(cache, key)
        lasts: Any = cache.ttl(key)
        everything: Any = [cache.get(each) for each in cache.scan_iter("actionsight:rights*")]
    assert entry["roles"] == {str(closed_id): "read"}
    assert set(entry) == {"read_at", "roles"}
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
    installation: Installation,
    browser: Caller,
    open_id: int,
    closed_id: int,
    settings: Settings,
    value: bytes,
) -> None:
    browser.read("/stats")
    with redis.Redis.from_url(str(settings.cache_url)) as cache:
        (key,) = installation.rights_keys(cache)
        cache.set(key, installation.sealed(key, value))
    assert browser.visible() == {open_id, closed_id}
    assert installation.asked() == 2


def test_whoever_writes_to_the_cache_server_grants_nothing(
    installation: Installation, browser: Caller, open_id: int, closed_id: int, settings: Settings
) -> None:
    """Neither by an entry of their own nor by one that was sealed for somebody else."""
    browser.read("/stats")
    stranger = installation.signed_in(installation.person("eve"))
    assert stranger.visible() == {open_id}
    with redis.Redis.from_url(str(settings.cache_url)) as cache:
        keys = installation.rights_keys(cache)
        entries = [installation.entry(cache, key) for key in keys]
        (of_stranger,) = [
            key for key, entry in zip(keys, entries, strict=True) if not entry["roles"]
        ]
        (of_reader,) = [key for key in keys if key != of_stranger]
        granted: Any = cache.get(of_reader)
        for forged in (granted, granted[16:], bytes(16) + granted[16:]):
            cache.set(of_stranger, forged)
            assert stranger.visible() == {open_id}


def test_many_requests_at_once_ask_github_once(installation: Installation, browser: Caller) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: browser.visible(), range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert installation.asked() == 1
