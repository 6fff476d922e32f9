"""`actionsight hooks rotate`: every webhook gets the new secret, however often it takes, and no
delivery is refused."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from psycopg import Connection
from werkzeug.wrappers import Request, Response

from actionsight.api_server import RECEIVER
from actionsight.cli.main import main
from actionsight.database import connect
from actionsight.encryption import fingerprint_of, hash_of
from actionsight.local import free_port
from actionsight.local.installation import claimed_by_up
from actionsight.settings import Settings
from github_standin.server.server import Break, Server, serving
from github_standin.webhooks.deliveries import Hook
from github_standin.webhooks.sender import Sender
from github_standin.world.people import APP_ID
from github_standin.world.world import World
from tests.github_standin.keys import keys
from tests.support.granian import served

pytestmark = pytest.mark.integration

OLD, NEW = "the webhooks' old secret", "the webhooks' new secret"
KEY = "0123456789abcdef0123456789abcdef"
NAMES = [f"octo/app-{number}" for number in range(5)]


@dataclass
class Scene:
    """An installation that is given its settings by the environment, and GitHub's stand-in."""

    settings: Settings
    connection: Connection[Any]
    world: World
    github: Server
    monkeypatch: pytest.MonkeyPatch

    def set(self, **values: Any) -> None:
        self.settings = replace(self.settings, **values)
        for name, value in self.settings.environment().items():
            self.monkeypatch.setenv(name, value)

    @property
    def url(self) -> str:
        return f"{self.settings.public_root}/webhooks/github"

    def make_hook(self, name: str, secret: str = OLD) -> int:
        """A webhook at GitHub that sends to us."""
        config = {"url": self.url, "content_type": "json", "secret": secret}
        repository = self.world.repository_named(name)
        assert repository is not None
        with self.world.lock:
            return self.github._hooks.add(repository, {"config": config, "events": ["*"]}).id

    def monitor(self, *names: str) -> None:
        """Monitor repositories of the world, in each of which we made a webhook."""
        for name in names:
            repository = self.world.add_repository(name)
            self.connection.execute(
                """
                insert into app.repositories (repository_id, full_name, selected_by, hook_id)
                values (%s, %s, 'octo/*', %s)
                """,
                [repository.id, name, self.make_hook(name)],
            )

    def remove_hook(self, name: str) -> None:
        """A person removes ours at GitHub."""
        with self.world.lock:
            self.github._hooks.remove(self.hooks()[name])

    def hooks(self) -> dict[str, Any]:
        """The webhooks at GitHub, by the repository."""
        return {
            self.world.repositories[hook.repository_id].full_name: hook
            for hook in self.github._hooks._hooks.values()
        }

    def secrets(self) -> dict[str, str]:
        return {name: hook.secret for name, hook in self.hooks().items()}

    def known(self) -> dict[str, int | None]:
        """The webhooks that we know, by the repository."""
        rows = self.connection.execute("select full_name, hook_id from app.repositories")
        return dict(rows.fetchall())

    def patched(self) -> list[str]:
        """Of which repositories GitHub changed a webhook, each time."""
        return sorted(
            "/".join(logged.path.split("/")[2:4])
            for logged in self.github.requests
            if (logged.method, logged.status) == ("PATCH", 200)
        )

    def rotate(self) -> Result:
        return CliRunner().invoke(main, ["hooks", "rotate"])


