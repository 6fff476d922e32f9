"""The load: webhooks that are sent as things happen, and people who read all the time."""

import random
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import requests

from github_standin.server.server import Server
from github_standin.webhooks.deliveries import Hook
from github_standin.webhooks.sender import Sender
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
        forbidden: words that stand in no answer to them.
        hidden: paths at which nothing is, as far as they are told.
        usual: the statuses that they get where all is well.
    """

    def __init__(
        self,
        name: str,
        root: str,
        session: requests.Session,
        *,
        forbidden: tuple[str, ...] = (),
        hidden: tuple[str, ...] = (),
        usual: frozenset[int] = frozenset({200}),
        chance: random.Random,
    ) -> None:
        self.name = name
        self.answers: Counter[str] = Counter()
        self.problems: list[str] = []
        self._root = root
        self._session = session
        self._forbidden = forbidden
        self._hidden = hidden
        self._usual = usual
        self._chance = chance

    def read_until(self, is_over: threading.Event) -> None:
        """Ask, until it is over."""
        while not is_over.wait(PAUSE_SECONDS):
            self.ask(self._chance.choice((*PATHS, *self._hidden)))

    def ask(self, path: str) -> int | None:
        """One question; gives the status of the answer, None: there was none."""
        try:
            answer = self._session.get(
                self._root + path, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            self.answers[type(error).__name__] += 1
            return None
        self.answers[str(answer.status_code)] += 1
        expected = {HTTPStatus.NOT_FOUND} if path in self._hidden else self._usual
        is_told = any(word in answer.text for word in self._forbidden)
        if is_told or answer.status_code not in expected | {HTTPStatus.SERVICE_UNAVAILABLE}:
            self._complain(path, answer)
        return answer.status_code

    def check_all(self) -> list[str]:
        """Ask everything once, while all is well; gives what was not as it should be."""
        for path in (*PATHS, *self._hidden):
            if self.ask(path) == HTTPStatus.SERVICE_UNAVAILABLE:
                self.problems.append(f"{self.name}: {path}: 503 although all is well")
        return self.problems

    def _complain(self, path: str, answer: requests.Response) -> None:
        self.problems.append(
            f"{self.name}: {path}: {answer.status_code} {answer.text[:300]!r}"
            f" ({answer.headers.get('X-Request-Id')})"
        )


def readers(
    installation: Installation, server: Server, operator_token: str, chance: random.Random
) -> list[Reader]:
    """One with every right, one with a right to what is private, one without, and a stranger."""
    root, world = installation.api_url, server.world
    secret = world.repository_named(github.PRIVATE)
    assert secret is not None
    runs = [run.id for run in world.runs_newest_first(secret.id)[:3]]
    hidden = (f"/repositories/{secret.id}", *(f"/runs/{number}" for number in runs))
    member, outsider = (Person(root, login) for login in (github.MEMBER, github.OUTSIDER))
    operator, stranger = requests.Session(), requests.Session()
    operator.headers["Authorization"] = f"Bearer {operator_token}"
    for session in (operator, stranger):
        session.trust_env = False

    def of(name: str, session: requests.Session, **options: Any) -> Reader:
        own = random.Random(chance.random())  # noqa: S311
        return Reader(name, root, session, chance=own, **options)

    words = (github.PRIVATE, f'"repository_id":{secret.id}', f'"repository_id": {secret.id}')
    return [
        of("operator", operator),
        of("member", member.browser),
        of("outsider", outsider.browser, forbidden=words, hidden=hidden),
        of("stranger", stranger, forbidden=words, usual=frozenset({401})),
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
