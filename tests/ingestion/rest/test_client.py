"""The client against the stand-in and its faults; waits are noted instead of waited."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from werkzeug.wrappers import Request, Response

from github_standin.server import Break, Server, serving
from github_standin.world import World
from ingestion.github.rest.client import GitHubClient, Patience
from ingestion.github.rest.errors import (
    BadCredentialError,
    ForbiddenError,
    MissingError,
    RateLimitError,
    UnavailableError,
    UnexpectedAnswerError,
)

pytestmark = pytest.mark.integration

TOKEN = "ghp_neverInAnyLog"
PATH = "/repos/octo/hello"


@dataclass
class Faults:
    """Answers to give, in order, before GitHub is well again."""

    answers: list[Response | Break] = field(default_factory=list)

    def __call__(self, _request: Request) -> Response | Break | None:
        return self.answers.pop(0) if self.answers else None


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def server(faults: Faults) -> Iterator[Server]:
    world = World()
    repository = world.add_repository("octo/hello")
    for number in range(5):
        world.add_workflow(repository, f"Workflow {number}", path=f".github/workflows/{number}.yml")
    with serving(world, token=TOKEN, fault=faults) as running:
        yield running


@dataclass
class Time:
    """A clock that goes on by what is slept."""

    now: float = 1_790_000_000.0
    waits: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def waits(time: Time) -> list[float]:
    return time.waits


@pytest.fixture
def client(server: Server, time: Time) -> Iterator[GitHubClient]:
    patience = Patience(tries=3, longest_wait_seconds=100, sleep=time.sleep, clock=time.clock)
    client = GitHubClient(server.url, TOKEN, patience)
    yield client
    client.close()


def test_it_says_who_it_is_and_which_version_it_speaks(
    client: GitHubClient, server: Server
) -> None:
    assert client.get(PATH).body["full_name"] == "octo/hello"
    headers = server.requests[-1].headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["x-github-api-version"] == "2022-11-28"
    assert headers["accept"] == "application/vnd.github+json"
    assert headers["user-agent"] == "actionsight"


def test_it_remembers_the_rate_limit_and_counts_requests(client: GitHubClient) -> None:
    client.get(PATH)
    client.get(PATH)
    assert client.request_count == 2
    assert client.rate_limit is not None
    assert (client.rate_limit.limit, client.rate_limit.remaining) == (5000, 4998)
    assert client.server_time is not None


def test_pages_follow_the_links_to_their_end(client: GitHubClient, server: Server) -> None:
    pages = list(client.pages(f"{PATH}/actions/workflows", {"per_page": 2}))
    assert [len(page.body["workflows"]) for page in pages] == [2, 2, 1]
    assert server.paths()[-1].startswith("/repositories/")


def test_a_renamed_repository_is_followed(client: GitHubClient, server: Server) -> None:
    repository = server.world.repository_named("octo/hello")
    assert repository is not None
    server.world.rename_repository(repository, "octo/goodbye")
    assert client.get(PATH).body["full_name"] == "octo/goodbye"
    assert client.request_count == 2


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
    client: GitHubClient, faults: Faults, waits: list[float], fault: Response | Break
) -> None:
    faults.answers = [fault, fault]
    assert client.get(PATH).body["full_name"] == "octo/hello"
    assert len(waits) == 2
    assert 0.5 <= waits[0] <= 1.5
    assert 1 <= waits[1] <= 3


def test_a_lasting_fault_is_an_error_that_says_so(client: GitHubClient, faults: Faults) -> None:
    faults.answers = [Response("down", status=503) for _ in range(3)]
    with pytest.raises(UnavailableError, match="status 503 3 times for /repos/octo/hello"):
        client.get(PATH)


def test_a_named_rate_limit_is_waited_out(
    client: GitHubClient, faults: Faults, waits: list[float]
) -> None:
    faults.answers = [Response("{}", status=429, headers={"Retry-After": "30"})]
    client.get(PATH)
    assert waits == [30]


def test_a_secondary_limit_that_names_no_time_is_waited_out(
    client: GitHubClient, faults: Faults, waits: list[float]
) -> None:
    message = '{"message": "You have exceeded a secondary rate limit."}'
    faults.answers = [Response(message, status=403)]
    client.get(PATH)
    assert waits == [60]


def test_a_limit_that_lasts_too_long_stops_collection(server: Server, waits: list[float]) -> None:
    server.rate_limit = 1
    client = GitHubClient(server.url, TOKEN, Patience(longest_wait_seconds=100, sleep=waits.append))
    client.get(PATH)
    with pytest.raises(RateLimitError, match=r"used up for another 3,[0-9]+ seconds"):
        client.get(PATH)
    assert waits == []
    client.close()


def test_a_refused_permission_is_not_tried_again(
    client: GitHubClient, faults: Faults, waits: list[float]
) -> None:
    message = '{"message": "Resource not accessible by personal access token"}'
    faults.answers = [Response(message, status=403)]
    with pytest.raises(ForbiddenError, match=r"not accessible.*Metadata and Actions"):
        client.get(PATH)
    assert waits == []


def test_bad_credentials_stop_at_once_and_are_never_shown(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = GitHubClient(server.url, "ghp_wrongButSecret")
    with pytest.raises(BadCredentialError, match="ACTIONSIGHT_GITHUB_TOKEN") as raised:
        client.get(PATH)
    assert client.request_count == 1
    assert "ghp_" not in str(raised.value) + repr(client) + caplog.text
    client.close()


@pytest.mark.parametrize("status", [404, 410, 451])
def test_what_is_not_there_is_told_apart(client: GitHubClient, faults: Faults, status: int) -> None:
    faults.answers = [Response('{"message": "Not Found"}', status=status)]
    with pytest.raises(MissingError) as raised:
        client.get(PATH)
    assert raised.value.status_code == status


def test_the_token_is_not_carried_to_another_host(client: GitHubClient) -> None:
    with pytest.raises(UnexpectedAnswerError, match=r"another host: evil\.example"):
        client.get("https://evil.example/repos")
    assert client.request_count == 0


def test_without_a_token_it_asks_unauthenticated() -> None:
    world = World()
    world.add_repository("octo/hello")
    with serving(world) as server:
        client = GitHubClient(server.url)
        assert client.get(PATH).body["full_name"] == "octo/hello"
        assert "authorization" not in server.requests[-1].headers
        client.close()
