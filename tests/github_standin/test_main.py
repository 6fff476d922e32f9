"""The command, as a process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import jwt
import pytest
import requests

from github_standin.cli import CLIENT_VARIABLES, SIGNING_VARIABLE
from github_standin.webhooks.deliveries import signatures
from github_standin.world.people import APP_ID
from tests.github_standin.keys import keys
from tests.github_standin.receiver import receiving

pytestmark = pytest.mark.integration


@contextmanager
def started(
    *arguments: str, secret: str | None = None, client: tuple[str, ...] = ()
) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "github_standin", *arguments]
    secrets = (SIGNING_VARIABLE, *CLIENT_VARIABLES)
    environment = {name: of for name, of in os.environ.items() if name not in secrets}
    if secret is not None:
        environment[SIGNING_VARIABLE] = secret
    environment |= dict(zip(CLIENT_VARIABLES, client, strict=False))
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening on http://127.0.0.1:")
    return line.removeprefix("listening on ").strip()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_cleanly(tmp_path: Path, ending: signal.Signals) -> None:
    folder = tmp_path / "data"
    with started("--demonstration", "--data-dir", str(folder), "--token", "t") as process:
        url = url_of(process)
        status = requests.get(f"{url}/standin", timeout=10).json()
        assert "bitcoin/bitcoin" in status["repositories"]
        assert requests.get(f"{url}/repos/bitcoin/bitcoin", timeout=10).status_code == 401
        process.send_signal(ending)
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, output) == (0, "")
    assert "used up" in errors
    kept = json.loads((folder / "standin.json").read_text())
    assert set(kept["shift_weeks"]) == {of["name"] for of in status["recordings"]}


def test_a_taken_port_is_one_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with started("--port", port) as process:
            _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert errors.startswith("github_standin cannot start:")
    assert port in errors


FAST = ("--demonstration", "--speed=10000", "--lead=48")


def test_it_sends_what_happens_while_it_catches_up_with_the_present(tmp_path: Path) -> None:
    folder = f"--data-dir={tmp_path}"
    with (
        receiving() as receiver,
        started(*FAST, folder, f"--webhook-url={receiver.url}", secret="of the test") as process,
    ):
        url = url_of(process)
        first = requests.get(f"{url}/standin", timeout=10).json()
        [received, *_] = receiver.wait_for(1)
        status = requests.get(f"{url}/standin", timeout=10).json()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0
    assert first["now"] < status["now"]
    signed = signatures("of the test", received.body)["X-Hub-Signature-256"]
    assert received.headers["x-hub-signature-256"] == signed
    assert status["webhooks"]["url"] == receiver.url
    assert status["webhooks"]["failed"] == 0
    payload = json.loads(received.body)
    assert payload["repository"]["full_name"] in status["repositories"]
    assert payload["repository"]["url"].startswith(url)

    with started(*FAST, folder) as process:
        later = requests.get(f"{url_of(process)}/standin", timeout=10).json()
    assert status["now"] < later["now"]
    assert "webhooks" not in later


def test_people_sign_in_to_the_app_of_the_environment(tmp_path: Path) -> None:
    back = "http://127.0.0.1:8000/auth/callback"
    arguments = ("--demonstration", f"--data-dir={tmp_path}", f"--redirect-uri={back}")
    with started(*arguments, client=("Iv1.demo", "demo secret")) as process:
        url = url_of(process)
        people = requests.get(f"{url}/standin", timeout=10).json()["people"]
        login = people[1]["login"]
        consent = requests.get(
            f"{url}/login/oauth/authorize",
            params={"client_id": "Iv1.demo", "redirect_uri": back, "login": login},
            allow_redirects=False,
            timeout=10,
        )
        code = consent.headers["Location"].removeprefix(f"{back}?code=")
        tokens = requests.post(
            f"{url}/login/oauth/access_token",
            data={"client_id": "Iv1.demo", "client_secret": "demo secret", "code": code},
            headers={"Accept": "application/json"},
            timeout=10,
        ).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        user = requests.get(f"{url}/user", headers=bearer, timeout=10).json()
        hooks = requests.get(f"{url}/repos/bitcoin/bitcoin/hooks", timeout=10)
    assert (user["id"], user["login"]) == (people[1]["id"], login)
    assert hooks.status_code == 403


def test_a_generated_history_with_limits_and_trouble(tmp_path: Path) -> None:
    private, public = keys()
    (tmp_path / "app.pem").write_text(public)
    arguments = (
        "--generated=50",
        "--rate-limit=0",
        "--secondary-limits",
        "--latency=0.001",
        "--fault=gone:0.5",
        "--clock-skew=1",
        f"--app-public-key={tmp_path / 'app.pem'}",
    )
    now = int(time.time())
    claims = {"iss": str(APP_ID), "iat": now - 60, "exp": now + 500}
    bearer = {"Authorization": f"Bearer {jwt.encode(claims, private, algorithm='RS256')}"}
    with started(*arguments) as process:
        url = url_of(process)
        app = [requests.get(f"{url}/app", headers=bearer, timeout=10) for _ in range(20)]
        told = requests.get(f"{url}/standin", timeout=10).json()
    statuses = Counter(answer.status_code for answer in app)
    assert set(statuses) == {200, 410}
    [good, *_] = [of for of in app if of.ok]
    assert good.json()["installations_count"] == 1
    assert not any("X-RateLimit-Limit" in answer.headers for answer in app)
    ahead = parsedate_to_datetime(good.headers["Date"]).timestamp() - now
    assert 3_590 < ahead < 3_660
    assert told["repositories"] == ["octo/generated"]
    assert told["generated"]["runs"] == 50
    assert told["requests"]["by_status"] == {str(of): count for of, count in statuses.items()}
    assert told["requests"]["refusals"] == {}
