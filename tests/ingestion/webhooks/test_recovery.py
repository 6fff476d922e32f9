"""What GitHub could not deliver is asked for again until it arrives or is given up, over HTTP."""

import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Request, Response

from actionsight.database import connect
from actionsight.doctor import lost_webhook_findings
from actionsight.event_buffer import EventBuffer
from actionsight.github import pagination
from actionsight.redeliveries import HISTORY, count_given_up
from actionsight.settings import ROOT, Settings
from api.webhooks.application import create_receiver
from github_standin.server.server import Server, serving
from github_standin.webhooks.deliveries import Hook
from github_standin.webhooks.sender import Sender
from github_standin.world.model import Repository, make_job
from github_standin.world.people import APP_ID
from github_standin.world.world import World
from ingestion.webhooks.recovery import (
    FIRST_DISTANCE,
    IN_VAIN,
    MOST_TRIES,
    Recovered,
    knows_a_hook,
    recover,
)
from tests.github_standin.client import Clock
from tests.github_standin.keys import keys
from tests.ingestion.webhooks.factories import Installation
from tests.support import wsgi
from tests.support.ports import free_port
from tests.support.signals import as_in_the_background

pytestmark = pytest.mark.integration

SECRET = "of the webhooks"
# What GitHub tells of a run with one job.
TOLD = 6
PATIENCE_SECONDS = 20
HOUR = timedelta(hours=1)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what other threads are about to do."""
    waiting = threading.Event()
    for _ in range(PATIENCE_SECONDS * 50):
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError("it did not come true")


@dataclass
class Scene(Installation):
    """Repositories with webhooks of ours at the stand-in, and an address at which a receiver can
    be or not."""

    server: Server
    clock: Clock
    port: int
    until_end: ExitStack

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/github"

    @contextmanager
    def answering(self, application: Any = None) -> Generator[None]:
        """Let the receiver, or another application, answer there."""
        application = application or create_receiver(self.settings)
        with (
            socket.create_server(("127.0.0.1", self.port)) as listening,
            wsgi.served(application, listening),
        ):
            yield

    def add(self, name: str) -> Repository:
        """A monitored repository, without a webhook."""
        repository = self.server.world.add_repository(name)
        self.execute(
            "insert into app.repositories (repository_id, full_name) values (%s, %s)",
            repository.id,
            name,
        )
        return repository

    def hook(self, repository: Repository) -> str:
        """Make a webhook of ours in it, as the API does; give its path."""
        path = f"/repos/{repository.full_name}/hooks"
        config = {"url": self.url, "content_type": "json", "secret": SECRET}
        asked = {"config": config, "events": ["workflow_run", "workflow_job"]}
        made = requests.post(self.server.url + path, json=asked, timeout=5)
        made.raise_for_status()
        number = made.json()["id"]
        self.execute(
            "update app.repositories set hook_id = %s where repository_id = %s",
            number,
            repository.id,
        )
        return f"{path}/{number}"

    def attach(self, **hook: Any) -> Sender:
        """A hook of the App or of an organization, which delivers from now on."""
        sender = Sender(self.server.world, Hook(self.url, SECRET, **hook), look_seconds=0.05)
        self.server.attach(sender)
        sender.start()
        self.until_end.callback(sender.stop)
        return sender

    def run(self, repository: Repository) -> None:
        """A run happens, from its beginning to its end."""
        workflow = self.server.world.add_workflow(repository)
        began = self.clock.now + timedelta(seconds=1)
        self.server.world.add_run(workflow, began, [make_job("build", began)])
        self.clock.now += timedelta(minutes=5)

    def attempts(self, path: str) -> list[dict[str, Any]]:
        """What GitHub tells of a webhook's deliveries, but for its ping."""
        answer = requests.get(f"{self.server.url}{path}/deliveries?per_page=100", timeout=5)
        answer.raise_for_status()
        return [attempt for attempt in answer.json() if attempt["event"] != "ping"]

    def lose(self, repository: Repository, path: str, count: int = TOLD) -> None:
        """A run happens of which nothing arrives."""
        before = len(self.attempts(path))
        self.run(repository)
        until(lambda: len(self.attempts(path)) == before + count)

    def ask_in_vain(self, path: str) -> None:
        """Ask for what is due, of which nothing arrives again."""
        before = len(self.attempts(path))
        asked_count = self.recover().asked_count
        assert asked_count == TOLD
        until(lambda: len(self.attempts(path)) == before + asked_count)

    def distances(self, path: str) -> set[timedelta]:
        """How long after it failed what failed again is asked for."""
        at = {of["id"]: datetime.fromisoformat(of["delivered_at"]) for of in self.attempts(path)}
        return {note["due_at"] - at[note["attempt_id"]] for note in self.notes()}

    def pass_distance(self) -> None:
        """Let the time come."""
        self.execute("update raw.webhook_redeliveries set due_at = now()")

    def asked(self) -> Counter[str]:
        """How often each attempt was asked for again."""
        posts = [of.path for of in self.server.requests if of.method == "POST"]
        return Counter(path for path in posts if path.endswith("/attempts"))

    def recover(self, *, pause_seconds: float = 0.0, **options: Any) -> Recovered:
        return recover(self.settings, pause_seconds=pause_seconds, **options)

    def arrive(self, count: int) -> None:
        """Wait until so many deliveries arrived, each once."""

        def is_there() -> bool:
            self.drain()
            return len(self.ledger()) >= count

        until(is_there)
        assert len(self.ledger()) == count
        assert self.dead_letters() == {}

    def notes(self) -> list[dict[str, Any]]:
        return self.query("select * from raw.webhook_redeliveries order by attempt_id")


