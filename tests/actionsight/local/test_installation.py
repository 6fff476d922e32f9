"""Which installation a command means: the demonstration or the real one, never a mixture."""

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from actionsight import loopback
from actionsight.local.installation import (
    AlreadyRunningError,
    CredentialError,
    Running,
    check_github,
    claimed_by_up,
    environment,
    find_running,
    say_running,
    services,
    shows_demonstration,
)
from actionsight.settings import API, COLLECTION, DAGSTER, RECEIVER, ROOT, SETTINGS, Settings, load
from github_standin.server.server import serving
from github_standin.world.world import World

pytestmark = pytest.mark.integration


API_URL = "postgresql://api@127.0.0.1/actionsight"


def settings_in(folder: Path, **values: str) -> Settings:
    given = {f"ACTIONSIGHT_{name.upper()}": value for name, value in values.items()}
    return load(environ={"ACTIONSIGHT_DATA_DIR": str(folder), **given})


def test_the_demonstration_is_shown_where_nothing_is_configured_and_nothing_collected(
    tmp_path: Path,
) -> None:
    assert shows_demonstration(settings_in(tmp_path))
    assert shows_demonstration(settings_in(tmp_path, api_port="1", poll_minutes="1"))
    for meant in (
        {"github_token": "t"},
        {"github_api_url": "http://127.0.0.1:1"},
        {"database_url": "postgresql://u:p@127.0.0.1:1/real"},
        {"repositories": "octo/app"},
        {"github_webhook_secret": "a-long-secret"},
    ):
        assert not shows_demonstration(settings_in(tmp_path, **meant)), meant
    (tmp_path / "demonstration").mkdir()
    assert shows_demonstration(settings_in(tmp_path))
    (tmp_path / "postgres").mkdir()
    assert not shows_demonstration(settings_in(tmp_path))


def test_a_lost_credential_is_a_sentence_and_not_the_demonstration(tmp_path: Path) -> None:
    check_github(settings_in(tmp_path, github_token="t"))
    check_github(settings_in(tmp_path, github_api_url="http://127.0.0.1:1"))
    with pytest.raises(CredentialError, match="although ACTIONSIGHT_REPOSITORIES is set"):
        check_github(settings_in(tmp_path, repositories="octo/app"))
    (tmp_path / "postgres").mkdir()
    with pytest.raises(CredentialError, match=f"although {tmp_path} holds an installation"):
        check_github(settings_in(tmp_path))


def test_a_running_up_decides_for_the_commands_beside_it(tmp_path: Path) -> None:
    real = settings_in(tmp_path, github_token="t")
    with claimed_by_up(real, demonstration=True):
        assert shows_demonstration(real)
    assert not shows_demonstration(real)


def test_a_data_folder_has_one_up(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with (
        claimed_by_up(settings, demonstration=False),
        pytest.raises(AlreadyRunningError, match="ACTIONSIGHT_DATA_DIR"),
        claimed_by_up(settings, demonstration=False),
    ):
        pass


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("demonstration", Running(is_demonstration=True)),  # by the versions before
        ("real", Running()),
        ("", Running()),
        ('{"is_demonstration": true, "receiver_port": null}18001}', Running(is_demonstration=True)),
    ],
)
def test_whatever_stands_in_the_lock_says_what_runs(
    tmp_path: Path, written: str, said: Running
) -> None:
    settings = settings_in(tmp_path)
    with claimed_by_up(settings, demonstration=False):
        (tmp_path / "up.lock").write_text(written)
        assert find_running(settings) == said
        say_running(settings, Running(is_demonstration=False, receiver_port=8001))
        assert find_running(settings) == Running(receiver_port=8001)
    assert find_running(settings) is None


