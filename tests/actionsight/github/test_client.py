"""One loop's requests against the stand-in and its faults; waits are noted instead of waited."""

import dataclasses
import logging
import multiprocessing
import time as time_of_machine

import pytest
from werkzeug.wrappers import Response

from actionsight.github import credentials
from actionsight.github.client import GitHubClient, next_permit_id
from actionsight.github.errors import (
    BadCredentialError,
    ForbiddenError,
    MissingError,
    RateLimitError,
    RefusedError,
    UnavailableError,
    UnexpectedResponseError,
)
from actionsight.github.pagination import get_object, iter_items, iter_pages
from actionsight.github.rate_limit.models import Priority
from actionsight.settings import Settings
from github_standin.server import faults as ready_made
from github_standin.server.server import Break, Server
from tests.actionsight.github.conftest import MakeRouter
from tests.actionsight.github.factories import PATH, REPOSITORY, TOKEN, Faults, Time, limited

pytestmark = pytest.mark.integration


def test_processes_that_were_forked_after_the_import_have_permits_of_their_own() -> None:
    context = multiprocessing.get_context("fork")
    ids = context.Queue()
    children = [context.Process(target=lambda: ids.put(next_permit_id())) for _ in range(2)]
    for child in children:
        child.start()
    assert len({ids.get(timeout=30) for _ in children}) == 2
    for child in children:
        child.join()


def test_it_says_who_it_is_and_which_version_it_speaks(
    client: GitHubClient, server: Server
) -> None:
    assert client.get(PATH).body["full_name"] == "octo/hello"
    headers = server.requests[-1].headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["x-github-api-version"] == "2022-11-28"
    assert headers["accept"] == "application/vnd.github+json"
    assert headers["user-agent"] == "actionsight"


def test_requests_are_counted_and_github_tells_the_time(client: GitHubClient) -> None:
    client.get(PATH)
    client.get(PATH)
    assert client.request_count == 2
    assert client.server_time is not None


def test_pages_follow_the_links_to_their_end(client: GitHubClient, server: Server) -> None:
    pages = list(iter_pages(client, f"{PATH}/actions/workflows", "workflows"))
    assert [len(page.payloads) for page in pages] == [100, 10]
    assert server.paths()[-1].startswith("/repositories/")


def test_a_renamed_repository_is_followed(client: GitHubClient, server: Server) -> None:
    repository = server.world.repository_named(REPOSITORY)
    assert repository is not None
    assert not client.get(PATH).is_moved
    server.world.rename_repository(repository, "octo/goodbye")
    answer = client.get(f"{PATH}/actions/workflows", {"per_page": 1})
    assert answer.is_moved
    assert len(answer.body["workflows"]) == 1
    assert client.request_count == 3


def test_an_etag_makes_an_unchanged_answer_free(client: GitHubClient, server: Server) -> None:
    url = f"{PATH}/actions/workflows"
    first = next(iter_pages(client, url, "workflows"))
    assert first.has_next
    (again,) = iter_pages(client, url, "workflows", etag=first.etag)
    assert again.is_unchanged
    assert (again.payloads, again.etag) == ([], first.etag)
    repository = server.world.repository_named(REPOSITORY)
    assert repository is not None
    server.world.add_workflow(repository, path="new.yml")
    pages = list(iter_pages(client, url, "workflows", etag=first.etag))
    assert [len(page.payloads) for page in pages] == [100, 11]


def test_a_tokens_key_tells_tokens_apart_and_does_not_give_them_away(
    client: GitHubClient, asked: Settings, make_router: MakeRouter
) -> None:
    other = make_router(dataclasses.replace(asked, github_token="ghp_another"))
    assert client.token_key != other.client(REPOSITORY, Priority.HEAD).token_key
    assert TOKEN not in client.token_key


def test_an_enterprise_servers_address_has_a_path(
    asked: Settings, make_router: MakeRouter, server: Server, faults: Faults
) -> None:
    link = f'<{server.url}/api/v3/repositories/1/x?page=2>; rel="next"'
    faults.answers = [
        Response(
            '[{"id": 1}]', status=200, headers={"Link": link}, content_type="application/json"
        ),
        Response('[{"id": 2}]', status=200, content_type="application/json"),
    ]
    root = dataclasses.replace(asked, github_api_url=f"{server.url}/api/v3")
    items = iter_items(make_router(root).client(REPOSITORY, Priority.HEAD), PATH)
    assert [item["id"] for item in items] == [1, 2]
    assert server.paths() == [f"/api/v3{PATH}", "/api/v3/repositories/1/x"]