@pytest.fixture
def scene(settings: Settings) -> Iterator[Scene]:
    clock = Clock(datetime.now(UTC) - HOUR)
    with ExitStack() as until_end:
        server = until_end.enter_context(serving(World(clock), administers_hooks=True))
        port = free_port()
        settings = replace(
            settings,
            github_api_url=server.url,
            github_token="of the collector",
            github_webhook_secret=(SECRET,),
            public_url=f"http://127.0.0.1:{port}",
        )
        buffer = until_end.enter_context(_buffer(settings))
        yield Scene(settings, buffer, server, clock, port, until_end)


@contextmanager
def _buffer(settings: Settings) -> Generator[EventBuffer]:
    buffer = EventBuffer(str(settings.redis_url))
    yield buffer
    buffer.close()


@pytest.fixture
def app(scene: Scene) -> Scene:
    """The collector is an App, whose own webhook delivers here."""
    people = scene.server.world.people
    registered = people.register_app("Iv1.client", "client secret", [], public_key=keys()[1])
    people.app = replace(registered, webhook_url=scene.url)
    scene.settings = replace(
        scene.settings,
        github_token=None,
        github_app_id=str(APP_ID),
        github_app_private_key=keys()[0],
    )
    return scene


def test_what_failed_while_nobody_answered_is_asked_for_once_and_arrives_once(
    scene: Scene,
) -> None:
    repository = scene.add("octo/app")
    path = scene.hook(repository)
    scene.lose(repository, path)
    assert {(of["status_code"], of["redelivery"]) for of in scene.attempts(path)} == {(0, False)}
    paused: list[float] = []
    with scene.answering():
        recovered = scene.recover(pause_seconds=1.0, sleep=paused.append)
        assert recovered == Recovered(found_count=TOLD, asked_count=TOLD)
        scene.arrive(TOLD)
    assert paused == [1.0] * (TOLD - 1)
    assert set(scene.asked().values()) == {1}
    assert all(note["accepted_at"] for note in scene.notes())
    again = [of for of in scene.attempts(path) if of["redelivery"]]
    assert {of["guid"] for of in again} == set(scene.ledger())
    assert scene.recover() == Recovered()
    assert scene.asked().total() == TOLD


@pytest.mark.parametrize(
    ("status", "is_asked"), [(503, True), (429, True), (401, False), (404, False)]
)
def test_what_was_refused_on_purpose_is_not_asked_for(
    scene: Scene, status: int, is_asked: bool
) -> None:
    repository = scene.add("octo/app")
    path = scene.hook(repository)
    with scene.answering(Response(status=status)):
        scene.lose(repository, path)
    recovered = scene.recover()
    assert recovered.found_count == recovered.asked_count == (TOLD if is_asked else 0)


def test_what_came_nevertheless_or_is_of_other_repositories_is_not_asked_for(app: Scene) -> None:
    app.server.world.people.install("octo")
    monitored = app.add("octo/app")
    other = app.server.world.add_repository("octo/other")
    app.server.world.people.install("octo")
    sender = app.attach(target_type="integration", target_id=APP_ID)

    @Request.application
    def takes_and_fails(request: Request) -> Response:
        app.buffer.append(dict(request.headers), request.get_data())
        return Response(status=502)

    with app.answering(takes_and_fails):
        app.run(monitored)
        app.run(other)
        until(lambda: len(sender.recent) == 2 * TOLD)
    app.drain()
    assert len(app.ledger()) == 2 * TOLD
    app.execute("delete from raw.webhook_events where repository_id = %s", other.id)
    assert app.recover() == Recovered()