@pytest.fixture
def scene(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    world = World()
    umask = os.umask(0o077)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with (
        serving(world, token="right", administers_hooks=True) as github,
        connect(str(settings.database_url), autocommit=True) as connection,
    ):
        scene = Scene(settings, connection, world, github, monkeypatch)
        scene.set(
            api_port=free_port(),
            github_api_url=github.url,
            github_token="right",
            github_webhook_secret=(NEW, OLD),
            secret_key=KEY,
        )
        yield scene
    os.umask(umask)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_no_delivery_is_refused_while_every_webhook_gets_the_new_secret(
    scene: Scene, tmp_path: Path
) -> None:
    port = scene.settings.api_port
    with served(RECEIVER, scene.settings.environment(), tmp_path / "receiver.log", port):
        scene.monitor(*NAMES)
        senders = list(scene.github._hooks._senders.values())
        sent = len(NAMES)  # each new one is pinged

        def ping_all() -> None:
            nonlocal sent
            for name, hook in scene.hooks().items():
                repository = scene.world.repository_named(name)
                assert repository is not None
                with scene.world.lock:
                    scene.github._hooks.ping(repository, hook)
                sent += 1

        ended = threading.Event()

        def ping_until_ended() -> None:
            while not ended.wait(0.02):
                ping_all()

        pinging = threading.Thread(target=ping_until_ended)
        pinging.start()
        try:
            _wait_until_delivered(senders, 2 * len(NAMES))
            assert set(scene.secrets().values()) == {OLD}
            result = scene.rotate()
        finally:
            ended.set()
            pinging.join()
        assert result.exit_code == 0, result.output
        ping_all()
        _wait_until_delivered(senders, sent)
    assert [sender.status()["last_failures"] for sender in senders] == [[]] * len(NAMES)
    assert scene.secrets() == dict.fromkeys(NAMES, NEW)
    assert "[5/5] octo/app-4: has the new secret" in result.output
    assert "All 5 webhooks have the new secret." in result.output
    assert "remove the old one from ACTIONSIGHT_GITHUB_WEBHOOK_SECRET" in result.output
    assert "organizations" in result.output
    assert NEW not in result.output and OLD not in result.output


def _wait_until_delivered(senders: list[Sender], count: int) -> None:
    waiting = threading.Event()
    for _ in range(2_000):
        statuses = [sender.status() for sender in senders]
        if sum(status["delivered"] + status["failed"] for status in statuses) >= count:
            return
        waiting.wait(0.01)
    raise AssertionError("not all was sent")


@pytest.mark.parametrize("is_changed", [False, True], ids=["before GitHub", "after GitHub"])
def test_what_a_kill_left_is_done_by_the_next_and_nothing_twice(
    scene: Scene, is_changed: bool
) -> None:
    scene.monitor(*NAMES)

    def kill_at_the_third(request: Request) -> Break | None:
        if request.method != "PATCH" or len(scene.patched()) < 2:
            return None
        if is_changed:
            scene.github.answer(request)
        process.kill()
        return Break()

    scene.github.fault = kill_at_the_third
    command = [sys.executable, "-m", "actionsight.cli.main", "hooks", "rotate"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.wait(60) == -signal.SIGKILL
    assert list(scene.secrets().values()).count(NEW) == 2 + is_changed

    scene.github.fault = None
    result = scene.rotate()
    assert result.exit_code == 0, result.output
    assert "2 of which have the new secret already" in result.output
    assert scene.secrets() == dict.fromkeys(NAMES, NEW)
    assert scene.patched() == NAMES, "each was answered once"

    again = scene.rotate()
    assert "All 5 webhooks have the new secret." in again.output
    assert scene.patched() == NAMES


def test_a_webhook_that_is_gone_is_found_by_its_address_or_forgotten(scene: Scene) -> None:
    replaced, removed, kept = NAMES[:3]
    scene.monitor(replaced, removed, kept)
    scene.remove_hook(replaced)
    scene.remove_hook(removed)
    other = scene.make_hook(replaced)
    result = scene.rotate()
    assert result.exit_code == 0, result.output
    assert f"{replaced}: has the new secret (it is webhook {other} now)" in result.output
    assert f"{removed}: its webhook was removed at GitHub and is forgotten" in result.output
    assert "All 2 webhooks" in result.output
    assert scene.secrets() == {replaced: NEW, kept: NEW}
    assert scene.known() == {replaced: other, removed: None, kept: scene.hooks()[kept].id}


def test_what_github_refuses_is_told_at_the_end_and_the_rest_is_done(scene: Scene) -> None:
    scene.monitor(*NAMES)
    known = scene.known()
    forbidden, hidden, broken, *others = NAMES
    statuses = {forbidden: 403, hidden: 404, broken: 400}

    def refuse(request: Request) -> Response | None:
        for name, status in statuses.items():
            if request.path.startswith(f"/repos/{name}/"):
                return Response('{"message": "no"}', status)
        return None

    scene.github.fault = refuse
    result = scene.rotate()
    assert result.exit_code == 1
    told = result.output.partition("Error: these do not have the new secret:")[2]
    for name, status in statuses.items():
        page = f"https://github.com/{name}/settings/hooks/{known[name]}"
        [line] = [line for line in told.splitlines() if line.startswith(f"  {name}: ")]
        assert f"GitHub answers {status}" in line
        assert (page in line) == (name != broken)
    assert "Keep the old one" in told
    assert scene.patched() == others
    assert scene.known() == known, "a 404 of the list, too, says nothing of the webhook"

    scene.github.fault = None
    assert scene.rotate().exit_code == 0
    assert scene.patched() == NAMES


def test_what_nobody_noted_and_what_is_not_monitored_any_more_gets_it_too(scene: Scene) -> None:
    unnoted, removed, left, without = NAMES[:4]
    scene.monitor(*NAMES[:4])
    scene.remove_hook(without)
    known = scene.known()
    scene.connection.execute(
        "update app.repositories set hook_id = null where full_name = any(%s)", [[unnoted, without]]
    )
    scene.connection.execute(
        "update app.repositories set removed_at = now() where full_name = any(%s)",
        [[removed, left]],
    )
    # Its removal was stopped after it was noted at GitHub and before it was here.
    scene.remove_hook(left)
    result = scene.rotate()
    assert result.exit_code == 0, result.output
    assert f"{unnoted}: has the new secret (it is webhook {known[unnoted]} now)" in result.output
    assert f"{removed}: has the new secret" in result.output
    assert f"{left}: its webhook was removed at GitHub and is forgotten\n" in result.output
    assert without not in result.output
    assert "All 2 webhooks" in result.output
    assert scene.secrets() == {unnoted: NEW, removed: NEW}
    assert scene.known() == {**known, left: None, without: None}, "what a crash left is noted"
    scene.rotate()
    assert scene.patched() == [unnoted, removed]


def test_what_nobody_can_change_is_named_with_its_place_and_holds_up_nothing(scene: Scene) -> None:
    hidden, removed, rotated = NAMES[:3]
    scene.monitor(hidden, removed, rotated)
    known = scene.known()
    scene.connection.execute(
        "update app.repositories set hook_id = null where full_name = %s", [hidden]
    )
    scene.connection.execute(
        "update app.repositories set removed_at = now() where full_name = %s", [removed]
    )

    def deliver(number: int, hook_id: int | None, target: str, name: str | None) -> None:
        repository = scene.world.repository_named(name or "")
        scene.connection.execute(
            """
            insert into raw.webhook_events (
                delivery_id, event, repository_id, received_at, batch_id, outcome, headers
            ) values (%s, 'workflow_run', %s, now(), 'b', 'observed', jsonb_build_object(
                'x-github-hook-id', %s::text, 'x-github-hook-installation-target-type', %s::text
            ))
            """,
            [str(number), repository.id if repository else 12345, str(hook_id), target],
        )

    deliver(1, known[hidden], "repository", hidden)
    deliver(2, known[rotated], "repository", rotated)
    deliver(3, 1, "repository", rotated)  # as it was called before
    deliver(4, 77, "organization", rotated)
    deliver(5, 78, "repository", None)
    deliver(6, 79, "integration", rotated)

    def refuse(request: Request) -> Response | None:
        is_hidden = request.path.startswith((f"/repos/{hidden}/", f"/repos/{removed}/"))
        return Response('{"message": "Not Found"}', 404) if is_hidden else None

    scene.github.fault = refuse
    result = scene.rotate()
    assert result.exit_code == 0, result.output
    by_hand, _, unseen = result.output.partition("could not be looked at")
    github = "https://github.com"
    page = f"{github}/{hidden}/settings/hooks/{known[hidden]}"
    assert f"webhook {known[hidden]} of {hidden}: {page}" in by_hand
    assert f"{removed}: is not monitored any more, and GitHub answers 404" in by_hand
    assert f"{github}/organizations/octo/settings/hooks/77" in by_hand
    assert "webhook 78 of repository 12345: GET" in by_hand
    assert by_hand.count(f"webhook {known[rotated]} ") == by_hand.count("webhook 79") == 0
    assert "webhook 1 of" not in by_hand
    assert f"  {hidden}: GitHub answers 404" in unseen
    assert "All 1 webhooks" in unseen
    assert scene.known() == {**known, hidden: None}, "a 404 says nothing of the webhook"


@pytest.mark.parametrize("is_ours", [True, False])
def test_the_apps_own_webhook_gets_it_where_it_delivers_to_us(scene: Scene, is_ours: bool) -> None:
    private, public = keys()
    url = scene.url if is_ours else "https://elsewhere.example/hook"
    scene.world.people.register_app("Iv1.test", "secret", [], public_key=public)
    app = scene.world.people.app
    assert app is not None
    scene.world.people.app = replace(app, webhook_url=url)
    sender = Sender(scene.world, Hook(url, OLD, target_type="integration"))
    scene.github.attach(sender)
    scene.set(github_token=None, github_app_id=str(APP_ID), github_app_private_key=private)
    result = scene.rotate()
    assert result.exit_code == 0, result.output
    assert f"All {int(is_ours)} webhooks" in result.output
    assert (sender.hook.url, sender.hook.secret) == (url, NEW if is_ours else OLD)


def test_nothing_is_changed_before_what_runs_here_knows_the_new_secret(
    scene: Scene, tmp_path: Path
) -> None:
    scene.monitor("octo/app")
    before = replace(scene.settings, github_webhook_secret=(OLD,)).environment()
    with served(RECEIVER, before, tmp_path / "receiver.log") as port:
        scene.set(receiver_port=port)
        with claimed_by_up(scene.settings, demonstration=False):
            result = scene.rotate()
    assert result.exit_code == 1
    assert "restart it" in result.output
    assert scene.secrets() == {"octo/app": OLD}


def test_without_a_secret_it_says_how_to_make_one(scene: Scene) -> None:
    scene.set(github_webhook_secret=())
    result = scene.rotate()
    assert result.exit_code == 1
    assert "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET is not set" in result.output


def test_which_secret_a_webhook_has_is_kept_so_that_nobody_finds_it_by_trying(
    scene: Scene,
) -> None:
    scene.monitor("octo/app")
    scene.rotate()
    row = scene.connection.execute("select fingerprint from app.hook_secrets").fetchone()
    assert row == (fingerprint_of(NEW, KEY),)
    assert row[0] not in (hash_of(NEW), fingerprint_of(NEW, KEY[::-1]))
