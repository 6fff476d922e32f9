"""A GitHub App as the collector: its tokens, and which installation asks for what."""

import dataclasses
import json
import logging
import re
from collections import Counter

import pytest
import redis
from werkzeug.wrappers import Request, Response

from actionsight.github.diagnostics import check
from actionsight.github.errors import BadCredentialError, ForbiddenError, UnavailableError
from actionsight.github.rate_limit.models import Priority
from actionsight.settings import Settings
from github_standin.server import faults as ready_made
from github_standin.server.server import Server
from github_standin.world.people import Installation
from github_standin.world.world import World
from tests.actionsight.github.conftest import MakeRouter
from tests.actionsight.github.factories import TOKEN, Time

pytestmark = pytest.mark.integration

HEAD = Priority.HEAD
MADE = "/app/installations/{}/access_tokens"


@pytest.fixture
def octo(world: World) -> Installation:
    return world.people.install("octo")


@pytest.fixture
def hub(world: World) -> Installation:
    return world.people.install("hub")


def bearer(app_server: Server, path: str) -> str:
    """The token of the newest request for a path."""
    return next(
        logged.headers["authorization"]
        for logged in reversed(app_server.requests)
        if logged.path == path
    )


def test_an_installation_asks_with_a_token_of_its_own(
    make_app_router: MakeRouter, app_server: Server, octo: Installation
) -> None:
    client = make_app_router().client("octo/app", HEAD)
    for _ in range(3):
        assert client.get("/repos/octo/app").body["full_name"] == "octo/app"
    assert bearer(app_server, "/repos/octo/app").startswith("Bearer ghs_")
    assert Counter(app_server.paths())[MADE.format(octo.id)] == 1


def test_processes_share_a_token_which_nobody_reads_in_the_cache(
    make_app_router: MakeRouter, app_server: Server, octo: Installation, cache_url: str
) -> None:
    one, other = (make_app_router().client("octo/app", HEAD) for _ in range(2))
    one.get("/repos/octo/app")
    other.get("/repos/octo/app")
    assert Counter(app_server.paths())[MADE.format(octo.id)] == 1
    assert one.token_key == other.token_key
    token = bearer(app_server, "/repos/octo/app").removeprefix("Bearer ").encode()
    with redis.Redis.from_url(cache_url) as cache_server:
        (key,) = cache_server.scan_iter("actionsight:github:token:*")
        kept = cache_server.get(key)
        assert isinstance(kept, bytes)
        assert token not in kept
        assert 0 < cache_server.ttl(key) <= 3600 - 300


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "Bad credentials"), (403, "Resource not accessible by integration")],
)
def test_a_token_that_is_not_known_everywhere_yet_is_waited_for(
    make_app_router: MakeRouter,
    app_server: Server,
    octo: Installation,
    time: Time,
    status: int,
    message: str,
) -> None:
    began = time.now

    def refused(request: Request) -> Response | None:
        if not request.path.startswith("/repos/") or time.now >= began + 5:
            return None
        return Response(f'{{"message": "{message}"}}', status=status)

    app_server.fault = refused
    client = make_app_router().client("octo/app", HEAD)
    client.get("/repos/octo/app")
    assert time.waits == [1, 2, 4]
    assert Counter(app_server.paths())[MADE.format(octo.id)] == 1

    time.now += 600
    app_server.fault = lambda _: Response(f'{{"message": "{message}"}}', status=403)
    with pytest.raises(ForbiddenError):
        client.get("/repos/octo/app")
    assert len(time.waits) == 3