def test_the_app_s_own_webhook_is_recovered_as_the_app(app: Scene) -> None:
    repository = app.add("octo/app")
    app.server.world.people.install("octo")
    sender = app.attach(target_type="integration", target_id=APP_ID)
    app.run(repository)
    until(lambda: len(sender.recent) == TOLD)
    with app.answering():
        assert app.recover() == Recovered(found_count=TOLD, asked_count=TOLD)
        app.arrive(TOLD)
    assert all(path.startswith("/app/hook/deliveries/") for path in app.asked())


def test_an_app_s_webhook_that_delivers_elsewhere_is_left_alone(app: Scene) -> None:
    repository = app.add("octo/app")
    people = app.server.world.people
    people.install("octo")
    assert people.app is not None
    people.app = replace(people.app, webhook_url="https://elsewhere.example/hooks")
    sender = app.attach(target_type="integration", target_id=APP_ID)
    app.run(repository)
    until(lambda: len(sender.recent) == TOLD)
    assert app.recover() == Recovered()


def test_an_organization_s_webhook_is_known_by_what_it_delivered(scene: Scene) -> None:
    repository = scene.add("octo/app")
    assert not knows_a_hook(scene.settings)
    owner = repository.owner.id
    sender = scene.attach(target_type="organization", target_id=owner, hook_id=77)
    with scene.answering():
        scene.run(repository)
        scene.arrive(TOLD)
    assert knows_a_hook(scene.settings)
    scene.run(repository)
    until(lambda: len(sender.recent) == 2 * TOLD)
    with scene.answering():
        assert scene.recover() == Recovered(found_count=TOLD, asked_count=TOLD)
        scene.arrive(2 * TOLD)
    assert all(path.startswith("/orgs/octo/hooks/77/deliveries/") for path in scene.asked())


def test_no_more_than_the_cap_is_asked_for_and_the_rest_next_time_or_left_to_the_sweep(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    repository = scene.add("octo/app")
    path = scene.hook(repository)
    scene.lose(repository, path)
    with scene.answering():
        assert scene.recover(most=1) == Recovered(
            found_count=TOLD, asked_count=1, left_count=TOLD - 1
        )
        newest = max(scene.notes(), key=lambda note: (note["failed_at"], note["attempt_id"]))
        assert newest["accepted_at"] is not None
        assert scene.recover(most=2) == Recovered(asked_count=2, left_count=TOLD - 3)
        until(lambda: len(scene.attempts(path)) == TOLD + 3)
    scene.execute("update raw.webhook_redeliveries set failed_at = failed_at - %s", HISTORY)
    caplog.set_level("INFO")
    assert scene.recover() == Recovered(given_up_count=TOLD - 3)
    assert "3 are given up and left to the sweep" in caplog.text
    assert scene.recover() == Recovered()
    assert set(scene.asked().values()) == {1}


def test_what_fails_again_is_asked_for_at_growing_distances_until_it_arrives(
    scene: Scene,
) -> None:
    repository = scene.add("octo/app")
    path = scene.hook(repository)
    scene.lose(repository, path)
    scene.ask_in_vain(path)
    again = Recovered(failed_again_count=TOLD, left_count=TOLD)
    assert scene.recover() == again, "not before an hour has passed"
    assert scene.distances(path) == {FIRST_DISTANCE}
    assert scene.recover() == Recovered(left_count=TOLD), "it failed no more often meanwhile"
    scene.pass_distance()
    scene.ask_in_vain(path)
    assert scene.recover() == again
    assert scene.distances(path) == {2 * FIRST_DISTANCE}
    scene.pass_distance()
    with scene.answering():
        assert scene.recover() == Recovered(asked_count=TOLD)
        scene.arrive(TOLD)
    assert scene.recover() == Recovered()
    assert set(scene.asked().values()) == {1}, "each time by the newest attempt"
    assert scene.asked().total() == 3 * TOLD


def test_what_failed_seven_times_more_is_given_up_and_seen(scene: Scene) -> None:
    repository = scene.add("octo/app")
    path = scene.hook(repository)
    scene.lose(repository, path)
    distances: list[timedelta] = []
    recovered = Recovered()
    for _ in range(MOST_TRIES):
        scene.ask_in_vain(path)
        recovered = scene.recover()
        assert recovered.failed_again_count == TOLD
        distances += scene.distances(path)
        scene.pass_distance()
    assert recovered.given_up_count == TOLD
    assert distances == [FIRST_DISTANCE * 2**number for number in range(MOST_TRIES)]
    assert sum(distances[:-1], timedelta()) < HISTORY - timedelta(hours=8), "GitHub has it still"
    assert {note["error"] for note in scene.notes()} == {IN_VAIN}
    assert scene.recover() == Recovered()
    with connect(str(scene.settings.database_url)) as connection:
        assert count_given_up(connection) == TOLD
    [finding] = lost_webhook_findings(scene.settings)
    assert finding.is_warning and f"{TOLD} deliveries" in finding.says
    scene.execute("update raw.webhook_redeliveries set given_up_at = given_up_at - %s", HISTORY)
    assert not [*lost_webhook_findings(scene.settings)]


def test_what_a_person_asked_for_in_vain_is_no_try_of_ours(scene: Scene) -> None:
    repository = scene.add("octo/app")
    path = scene.hook(repository)
    scene.lose(repository, path)
    assert scene.recover(most=0).left_count == TOLD
    for attempt in scene.attempts(path):
        url = f"{scene.server.url}{path}/deliveries/{attempt['id']}/attempts"
        requests.post(url, timeout=5).raise_for_status()
    until(lambda: len(scene.attempts(path)) == 2 * TOLD)
    with scene.answering():
        recovered = scene.recover()
        assert (recovered.asked_count, recovered.left_count) == (TOLD, 0)
        scene.arrive(TOLD)
    assert {note["try_count"] for note in scene.notes()} == {1}


def test_only_what_is_new_since_the_last_time_is_listed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "PAGE_SIZES", (4, 2))
    repository = scene.add("octo/app")
    path = scene.hook(repository)
    pages = []
    for _ in range(4):
        scene.lose(repository, path)
        before = len(scene.server.requests)
        assert scene.recover(most=0).found_count == TOLD
        pages.append(len(scene.server.requests) - before)
        scene.clock.now += HOUR
    # Pages of 4: of 7, the ping among them, then of the new ones, the ones before and the first
    # that is too old, of 25 in the end.
    assert pages == [2, 4, 4, 4]


