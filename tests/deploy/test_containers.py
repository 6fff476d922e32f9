"""The image that is named by ACTIONSIGHT_TEST_IMAGE, every part of it in a locked container.

    podman build --file deploy/Containerfile --tag actionsight .
    ACTIONSIGHT_TEST_IMAGE=actionsight python -m pytest -m thorough tests/deploy/test_containers.py

By podman, or what ACTIONSIGHT_TEST_ENGINE names, such as docker. Containers share this machine's
network, where PostgreSQL, both Valkeys and GitHub's stand-in are.
"""

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from actionsight import loopback
from actionsight.local.parts import PARTS
from actionsight.loopback import HOST
from actionsight.settings import SETTINGS
from github_standin.server.server import serving
from github_standin.world.world import World
from tests.deploy.telling import KINDS, secrets_of
from tests.support.ports import free_port
from tests.support.services import Databases

pytestmark = [pytest.mark.end_to_end, pytest.mark.thorough, pytest.mark.timeout(1200)]

IMAGE = os.environ.get("ACTIONSIGHT_TEST_IMAGE", "")
ENGINE = shutil.which(os.environ.get("ACTIONSIGHT_TEST_ENGINE", "podman")) or ""
LOCKED = [
    *("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--init"),
    *("--network=host", "--tmpfs=/tmp", "--user=10001:10001"),
]
PATIENCE_SECONDS = 420


def eventually(check: Callable[[], bool], lacking: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if check():
            return
        time.sleep(2)
    pytest.fail(lacking())


class Containers:
    """Containers of one installation, each told the secrets of its kind."""

    def __init__(self, told: dict[str, str], folder: Path) -> None:
        self._told = told
        self._folder = folder
        self._prefix = f"actionsight-test-{uuid.uuid4().hex[:8]}"

    def run(self, part: str, *command: str) -> str:
        """One command to its end, and insist that it works; gives what it said."""
        return _engine("run", "--rm", *self._options(part), IMAGE, "actionsight", *command)

    @contextmanager
    def served(self, part: str) -> Generator[None]:
        """`actionsight serve`, until `actionsight check` in its container is content."""
        _engine("run", "--detach", *self._options(part), IMAGE, "actionsight", "serve", part)
        try:
            eventually(lambda: self.is_well(part), lambda: self.logs(part))
            yield
            assert self.inside(part, "sh", "-c", "touch /etc/x 2>&1 || id -u").endswith("10001\n")
        finally:
            stopped = _engine("stop", "--time=30", self._name(part))
            assert stopped
            status = _engine("inspect", "--format={{.State.ExitCode}}", self._name(part)).strip()
            _engine("rm", "--force", "--volumes", self._name(part))
        # It heard SIGTERM, and needed no SIGKILL.
        assert status != "137", part

    def is_well(self, part: str) -> bool:
        checked = subprocess.run(
            [ENGINE, "exec", self._name(part), "actionsight", "check", part],
            capture_output=True,
            check=False,
        )
        return checked.returncode == 0

    def inside(self, part: str, *command: str) -> str:
        return _engine("exec", self._name(part), *command)

    def logs(self, part: str) -> str:
        return f"{part}: {_engine('logs', '--tail=30', self._name(part))}"

    def _name(self, part: str) -> str:
        return f"{self._prefix}-{part}"

    def _options(self, part: str) -> list[str]:
        kept_from_it = {s.name for s in SETTINGS if s.secret} - secrets_of(KINDS[part])
        file = self._folder / f"{part}.env"
        file.write_text(
            "".join(f"{n}={text}\n" for n, text in self._told.items() if n not in kept_from_it)
        )
        return [*LOCKED, f"--name={self._name(part)}", f"--env-file={file}"]


def _engine(*arguments: str) -> str:
    done = subprocess.run([ENGINE, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.skipif(not IMAGE or not ENGINE, reason="ACTIONSIGHT_TEST_IMAGE names no image")
def test_an_installation_of_locked_containers_collects_builds_and_answers(
    postgres_server: Databases, redis_url: str, cache_url: str, tmp_path: Path
) -> None:
    world = World()
    of = world.add_workflow(world.add_repository("octo/app"))
    for hours in range(1, 6):
        started_at = datetime.now(UTC) - timedelta(hours=hours)
        world.add_run(of, started_at, ended_at=started_at + timedelta(minutes=5))
    api_port = free_port()
    with (
        postgres_server.fresh() as database_url,
        postgres_server.fresh() as dagster_url,
        serving(world, token="a-token") as github,
        ExitStack() as running,
    ):
        told = {
            "ACTIONSIGHT_DATABASE_URL": database_url,
            "ACTIONSIGHT_API_DATABASE_URL": database_url,
            "ACTIONSIGHT_DAGSTER_DATABASE_URL": dagster_url,
            "ACTIONSIGHT_REDIS_URL": redis_url,
            "ACTIONSIGHT_CACHE_URL": cache_url,
            "ACTIONSIGHT_SECRET_KEY": "k" * 32,
            "ACTIONSIGHT_GITHUB_TOKEN": "a-token",
            "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET": "a-webhook-secret",
            "ACTIONSIGHT_GITHUB_API_URL": github.url,
            "ACTIONSIGHT_REPOSITORIES": "octo/app",
            "ACTIONSIGHT_HOST": HOST,
            "ACTIONSIGHT_API_PORT": str(api_port),
            "ACTIONSIGHT_RECEIVER_PORT": str(free_port()),
            "ACTIONSIGHT_DAGSTER_PORT": str(free_port()),
            "ACTIONSIGHT_CODE_SERVER": f"{HOST}:{free_port()}",
        }
        containers = Containers(told, tmp_path)
        assert "up to date" in containers.run("migrate", "migrate")
        for part in ("receiver", "api", "code-server", "dagster-webserver", "dagster-daemon"):
            running.enter_context(containers.served(part))
        create = ("actionsight", "tokens", "create", "--name", "test")
        token = containers.inside("code-server", *create).split()[-1]
        root = f"http://{HOST}:{api_port}"

        def has_runs() -> bool:
            answer = loopback.get(f"{root}/stats", headers={"Authorization": f"Bearer {token}"})
            return answer.ok and answer.json()["data"]["run_count"] > 0

        eventually(has_runs, lambda: "\n".join(containers.logs(part) for part in PARTS))
        assert loopback.get(f"{root}/readyz").ok
        page = loopback.get(f"{root}/app/")
        assert page.status_code == requests.codes.ok
        assert "<script" in page.text