@pytest.mark.parametrize(
    "target", [["upgrade"], ["-W", "pyproject.toml", ".venv/runtime-installed"]]
)
def test_packages_do_not_change_under_what_runs(tmp_path: Path, target: list[str]) -> None:
    with claimed_by_up(settings_in(tmp_path), demonstration=False):
        refused = subprocess.run(
            ["make", *target],
            cwd=ROOT,
            # Of a make around the tests it shall know nothing: it would say where it is.
            env={
                **{name: text for name, text in os.environ.items() if not name.startswith("MAKE")},
                "ACTIONSIGHT_DATA_DIR": str(tmp_path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert refused.returncode == 2
    assert f"Actionsight runs in {tmp_path}: end it first" in refused.stderr
    assert refused.stdout == ""


def test_the_demonstration_never_touches_what_is_configured(services_folder: Path) -> None:
    configured = settings_in(
        services_folder / "mixture",
        github_token="t",
        database_url="postgresql://u:p@127.0.0.1:1/real",
        redis_url="redis://127.0.0.1:1",
        repositories="octo/app",
        host="0.0.0.0",  # noqa: S104 nothing listens there
    )
    with services(configured, demonstration=True) as held:
        shown = held.settings
        assert shown.data_dir == configured.data_dir / "demonstration"
        assert shown.github_token is None
        assert shown.host == "127.0.0.1", "whoever reaches it signs in by a click"
        assert shown.github_api_url.startswith("http://127.0.0.1:")
        assert "octo/app" not in shown.repositories
        assert "/real" not in str(shown.database_url)
        told = environment(shown, COLLECTION)
        link = configured.data_dir / "socket" / ".s.PGSQL.5432"
        assert link.exists()
    assert told["ACTIONSIGHT_GITHUB_TOKEN"] == ""
    assert told["DAGSTER_HOME"].startswith(str(shown.data_dir))


def test_no_process_of_ours_calls_home(settings: Settings) -> None:
    told = environment(settings, COLLECTION)
    assert told["DO_NOT_TRACK"] == "1"
    assert told["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
    assert told["RUNTIME__DLTHUB_TELEMETRY"] == "false"
    home = Path(told["DAGSTER_HOME"]) / "dagster.yaml"
    assert "telemetry:\n  enabled: false" in home.read_text()


def test_each_process_is_told_the_secrets_that_it_needs_and_no_others(settings: Settings) -> None:
    told_to: dict[str, set[str]] = {
        "github_token": {API, COLLECTION},
        "github_app_private_key": {API, COLLECTION},
        "github_client_secret": {API},
        "github_webhook_secret": {API, RECEIVER},
        "secret_key": {API, COLLECTION},
        "database_url": {API, COLLECTION},
        "api_database_url": set(),
        "dagster_database_url": {DAGSTER, COLLECTION},
        "read_database_url": {API},
        "redis_url": {API, RECEIVER, COLLECTION},
        "cache_url": {API, COLLECTION},
        "runs_broker_url": {COLLECTION, DAGSTER},
    }
    assert {s.attribute for s in SETTINGS if s.secret} == told_to.keys()
    full = dataclasses.replace(
        settings,
        github_token="the token",
        github_app_private_key="the key",
        github_client_secret="the client secret",
        github_webhook_secret=("the webhook secret",),
        secret_key="the secret key",
        api_database_url=API_URL,
        dagster_database_url="postgresql://dagster@127.0.0.1/dagster",
        runs_broker_url="redis://127.0.0.1:1/1",
    )
    for part in (API, RECEIVER, COLLECTION, DAGSTER):
        told = environment(full, part)
        secrets = {name for name in told_to if told[f"ACTIONSIGHT_{name.upper()}"]}
        assert secrets == {name for name, parts in told_to.items() if part in parts}, part
        assert ("api@127" in told["ACTIONSIGHT_DATABASE_URL"]) == (part == API)
        assert bool(told["ACTIONSIGHT_DAGSTER_DATABASE_URL"]) == (part in {COLLECTION, DAGSTER})


def test_what_a_process_is_told_is_settings_still(settings: Settings) -> None:
    full = dataclasses.replace(settings, github_token="t", api_database_url=API_URL)
    for part in (API, RECEIVER, COLLECTION, DAGSTER):
        load(environ=environment(full, part))


def test_requests_to_this_machine_never_go_by_a_proxy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "intranet.example")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert environment(settings, COLLECTION)["no_proxy"] == "intranet.example,127.0.0.1,localhost"
    with serving(World()) as server:
        assert loopback.get(f"{server.url}/rate_limit").ok