def test_where_github_is_too_slow_smaller_pages_are_asked_for(
    client: GitHubClient, server: Server
) -> None:
    server.fault = ready_made.named("slow", server, most_rows=30)
    pages = list(iter_pages(client, f"{PATH}/actions/workflows", "workflows"))
    assert [len(page.payloads) for page in pages] == [25, 25, 25, 25, 10]
    assert client.request_count == 2 + 5


def test_smaller_pages_go_on_where_the_large_ones_stopped(
    client: GitHubClient, server: Server, faults: Faults
) -> None:
    pages = iter_pages(client, f"{PATH}/actions/workflows", "workflows")
    names = [workflow["name"] for workflow in next(pages).payloads]
    server.fault = ready_made.named("slow", server, most_rows=24)
    rest = [workflow["name"] for page in pages for workflow in page.payloads]
    assert names + rest == [f"Workflow {number}" for number in range(110)]
    assert server.requests[-1].query["per_page"] == "5"


def test_where_it_is_too_slow_for_any_page_it_is_unavailable(
    client: GitHubClient, server: Server
) -> None:
    server.fault = ready_made.named("slow", server, most_rows=1)
    with pytest.raises(UnavailableError, match="status 502 3 times"):
        list(iter_pages(client, f"{PATH}/actions/workflows", "workflows"))


@pytest.mark.parametrize(
    "fault",
    [
        Response("down", status=502),
        Response("<html>Unicorn!</html>", status=200),
        Response('{"id": 1, "na', status=200),
        Response("", status=200),
        Break(),
        Break(body_bytes=5),
    ],
    ids=["5xx", "html", "cut json", "empty", "no answer", "cut answer"],
)
def test_a_passing_fault_is_tried_again(
    client: GitHubClient, faults: Faults, time: Time, fault: Response | Break
) -> None:
    faults.answers = [fault, fault]
    assert client.get(PATH).body["full_name"] == "octo/hello"
    assert len(time.waits) == 2
    assert 0.5 <= time.waits[0] <= 1.5
    assert 1 <= time.waits[1] <= 3


def test_a_lasting_fault_is_an_error_that_says_so(client: GitHubClient, faults: Faults) -> None:
    faults.answers = [Response("down", status=503) for _ in range(3)]
    with pytest.raises(UnavailableError, match="status 503 3 times for /repos/octo/hello"):
        client.get(PATH)


def test_a_named_rate_limit_is_waited_out(client: GitHubClient, faults: Faults, time: Time) -> None:
    faults.answers = [limited(429, Retry_After="30")]
    client.get(PATH)
    assert time.waits == [30]


def test_a_secondary_limit_that_names_no_time_is_waited_out(
    client: GitHubClient, faults: Faults, time: Time
) -> None:
    faults.answers = [limited()]
    client.get(PATH)
    assert time.waits == [60]


def test_older_enterprise_servers_call_a_limit_abuse(
    client: GitHubClient, faults: Faults, time: Time
) -> None:
    message = (
        '{"message": "You have triggered an abuse detection mechanism. '
        'Please wait a few minutes before you try again."}'
    )
    faults.answers = [Response(message, status=403, headers={"X-RateLimit-Remaining": "4999"})]
    client.get(PATH)
    assert time.waits == [60]


def test_one_that_lasts_is_waited_for_longer_each_time_and_then_stops_collection(
    client: GitHubClient, faults: Faults, time: Time
) -> None:
    faults.answers = [limited() for _ in range(9)]
    with pytest.raises(RateLimitError, match="another 120 seconds") as raised:
        client.get(PATH)
    assert raised.value.credential == "token"
    assert time.waits == [60]
    assert client.request_count == 2


def test_once_it_is_over_the_next_one_is_waited_for_as_long_as_the_first(
    client: GitHubClient, faults: Faults, time: Time
) -> None:
    for _ in range(2):
        faults.answers = [limited()]
        client.get(PATH)
    assert time.waits == [60, 60]


def test_a_limit_that_lasts_too_long_stops_collection(
    client: GitHubClient, server: Server, time: Time
) -> None:
    server.rate_limit = 1
    client.get(PATH)
    with pytest.raises(RateLimitError, match=r"used up for another 3,[0-9]+ seconds") as raised:
        client.get(PATH)
    assert raised.value.credential == "token"
    assert time.waits == []
    assert client.request_count == 1