def test_an_installation_on_an_enterprise_is_passed_over(
    make_app_router: MakeRouter, app_server: Server, octo: Installation
) -> None:
    def with_others(request: Request) -> Response | None:
        if request.path != "/app/installations":
            return None
        response = app_server.answer(request)
        enterprise = {"id": 5, "slug": "acme", "name": "Acme"}
        others = [
            {"id": 99, "target_type": "Enterprise", "account": enterprise, "permissions": {}},
            {"id": 98, "account": None},
            {"account": {"login": "nobody"}},
            "nothing",
        ]
        if response.status_code == 200:
            response.set_data(json.dumps(others + json.loads(response.get_data())))
        return response

    app_server.fault = with_others
    router = make_app_router()
    assert router.client("octo/app", HEAD).get("/repos/octo/app").body["full_name"] == "octo/app"
    found = {each.subject: each for each in check(router, ["octo/app"])}
    assert not any(each.is_wrong for each in found.values())
    assert "GitHub App on octo" in found


def test_a_token_is_renewed_before_it_ends(
    make_app_router: MakeRouter, app_server: Server, octo: Installation, time: Time
) -> None:
    client = make_app_router().client("octo/app", HEAD)
    client.get("/repos/octo/app")
    before = client.token_key
    time.now += 3600 - 310
    client.get("/repos/octo/app")
    assert client.token_key == before
    time.now += 20
    client.get("/repos/octo/app")
    assert client.token_key != before
    assert 401 not in [logged.status for logged in app_server.requests if "repos" in logged.path]


def test_a_token_that_ends_in_mid_run_is_replaced_once(
    make_app_router: MakeRouter, app_server: Server, world: World, octo: Installation
) -> None:
    client = make_app_router().client("octo/app", HEAD)
    client.get("/repos/octo/app")
    world.people.expire_installation_tokens(octo)
    client.get("/repos/octo/app")
    assert Counter(app_server.paths())[MADE.format(octo.id)] == 2
    app_server.fault = ready_made.named("expired_token", app_server, paths="/repos/")
    with pytest.raises(BadCredentialError, match="refuses the tokens") as raised:
        client.get("/repos/octo/app")
    assert raised.value.credential == f"installation {octo.id} (octo)"
    asked = len(app_server.requests)
    with pytest.raises(BadCredentialError):
        client.get("/repos/octo/app")
    assert len(app_server.requests) == asked


def test_each_owners_installation_asks_and_has_a_budget_of_its_own(
    make_app_router: MakeRouter, app_server: Server, octo: Installation, hub: Installation
) -> None:
    router = make_app_router()
    for name in ("octo/app", "hub/site", "Octo/lib"):
        router.client(name, HEAD).get(f"/repos/{name}")
    left = {each.credential: (each.limit, each.remaining) for each in router.rate_limits()}
    assert left == {
        f"installation {octo.id} (octo)": (5000, 4998),
        f"installation {hub.id} (hub)": (5000, 4999),
    }
    assert bearer(app_server, "/repos/octo/app") != bearer(app_server, "/repos/hub/site")


def test_what_an_installation_was_not_given_the_token_reads(
    make_app_router: MakeRouter, app: Settings, app_server: Server, world: World
) -> None:
    world.people.install("octo", ["octo/lib"])
    router = make_app_router(dataclasses.replace(app, github_token=TOKEN))
    for name in ("octo/lib", "octo/app", "hub/site"):
        router.client(name, HEAD).get(f"/repos/{name}")
    assert bearer(app_server, "/repos/octo/lib").startswith("Bearer ghs_")
    assert bearer(app_server, "/repos/octo/app") == f"Bearer {TOKEN}"
    assert bearer(app_server, "/repos/hub/site") == f"Bearer {TOKEN}"


def test_a_public_repository_elsewhere_is_read_by_any_installation(
    make_app_router: MakeRouter, octo: Installation
) -> None:
    client = make_app_router().client("free/tool", HEAD)
    assert client.get("/repos/free/tool").body["visibility"] == "public"


def test_an_app_that_is_installed_nowhere_says_so(make_app_router: MakeRouter) -> None:
    with pytest.raises(ForbiddenError, match="not installed anywhere"):
        make_app_router().client("octo/app", HEAD).get("/repos/octo/app")


