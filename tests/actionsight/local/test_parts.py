"""Processes that run by themselves: told by settings alone where the others are."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from actionsight import operations
from actionsight.local.dagster_client import DagsterClient
from actionsight.local.installation import alone
from actionsight.local.parts import DAEMON, PARTS, become, code_server_of, write_workspace
from actionsight.local.processes import Process
from actionsight.loopback import root_of
from actionsight.settings import (
    API,
    COLLECTION,
    DAGSTER,
    RECEIVER,
    SETTINGS,
    Settings,
    SettingsError,
    load,
)
from tests.support.ports import free_port

ACTIONSIGHT = str(Path(sys.executable).with_name("actionsight"))
# On loopback, and not where a process listens without a setting.
ANOTHER = "127.0.0.2"


def told(settings: Settings) -> dict[str, str]:
    """What a container is told: settings, and nothing that its machine has."""
    given = {name: text for name, text in settings.environment().items() if text}
    return {"PATH": os.environ["PATH"], "HOME": str(settings.data_dir), **given}


def is_well(name: str, environment: dict[str, str]) -> bool:
    checked = subprocess.run(
        [ACTIONSIGHT, "check", name], env=environment, capture_output=True, text=True, check=False
    )
    assert checked.returncode in {0, 1}, checked.stderr
    return checked.returncode == 0


@contextmanager
def served(name: str, settings: Settings) -> Generator[Process]:
    """`actionsight serve` for the length of the context, once `actionsight check` is content."""
    environment = told(settings)
    process = Process(
        name,
        [ACTIONSIGHT, "serve", name],
        lambda: is_well(name, environment),
        settings.data_dir / f"{name}.log",
        environment,
    )
    process.start()
    try:
        process.wait_until_healthy(lambda: False)
        yield process
    finally:
        process.signal(signal.SIGTERM)
        process.wait_until_ended()


@pytest.mark.unit
@pytest.mark.parametrize(
    ("part", "missing"),
    [
        (API, {"DATABASE_URL", "REDIS_URL", "CACHE_URL", "SECRET_KEY"}),
        (COLLECTION, {"DATABASE_URL", "REDIS_URL", "CACHE_URL", "SECRET_KEY"}),
        (RECEIVER, {"REDIS_URL"}),
        (DAGSTER, {"DAGSTER_DATABASE_URL"}),
    ],
)
def test_what_a_process_alone_lacks_is_named_all_at_once(part: str, missing: set[str]) -> None:
    with pytest.raises(SettingsError) as error:
        alone(load(environ={}), part)
    assert set(re.findall(r"ACTIONSIGHT_(\w+)", str(error.value))) == missing


@pytest.mark.unit
def test_a_process_alone_needs_no_more_than_it_is_told() -> None:
    url = "postgresql://u:p@db/{}"
    api = load(
        environ={
            "ACTIONSIGHT_API_DATABASE_URL": url.format("api"),
            "ACTIONSIGHT_REDIS_URL": "redis://buffer",
            "ACTIONSIGHT_CACHE_URL": "redis://cache",
            "ACTIONSIGHT_SECRET_KEY": "k" * 32,
        }
    )
    assert alone(api, API).database_url == alone(api, API).read_database_url == url.format("api")
    dagster = load(environ={"ACTIONSIGHT_DAGSTER_DATABASE_URL": url.format("dagster")})
    assert alone(dagster, DAGSTER) == dagster
    assert {part.kind for part in PARTS.values()} == {API, RECEIVER, COLLECTION, DAGSTER}
    assert {kind for each in SETTINGS for kind in each.told_to or ()} == {
        *(API, RECEIVER, COLLECTION, DAGSTER)
    }


@pytest.mark.unit
def test_the_workspace_names_the_code_server_of_the_settings(tmp_path: Path) -> None:
    settings = load(
        environ={
            "ACTIONSIGHT_DATA_DIR": str(tmp_path),
            "ACTIONSIGHT_CODE_SERVER": "code-server:4000",
        }
    )
    write_workspace(settings, code_server_of(settings))
    workspace = (tmp_path / "dagster" / "workspace.yaml").read_text()
    assert "host: code-server\n" in workspace
    assert "port: 4000\n" in workspace
    assert "location_name: actionsight\n" in workspace
    with pytest.raises(SettingsError, match="ACTIONSIGHT_CODE_SERVER"):
        code_server_of(load(environ={}))


@pytest.mark.unit
def test_a_server_at_all_addresses_is_asked_on_loopback() -> None:
    assert root_of("0.0.0.0", 1) == "http://127.0.0.1:1"  # noqa: S104 it is asked, not opened
    assert root_of("::", 1) == "http://[::1]:1"
    assert root_of("10.0.0.5", 1) == "http://10.0.0.5:1"


@pytest.mark.unit
def test_a_process_becomes_its_part_and_is_told_no_more_than_that_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: dict[str, list[str]] = {}

    def execve(_: str, command: list[str], environment: dict[str, str]) -> None:
        became[part.name] = command
        assert ("the token" in environment.values()) == (part.kind in {API, COLLECTION})
        assert ("DAGSTER_HOME" in environment) == part.needs_code_server

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.chdir(tmp_path)
    settings = dataclasses.replace(
        load(environ={"ACTIONSIGHT_DATA_DIR": str(tmp_path)}),
        database_url="postgresql://u:p@db/actionsight",
        host="10.0.0.5",
        receiver_port=8001,
        code_server="code-server:4000",
        github_token="the token",
    )
    for part in PARTS.values():
        become(part, settings)
    assert became["code-server"][2:] == [
        *("orchestration.code_server", "--host=10.0.0.5", "--port=4000"),
        "--location-name=actionsight",
    ]
    assert became["receiver"][-2:] == ["8001", "api.webhooks.wsgi:app"]
    assert "--host=127.0.0.1" in became["dagster-webserver"]
    with pytest.raises(SettingsError, match="ACTIONSIGHT_RECEIVER_PORT"):
        become(PARTS["receiver"], dataclasses.replace(settings, receiver_port=None))


@pytest.mark.integration
@pytest.mark.thorough
def test_api_and_receiver_serve_alone_where_the_settings_say(settings: Settings) -> None:
    here = dataclasses.replace(
        settings,
        host=ANOTHER,
        api_port=free_port(),
        receiver_port=free_port(),
        secret_key="k" * 32,
        github_webhook_secret=("a-webhook-secret",),
    )
    with served("receiver", here), served("api", here):
        elsewhere = told(dataclasses.replace(here, host="127.0.0.1"))
        assert not is_well("api", elsewhere)
        assert not is_well("receiver", elsewhere)
    assert not is_well("receiver", told(here))
    # Neither has a part of Dagster's.
    assert not (here.data_dir / "dagster").exists()


@pytest.mark.integration
@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_dagsters_three_find_each_other_by_settings_alone(
    empty_database_url: str, settings: Settings, tmp_path: Path
) -> None:
    here = dataclasses.replace(
        settings,
        database_url=empty_database_url,
        read_database_url=None,
        secret_key="k" * 32,
        github_api_url="http://127.0.0.1:1",
        dagster_database_url=None,
        dagster_port=free_port(),
        host=ANOTHER,
        code_server=f"{ANOTHER}:{free_port()}",
    )
    operations.migrate(here)
    with ExitStack() as stack:
        for name in ("code-server", "dagster-webserver", "dagster-daemon"):
            own = dataclasses.replace(here, data_dir=tmp_path / name)
            if name != "code-server":  # they are told no more
                own = dataclasses.replace(
                    own,
                    dagster_database_url=operations.storage_url(here),
                    database_url=None,
                    redis_url=None,
                    cache_url=None,
                    secret_key=None,
                )
            stack.enter_context(served(name, own))
        dagster = DagsterClient(here.dagster_port)
        assert dagster.location_is_loaded()
        assert dagster.daemons_are_healthy()
    assert not DAEMON.is_healthy(here, None)