def test_a_refused_permission_is_not_tried_again(
    client: GitHubClient, faults: Faults, time: Time
) -> None:
    message = '{"message": "Resource not accessible by personal router token"}'
    faults.answers = [Response(message, status=403)]
    with pytest.raises(ForbiddenError, match=r"not accessible.*Metadata and Actions"):
        client.get(PATH)
    assert time.waits == []


def test_bad_credentials_stop_at_once_and_are_never_shown(
    asked: Settings, make_router: MakeRouter, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    router = make_router(dataclasses.replace(asked, github_token="ghp_wrongButSecret"))
    for _ in range(2):
        client = router.client(REPOSITORY, Priority.HEAD)
        with pytest.raises(BadCredentialError, match="ACTIONSIGHT_GITHUB_TOKEN") as raised:
            client.get(PATH)
        assert raised.value.credential == "token"
        assert "ghp_" not in str(raised.value) + repr(client) + caplog.text
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [404, 410, 451])
def test_what_is_not_there_is_told_apart(client: GitHubClient, faults: Faults, status: int) -> None:
    faults.answers = [Response('{"message": "Not Found"}', status=status)]
    with pytest.raises(MissingError) as raised:
        client.get(PATH)
    assert raised.value.status_code == status


def test_the_token_is_not_carried_to_another_host(client: GitHubClient) -> None:
    with pytest.raises(UnexpectedResponseError, match=r"another host: evil\.example"):
        client.get("https://evil.example/repos")
    assert client.request_count == 0


def test_a_form_that_the_contract_does_not_allow_is_told(client: GitHubClient) -> None:
    with pytest.raises(UnexpectedResponseError, match="no list of jobs"):
        list(iter_pages(client, PATH, "jobs"))
    with pytest.raises(MissingError):
        get_object(client, f"{PATH}/nothing")


def test_without_a_token_it_asks_unauthenticated(
    asked: Settings, make_router: MakeRouter, server: Server
) -> None:
    server.token = None
    client = make_router(dataclasses.replace(asked, github_token=None)).client(
        REPOSITORY, Priority.HEAD
    )
    assert client.get(PATH).body["full_name"] == REPOSITORY
    assert "authorization" not in server.requests[-1].headers
    assert client.token_key == "anonymous"


@pytest.mark.parametrize(("is_repeatable", "count"), [(False, 1), (True, 3)])
def test_what_changes_something_is_sent_again_only_where_that_does_no_harm(
    client: GitHubClient, server: Server, faults: Faults, is_repeatable: bool, count: int
) -> None:
    faults.answers = [Response("down", status=502) for _ in range(5)]
    with pytest.raises(UnavailableError):
        client.post(f"{PATH}/hooks", {"name": "web"}, is_repeatable=is_repeatable)
    assert len(server.requests) == count
    assert server.requests[-1].headers["content-type"] == "application/json"
    with pytest.raises(UnavailableError):
        client.delete(f"{PATH}/hooks/1")
    assert len(server.requests) == count + 1


def test_what_is_deleted_has_no_body(client: GitHubClient, faults: Faults) -> None:
    faults.answers = [Response(status=204)]
    assert client.delete(f"{PATH}/hooks/1").body is None


def test_another_refusal_tells_its_status(client: GitHubClient, faults: Faults) -> None:
    faults.answers = [Response('{"message": "Validation Failed"}', status=422)]
    with pytest.raises(RefusedError, match="Validation Failed") as raised:
        client.post(f"{PATH}/hooks", {})
    assert raised.value.status_code == 422


def test_what_was_refused_is_asked_again_after_a_minute(
    asked: Settings, make_router: MakeRouter, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.token = "ghp_another"
    router = make_router(asked)
    monkeypatch.setattr(credentials, "REFUSED_SECONDS", 0.2)
    for _ in range(2):
        with pytest.raises(BadCredentialError):
            router.client(REPOSITORY, Priority.HEAD).get(PATH)
    assert len(server.requests) == 1
    server.token = TOKEN
    deadline = time_of_machine.monotonic() + 30
    while True:
        try:
            body = router.client(REPOSITORY, Priority.HEAD).get(PATH).body
        except BadCredentialError:
            assert time_of_machine.monotonic() < deadline
        else:
            assert body["full_name"] == REPOSITORY
            return