def test_a_webhook_that_may_not_be_read_costs_the_others_nothing(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    unknown, repository = scene.add("octo/unknown"), scene.add("octo/app")
    scene.execute("update app.repositories set hook_id = 1 where repository_id = %s", unknown.id)
    path = scene.hook(repository)
    scene.lose(repository, path)
    recovered = scene.recover()
    assert recovered.asked_count == TOLD
    assert recovered.unread_hooks == ("/repos/octo/unknown/hooks/1",)
    assert "1 webhooks are left out" in caplog.text
    scene.server.administers_hooks = False
    assert len(scene.recover().unread_hooks) == 2


def test_a_refusal_leaves_the_webhook_for_this_time(scene: Scene) -> None:
    repository = scene.add("octo/app")
    path = scene.hook(repository)
    scene.lose(repository, path)
    refused = iter([422, 403])

    def refuse(request: Request) -> Response | None:
        status = next(refused, None) if request.path.endswith("/attempts") else None
        return None if status is None else Response("{}", status)

    scene.server.fault = refuse
    assert scene.recover() == Recovered(found_count=TOLD, left_count=TOLD - 1)
    assert scene.recover() == Recovered(left_count=TOLD - 1)
    assert scene.recover() == Recovered(asked_count=TOLD - 1)


def test_a_killed_recovery_is_made_good_and_repeats_only_what_was_under_way(
    scene: Scene,
) -> None:
    repository = scene.add("octo/app")
    path = scene.hook(repository)
    scene.lose(repository, path)
    reached, go_on = threading.Event(), threading.Event()

    def hold_the_third(request: Request) -> None:
        if request.path.endswith("/attempts") and scene.asked().total() == 2:
            reached.set()
            assert go_on.wait(PATIENCE_SECONDS)

    scene.server.fault = hold_the_third
    with scene.answering():
        with subprocess.Popen(
            [sys.executable, "-m", "ingestion.webhooks", "recover"],
            cwd=ROOT,
            env={**os.environ, **scene.settings.environment()},
            preexec_fn=as_in_the_background,
        ) as process:
            assert reached.wait(PATIENCE_SECONDS)
            process.kill()
        scene.server.fault = None
        go_on.set()
        until(lambda: scene.asked().total() == 3)
        assert [bool(note["accepted_at"]) for note in scene.notes()].count(True) == 2
        recovered = scene.recover()
        scene.arrive(TOLD)
    # What was under way may have arrived by now: then it is not asked for again.
    assert recovered.asked_count in (TOLD - 2, TOLD - 3)
    assert sorted(scene.asked().values())[:-1] == [1] * (TOLD - 1)


def test_two_recoveries_do_not_ask_together(scene: Scene) -> None:
    repository = scene.add("octo/app")
    path = scene.hook(repository)
    scene.lose(repository, path)
    others: list[Recovered] = []
    recovered = scene.recover(sleep=lambda _: others.append(scene.recover()))
    assert recovered.asked_count == TOLD
    assert others == [Recovered(is_busy=True)] * (TOLD - 1)
