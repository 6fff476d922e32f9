"""The load: webhooks that are sent as things happen, and people who read all the time."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import requests

from github_standin.server.server import Server
from github_standin.webhooks.deliveries import Hook
from github_standin.webhooks.sender import Sender
from github_standin.world.model import Repository
from github_standin.world.world import World
from tests.chaos import github
from tests.chaos.installation import Installation
from tests.end_to_end.person import Person

PAUSE_SECONDS = 0.2
TIMEOUT_SECONDS = 40
# What GitHub hears in trouble, beside no answer at all.
ANSWERS = {HTTPStatus.ACCEPTED, HTTPStatus.SERVICE_UNAVAILABLE, None}
PATHS = (
    "/stats",
    "/stats?group_by=workflow",
    "/repositories",
    "/workflows",
    "/runs?limit=50",
    "/jobs?limit=50",
    "/flaky-jobs",
    "/runners",
    "/branches/health",
    "/runs?status=in_progress",
    "/search?q=CI",
)


class Reader:
    """Somebody who asks all the time, and notes what was wrong with the answers.

    Args:
        session: with what authenticates them.
        world: where the repositories are.
        may_read: whether a repository is theirs to read.
        usual: the status that they get where all is well.
    """

    def __init__(
        self,
        name: str,
        root: str,
        session: requests.Session,
        world: World,
        may_read: Callable[[Repository], bool],
        chance: random.Random,
        usual: HTTPStatus = HTTPStatus.OK,
    ) -> None:
        self.name = name
        self.answers: Counter[str] = Counter()
        self.problems: list[str] = []
        self._root = root
        self._session = session
        self._world = world
        self._may_read = may_read
        self._chance = chance
        self._usual = usual
        self._look_at_rights()

    def read_until(self, is_over: threading.Event) -> None:
        """Ask, until it is over."""
        while not is_over.wait(PAUSE_SECONDS):
            self._ask(self._chance.choice((*PATHS, *self._hidden)))

    def check_all(self) -> list[str]:
        """Ask everything once, while all is well and rights are what they are now; gives what was
        not as it should be, ever."""
        self._look_at_rights()
        for path in (*PATHS, *self._hidden):
            answer = self._ask(path)
            if answer is None or answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                self.problems.append(f"{self.name}: {path}: no answer although all is well")
            elif answer.ok and path == "/repositories":
                self.problems += [
                    f"{self.name} does not see {each.full_name}"
                    for each in self._world.repositories.values()
                    if self._may_read(each) and each.full_name not in answer.text
                ]
        return self.problems

    def _ask(self, path: str) -> requests.Response | None:
        try:
            answer = self._session.get(
                self._root + path, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            self.answers[type(error).__name__] += 1
            return None
        self.answers[str(answer.status_code)] += 1
        is_hidden = path in self._hidden and self._usual == HTTPStatus.OK
        expected = HTTPStatus.NOT_FOUND if is_hidden else self._usual
        is_told = any(word in answer.text for word in self._forbidden)
        if is_told or answer.status_code not in (expected, HTTPStatus.SERVICE_UNAVAILABLE):
            self.problems.append(
                f"{self.name}: {path}: {answer.status_code} {answer.text[:300]!r}"
                f" ({answer.headers.get('X-Request-Id')})"
            )
        return answer

    def _look_at_rights(self) -> None:
        """Which words stand in no answer, and at which paths nothing is, as far as they know."""
        repositories = self._world.repositories.values()
        secret = [each for each in repositories if not self._may_read(each)]
        self._forbidden = [
            word
            for each in secret
            for word in (each.full_name, *(f'"repository_id":{gap}{each.id}' for gap in ("", " ")))
        ]
        self._hidden = [f"/repositories/{each.id}" for each in secret] + [
            f"/runs/{run.id}"
            for each in secret
            for run in self._world.runs_newest_first(each.id)[-3:]
        ]


def readers(
    installation: Installation, server: Server, operator_token: str, chance: random.Random
) -> list[Reader]:
    """One with every right, one with a right to what is private, one without, and a stranger."""
    root, world = installation.api_url, server.world
    operator, stranger = requests.Session(), requests.Session()
    operator.headers["Authorization"] = f"Bearer {operator_token}"
    for session in (operator, stranger):
        session.trust_env = False
    member, outsider = (Person(root, login) for login in (github.MEMBER, github.OUTSIDER))

    def of(name: str, session: requests.Session, **options: Any) -> Reader:
        own = random.Random(chance.random())  # noqa: S311
        return Reader(name, root, session, world, chance=own, **options)

    return [
        of("operator", operator, may_read=lambda _: True),
        of(
            "member",
            member.browser,
            may_read=lambda each: github.is_public(each) or each.full_name == github.PRIVATE,
        ),
        of("outsider", outsider.browser, may_read=github.is_public),
        of("stranger", stranger, may_read=lambda _: False, usual=HTTPStatus.UNAUTHORIZED),
    ]


@contextmanager
def reading(people: list[Reader]) -> Generator[None]:
    """They read for the length of the context."""
    is_over = threading.Event()
    threads = [threading.Thread(target=each.read_until, args=[is_over]) for each in people]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


@contextmanager
def sending(server: Server, installation: Installation, secret: str) -> Generator[list[Sender]]:
    """Deliver whatever happens from now on to the receiver, and what happens in one repository to
    the API's address as well: by another webhook, under the same ids."""
    address = "http://127.0.0.1:{}/webhooks/github"
    repository = server.world.repository_named(github.PUBLIC[0])
    assert repository is not None
    organization = Hook(
        address.format(installation.receiver_port),
        secret,
        hook_id=1,
        target_type="organization",
        target_id=repository.owner.id,
    )
    of_repository = Hook(address.format(installation.api_port), secret, hook_id=2)
    senders = [
        Sender(server.world, organization),
        Sender(server.world, of_repository, repository_id=repository.id, workers=2),
    ]
    server.attach(senders[0])
    for sender in senders:
        sender.start()
    try:
        yield senders
    finally:
        for sender in senders:
            sender.stop()


def answers_of(senders: list[Sender]) -> dict[str, int]:
    """How many webhooks were answered how, by status."""
    counted = Counter(str(sent.status) for each in senders for sent in each.attempts())
    return dict(sorted(counted.items()))
