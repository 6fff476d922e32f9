"""Whether GitHub's deliveries wait while others are slow.

    .venv/bin/python -m benchmarks.slow [--seconds 20]

Signed real payloads come to the receiver at 35 a second, as in the largest organisation; the p99 of
their answers is compared with what it is while nothing else happens, in turns within one run:

- while 100 connections to the API have promised a body and do not send it,
- while 100 connections to the receiver, signed in form and from several addresses, do the same,
- while GitHub takes 8 s for an answer and 10 people, whose rights must be read, send 12 requests
  each to the API, every five seconds.
"""

import argparse
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import redis
import requests

from actionsight.api_server import APPLICATION, RECEIVER
from actionsight.local import ValkeyServer, free_port, hold
from actionsight.local.valkey import CACHE, EVENT_BUFFER
from api.auth import permissions
from benchmarks.events import events_of, requests_of
from benchmarks.intake import REQUEST_COUNT, SECRET, settings_of
from benchmarks.load import Load, Senders
from github_standin.server.latency import Latency
from github_standin.server.server import Server, serving
from github_standin.world.world import World
from tests.support.granian import served
from tests.support.services import databases

HOST = "127.0.0.1"
PACE = 35  # deliveries a second
ROUNDS = 5
SLOW_BODIES = 100
SLOW_SECONDS = 8.0
PEOPLE = 10
REQUESTS_OF_PERSON = 12
PAUSE_SECONDS = 5.0
SETTLE_SECONDS = 2.0
CALLBACK = "/login/github/authorized"
CLIENT = ("Iv1.actionsight", "client-secret-of-the-app")


def main() -> None:
    """Measure, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=35, help="of each kind of load")
    seconds = parser.parse_args().seconds
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="actionsight-slow-")))
        folder.chmod(0o755)
        database_url = stack.enter_context(stack.enter_context(databases(folder)).migrated())
        buffer_url = stack.enter_context(
            hold(ValkeyServer(folder / "buffer", "the event buffer", EVENT_BUFFER))
        )
        cache_url = stack.enter_context(hold(ValkeyServer(folder / "cache", "the cache", CACHE)))
        root = f"http://{HOST}:{free_port()}"  # as behind a proxy, which names addresses
        world = World()
        world.people.register_app(*CLIENT, [root + CALLBACK])
        github = stack.enter_context(serving(world))
        settings = replace(
            settings_of(buffer_url),
            database_url=database_url,
            cache_url=cache_url,
            github_api_url=github.url,
            github_url=github.url,
            github_client_id=CLIENT[0],
            github_client_secret=CLIENT[1],
            secret_key="0123456789abcdef0123456789abcdef",  # noqa: S106 it protects nothing
            sign_in="everyone",
            public_url=root,
            proxy_count=1,
        )
        environment = settings.environment()
        senders = stack.enter_context(
            Senders(requests_of(islice(events_of((1,)), REQUEST_COUNT), SECRET.encode()))
        )
        api = stack.enter_context(served(APPLICATION, environment, folder / "api.log"))
        receiver = stack.enter_context(served(RECEIVER, environment, folder / "receiver.log"))
        people = [_sign_in(world, api, root, number) for number in range(PEOPLE)]
        troubles: dict[str, Callable[[], AbstractContextManager[None]]] = {
            f"{SLOW_BODIES} slow bodies at the API": lambda: _slow_bodies(api),
            f"{SLOW_BODIES} slow at the receiver": lambda: _slow_bodies(receiver),
            f"GitHub takes {SLOW_SECONDS:.0f} s, people ask": lambda: _slow_github(
                github, cache_url, api, people
            ),
        }
        senders.load(receiver, 2, PACE)  # warms up
        quiet: list[Load] = []
        troubled: dict[str, list[Load]] = {name: [] for name in troubles}
        for _ in range(ROUNDS):
            quiet.append(senders.load(receiver, seconds / ROUNDS, PACE))
            for name, begin in troubles.items():
                with begin():
                    troubled[name].append(senders.load(receiver, seconds / ROUNDS, PACE))
        _report(quiet, troubled)


def _report(quiet: Sequence[Load], troubled: dict[str, list[Load]]) -> None:
    """Medians over the rounds: one in which the machine was busy otherwise tells nothing."""
    usual = _p99(quiet)
    print(f"{'nothing else':<40} p99 {usual * 1e3:6.1f} ms")
    for name, loads in troubled.items():
        p99 = _p99(loads)
        print(f"{name:<40} p99 {p99 * 1e3:6.1f} ms   with ÷ without {p99 / usual:5.2f}")


def _p99(loads: Sequence[Load]) -> float:
    return statistics.median(load.percentile(99) for load in loads)


@contextmanager
def _slow_bodies(port: int) -> Generator[None]:
    """Connections whose bodies do not come: webhooks, signed in form, from four addresses."""
    with ExitStack() as stack:
        for number in range(SLOW_BODIES):
            connection = stack.enter_context(socket.create_connection((HOST, port)))
            lines = (
                "POST /webhooks/github HTTP/1.1",
                "Host: 127.0.0.1",
                "Content-Type: application/json",
                "Content-Length: 20000",
                "X-GitHub-Event: ping",
                f"X-GitHub-Delivery: {number}",
                f"X-Forwarded-For: 192.0.2.{number % 4}",
                "X-Hub-Signature-256: sha256=" + "0" * 64,
            )
            connection.sendall("\r\n".join([*lines, "", "{"]).encode())
        # A hundred requests at once cost what they cost; the question is what they hold.
        time.sleep(SETTLE_SECONDS)
        yield


@contextmanager
def _slow_github(
    github: Server, cache_url: str, api: int, people: Sequence[requests.Session]
) -> Generator[None]:
    """People whose rights nobody knows, while GitHub takes its time."""
    over = threading.Event()

    def forget() -> None:
        with redis.Redis.from_url(cache_url) as client:
            while not over.wait(PAUSE_SECONDS):
                for key in client.scan_iter(f"{permissions.PREFIX}:*"):
                    client.delete(key)

    def ask(person: requests.Session, number: int) -> None:
        over.wait(number * PAUSE_SECONDS / (PEOPLE * REQUESTS_OF_PERSON))
        while not over.wait(PAUSE_SECONDS):
            with suppress(requests.RequestException):
                person.get(f"http://{HOST}:{api}/repositories", timeout=60)

    github.latency = Latency(SLOW_SECONDS, spread=0)
    threads = [
        threading.Thread(target=ask, args=[people[number % PEOPLE], number], daemon=True)
        for number in range(PEOPLE * REQUESTS_OF_PERSON)
    ]
    threads.append(threading.Thread(target=forget, daemon=True))
    for thread in threads:
        thread.start()
    time.sleep(PAUSE_SECONDS + SETTLE_SECONDS)
    try:
        yield
    finally:
        over.set()
        github.latency = None
        for thread in threads:
            thread.join()


def _sign_in(world: World, api: int, root: str, number: int) -> requests.Session:
    """A person's browser, signed in."""
    own = f"http://{HOST}:{api}"
    world.people.add_user(f"person-{number}", user_id=7000 + number)
    browser = requests.Session()
    browser.trust_env = False
    begun = browser.post(
        f"{own}/login", headers={"Origin": root}, allow_redirects=False, timeout=20
    )
    chosen = browser.post(
        begun.headers["Location"],
        data={"login": f"person-{number}"},
        allow_redirects=False,
        timeout=20,
    )
    back = urlsplit(chosen.headers["Location"])
    browser.get(f"{own}{back.path}?{back.query}", allow_redirects=False, timeout=20)
    return browser


if __name__ == "__main__":
    main()