def test_an_installation_that_ends_does_not_stop_another(
    make_app_router: MakeRouter, world: World, octo: Installation, hub: Installation
) -> None:
    router = make_app_router()
    router.installations()
    world.people.uninstall(octo)
    with pytest.raises(BadCredentialError, match="not installed there any more") as raised:
        router.client("octo/app", HEAD).get("/repos/octo/app")
    assert raised.value.credential == f"installation {octo.id} (octo)"
    assert router.client("hub/site", HEAD).get("/repos/hub/site").body["id"]


def test_what_installations_cover_is_looked_up_again(
    make_app_router: MakeRouter, app_server: Server, world: World, octo: Installation, time: Time
) -> None:
    router = make_app_router()
    router.client("octo/app", HEAD).get("/repos/octo/app")
    hub = world.people.install("hub")
    time.now += 301
    router.client("hub/site", HEAD).get("/repos/hub/site")
    assert f"installation {hub.id} (hub)" in [each.credential for each in router.rate_limits()]


def test_a_wrong_key_stops_at_once(
    make_app_router: MakeRouter,
    app: Settings,
    other_key: str,
    app_server: Server,
    octo: Installation,
) -> None:
    router = make_app_router(dataclasses.replace(app, github_app_private_key=other_key))
    for _ in range(2):
        with pytest.raises(BadCredentialError, match="ACTIONSIGHT_GITHUB_APP_PRIVATE_KEY"):
            router.client("octo/app", HEAD).get("/repos/octo/app")
    # The second try is by GitHub's clock, which differs from this machine's.
    assert app_server.paths() == ["/app/installations"] * 2


@pytest.mark.parametrize("path", ["access_tokens", "installations$"])
@pytest.mark.parametrize("fault", ["html_with_200", "truncated_json", "empty_body", "server_error"])
def test_faults_are_tried_again_for_the_app_too(
    make_app_router: MakeRouter,
    app_server: Server,
    octo: Installation,
    time: Time,
    fault: str,
    path: str,
) -> None:
    router = make_app_router()
    assert router.app is not None
    router.app.description()  # from here on it knows GitHub's clock
    app_server.fault = ready_made.named(fault, app_server, paths=path, times=2)
    client = router.client("octo/app", HEAD)
    assert client.get("/repos/octo/app").body["id"]
    assert len([each for each in app_server.paths() if re.search(path, each)]) == 3
    assert time.waits
    app_server.fault = ready_made.named(fault, app_server, paths="/app")
    time.now += 3600
    with pytest.raises(UnavailableError):
        client.get("/repos/octo/app")


def test_no_token_and_no_key_is_ever_shown(
    make_app_router: MakeRouter,
    app_server: Server,
    world: World,
    octo: Installation,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    router = make_app_router()
    client = router.client("octo/app", HEAD)
    client.get("/repos/octo/app")
    token = bearer(app_server, "/repos/octo/app").removeprefix("Bearer ")
    app_server.fault = ready_made.named("expired_token", app_server, paths="/repos/")
    with pytest.raises(BadCredentialError) as raised:
        client.get("/repos/octo/app")
    shown = (
        caplog.text + repr(router.installations()) + repr(router.rate_limits()) + str(raised.value)
    )
    assert token not in shown
    assert "eyJ" not in shown
    assert "PRIVATE KEY" not in shown


def test_the_repositories_of_an_owner_are_those_that_a_credential_reads(
    make_app_router: MakeRouter, app: Settings, world: World, octo: Installation
) -> None:
    person = world.people.add_user("person")
    world.add_repository("person/dots", owner=person.account)
    router = make_app_router(dataclasses.replace(app, github_token=TOKEN))

    def names(owner: str) -> set[str]:
        return {repository["full_name"] for repository in router.repositories_of(owner, HEAD)}

    assert names("Octo") == {"octo/app", "octo/lib"}
    assert names("hub") == {"hub/site"}
    assert names("person") == {"person/dots"}
