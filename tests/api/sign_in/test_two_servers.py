"""Two servers of the API on two machines (here two folders): whoever asks need not know which."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from psycopg import Connection

from actionsight.api_tokens import create_token
from actionsight.settings import Settings
from github_standin.world.world import World
from tests.api.client import bearer
from tests.api.marts import Marts
from tests.api.prometheus.exposition import Exposition, parse
from tests.api.sign_in.browser import CALLBACK, CLIENT_ID, CLIENT_SECRET
from tests.support.granian import served
from tests.support.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.thorough]

PUBLIC = f"http://127.0.0.1:{free_port()}"  # of a balancer before both


@pytest.fixture
def both(
    settings: Settings, world: World, cache_url: str, marts: Marts, tmp_path: Path
) -> Iterator[tuple[str, str]]:
    """Their addresses; what they share is told by settings alone."""
    marts.repository(1, "acme/a", observed_until="2026-01-07 10:00Z")
    marts.workflow(10, 1, "Build")
    marts.run(100, 10, "2026-01-01 00:00")
    marts.add_up_days()
    marts.raise_version(1)
    world.people.register_app(CLIENT_ID, CLIENT_SECRET, [PUBLIC + CALLBACK])
    told = replace(settings, public_url=PUBLIC, cache_url=cache_url).environment()
    first, second = (tmp_path / name / "server.log" for name in ("first", "second"))
    for log_file in (first, second):
        log_file.parent.mkdir()
    with served("api.wsgi:app", told, first) as one, served("api.wsgi:app", told, second) as two:
        yield f"http://127.0.0.1:{one}", f"http://127.0.0.1:{two}"


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Origin"] = PUBLIC
        yield session


def scraped(http: requests.Session, root: str, token: str) -> Exposition:
    return parse(http.get(f"{root}/metrics", headers=bearer(token), timeout=20).text)


def left(answer: requests.Response) -> int:
    """How many requests the viewer has left, as the answer says."""
    [remaining] = [
        part[2:] for part in answer.headers["RateLimit"].split(";") if part.startswith("r=")
    ]
    return int(remaining)


def test_a_person_signs_in_at_one_and_out_at_the_other(
    both: tuple[str, str], http: requests.Session
) -> None:
    one, two = both
    begun = http.post(f"{one}/login", allow_redirects=False, timeout=20)
    chosen = http.post(
        begun.headers["Location"], data={"login": "ada"}, allow_redirects=False, timeout=20
    )
    back = urlsplit(chosen.headers["Location"])
    ended = http.get(f"{two}{back.path}?{back.query}", allow_redirects=False, timeout=20)
    assert ended.status_code == 303, ended.text
    me: dict[str, Any] = http.get(f"{one}/me", timeout=20).json()
    assert me["login"] == "ada"
    csrf = {me["csrf_header"]: me["csrf_token"]}
    assert http.post(f"{two}/logout", headers=csrf, timeout=20).status_code == 204
    assert [http.get(f"{root}/me", timeout=20).status_code for root in both] == [401, 401]


def test_limits_revocation_answers_and_metrics_are_those_of_one_installation(
    both: tuple[str, str], http: requests.Session, marts: Marts, connection: Connection[Any]
) -> None:
    token_id, token = create_token(connection, "test")
    headers = bearer(token)

    def ask(root: str, **more: str) -> requests.Response:
        return http.get(f"{root}/stats", headers=headers | more, timeout=20)

    one, two = both
    computed = ask(one)
    assert computed.json()["data"]["run_count"] == 1
    # Nothing raised the version: the second one finds what the first one kept.
    connection.execute("delete from marts.workflow_statistics_by_day")
    found = ask(two)
    assert (found.json(), found.headers["ETag"]) == (computed.json(), computed.headers["ETag"])
    assert ask(two, **{"If-None-Match": computed.headers["ETag"]}).status_code == 304
    marts.raise_version(1)
    changed = [ask(root).json()["data"]["run_count"] for root in both]
    assert changed == [0, 0]

    counts = [left(ask(root)) for root in (one, two, one, two)]
    assert counts == [counts[0] - number for number in range(4)]

    before = [scraped(http, root, token) for root in both]
    for root, times in ((one, 3), (two, 2)):
        for _ in range(times):
            ask(root)
    told = {"route": "/stats", "status": "200", "method": "GET"}
    requested = "actionsight_http_requests_total"
    grown = [
        (scraped(http, root, token).value(requested, **told) or 0)
        - (page.value(requested, **told) or 0)
        for root, page in zip(both, before, strict=True)
    ]
    assert grown == [3, 2], "each tells of its own, and the sum of all"
    states = [page.by("actionsight_repositories", "state") for page in before]
    assert states[0] == states[1] != {}, "what the database tells is the same at each"

    connection.execute(
        "update app.api_tokens set revoked_at = now() where token_id = %s", [token_id]
    )
    assert [ask(root).status_code for root in both] == [401, 401]
