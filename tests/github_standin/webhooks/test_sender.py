"""The sender tells one hook what happens from now on: once, concurrently, and never again."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from github_standin.webhooks.deliveries import Hook, deliveries_between
from github_standin.webhooks.sender import Sender
from github_standin.world.model import make_job
from github_standin.world.world import World
from tests.github_standin.client import MONDAY, Clock
from tests.github_standin.receiver import Receiver, receiving

pytestmark = pytest.mark.unit

SECOND = timedelta(seconds=1)


class Scene:
    """A world with one run, whose clock the test moves, and a sender that looks very often."""

    def __init__(self, receiver: Receiver) -> None:
        self.clock = Clock(MONDAY + 5 * SECOND)
        self.world = World(self.clock)
        workflow = self.world.add_workflow(self.world.add_repository("octo/app"))
        self.world.add_run(workflow, MONDAY, [make_job("build", MONDAY)])
        self.hook = Hook(receiver.url, "secret")
        self.sender = Sender(self.world, self.hook, look_seconds=0.01)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what other threads are about to do."""
        waiting = threading.Event()
        for _ in range(2_000):
            if condition():
                return
            waiting.wait(0.01)
        raise AssertionError(self.sender.status())

    def until_counted(self, delivered: int, failed: int = 0) -> None:
        def is_counted() -> bool:
            status = self.sender.status()
            return (status["delivered"], status["failed"]) == (delivered, failed)

        self.until(is_counted)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def scene(receiver: Receiver) -> Iterator[Scene]:
    made = Scene(receiver)
    made.sender.start()
    yield made
    made.sender.stop()


def test_what_happens_from_now_on_is_sent_once_and_nothing_of_the_past(
    scene: Scene, receiver: Receiver
) -> None:
    scene.clock.now = MONDAY + 15 * SECOND
    receiver.wait_for(2)
    scene.clock.now = MONDAY + 100 * SECOND
    receiver.wait_for(4)
    scene.until_counted(4)
    expected = deliveries_between(scene.world, MONDAY + 5 * SECOND, scene.clock.now)
    sent = [received.headers["x-github-delivery"] for received in receiver.requests]
    assert sorted(sent) == sorted(of.delivery_id for of in expected)
    assert sorted(sent[:2]) == sorted(of.delivery_id for of in expected[:2])


def test_deliveries_are_under_way_together(scene: Scene, receiver: Receiver) -> None:
    receiver.held.clear()
    scene.clock.now = MONDAY + 100 * SECOND
    assert len(receiver.wait_for(4)) == 4
    assert scene.sender.status()["delivered"] == 0
    receiver.held.set()
    scene.until_counted(4)


def test_a_failure_is_counted_listed_and_said_once_and_what_failed_stays_lost(
    scene: Scene, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.status = 500
    scene.clock.now = MONDAY + 15 * SECOND
    scene.until_counted(0, failed=2)
    status = scene.sender.status()
    assert [failure["status"] for failure in status["last_failures"]] == [500, 500]
    assert {failure["event"] for failure in status["last_failures"]} == {
        "workflow_run",
        "workflow_job",
    }
    receiver.status = 202
    scene.clock.now = MONDAY + 100 * SECOND
    scene.until_counted(2, failed=2)
    assert len(receiver.requests) == 4
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "do not reach" in lines[0]
    assert "500" in lines[0]
    assert "again; 2 were lost" in lines[1]


def test_a_broken_connection_is_a_failure_like_any_other(scene: Scene, receiver: Receiver) -> None:
    receiver.status = None
    scene.clock.now = MONDAY + 15 * SECOND
    scene.until_counted(0, failed=2)
    assert [sent.status for sent in scene.sender.recent] == [None, None]


def test_while_too_much_waits_the_next_look_is_put_off_and_nothing_is_lost(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(receiver)
    since = scene.sender._look_once(MONDAY + 5 * SECOND)
    scene.clock.now = MONDAY + 15 * SECOND
    since = scene.sender._look_once(since)
    assert scene.sender.status()["waiting"] == 2
    scene.clock.now = MONDAY + 100 * SECOND
    with monkeypatch.context() as full:
        full.setattr("github_standin.webhooks.sender.BACKLOG", 2)
        assert scene.sender._look_once(since) == since
    assert scene.sender.status()["waiting"] == 2
    assert scene.sender._look_once(since) == scene.clock.now
    assert scene.sender.status()["waiting"] == 4


def test_a_clock_that_is_set_back_repeats_nothing(receiver: Receiver) -> None:
    scene = Scene(receiver)
    scene.clock.now = MONDAY + 100 * SECOND
    since = scene.sender._look_once(MONDAY + 5 * SECOND)
    scene.clock.now = MONDAY
    assert scene.sender._look_once(since) == since
    scene.clock.now = MONDAY + 200 * SECOND
    scene.sender._look_once(since)
    assert scene.sender.status()["waiting"] == 4


def test_a_change_of_a_repository_is_sent(scene: Scene, receiver: Receiver) -> None:
    [repository] = scene.world.repositories.values()
    with scene.world.lock:
        scene.clock.now = MONDAY + 6 * SECOND
        scene.world.privatize_repository(repository)
    [received] = receiver.wait_for(1)
    assert received.headers["x-github-event"] == "repository"


def test_the_end_does_not_wait_for_a_receiver_that_hangs(receiver: Receiver) -> None:
    scene = Scene(receiver)
    receiver.held.clear()
    scene.sender.start()
    scene.clock.now = MONDAY + 100 * SECOND
    receiver.wait_for(1)
    scene.sender.stop(wait_seconds=0.1)
    receiver.held.set()
