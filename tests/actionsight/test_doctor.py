"""`actionsight doctor` says what is wrong, and what to do."""

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from actionsight.database import connect
from actionsight.doctor import address_findings, examine, file_findings, webhook_findings
from actionsight.event_buffer import EventBuffer
from actionsight.findings import Finding
from actionsight.outside_services import secret_key_findings, transport_findings
from actionsight.repositories import add_selections
from actionsight.settings import Settings, load
from github_standin.server.server import Server, serving
from github_standin.world.world import World
from tests.support.outside_services import missing, pgbouncer

pytestmark = pytest.mark.integration


@pytest.fixture
def github() -> Iterator[Server]:
    world = World()
    world.add_repository("octo/app")
    with serving(world, token="right") as server:
        yield server


@pytest.fixture
def well(settings: Settings, github: Server) -> Settings:
    with connect(str(settings.database_url)) as connection:
        add_selections(connection, ["octo/app"])
    return dataclasses.replace(settings, github_api_url=github.url, github_token="right")


def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine(settings)}


def test_a_working_installation_has_nothing_wrong(well: Settings) -> None:
    found = findings(well)
    assert [finding.line() for finding in found.values() if finding.is_wrong] == []
    assert "answers with a token; 5,000 of 5,000 requests left until" in found["GitHub"].says
    assert found["GitHub reads"].says == "the runs of 1 monitored repositories"
    assert found["octo/app"].says == "not collected yet"


def test_it_leaves_the_logs_of_others_alone(
    well: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("actionsight.github", "urllib3")
    for name in names:
        caplog.set_level(logging.DEBUG, logger=name)
    findings(well)
    assert {logging.getLogger(name).level for name in names} == {logging.DEBUG}


def test_a_wrong_token_is_named(well: Settings) -> None:
    found = findings(dataclasses.replace(well, github_token="wrong"))
    assert found["GitHub"].is_wrong
    assert "make a new one" in found["GitHub"].says


def test_a_repository_that_the_token_does_not_read_is_named(well: Settings) -> None:
    with connect(str(well.database_url)) as connection:
        add_selections(connection, ["octo/hidden"])
    found = findings(well)
    assert found["GitHub reads octo/hidden"].is_wrong
    assert "404" in found["GitHub reads octo/hidden"].says
    assert found["GitHub reads"].says == "the runs of 1 monitored repositories"


def test_an_unreachable_github_is_named_with_its_setting(well: Settings) -> None:
    found = findings(dataclasses.replace(well, github_api_url="http://127.0.0.1:1"))
    assert "ACTIONSIGHT_GITHUB_API_URL" in found["GitHub"].says


def test_an_unreachable_database_and_cache_are_wrong(well: Settings) -> None:
    found = findings(
        dataclasses.replace(
            well, database_url="postgresql://u:p@127.0.0.1:1/d", cache_url="redis://127.0.0.1:1"
        )
    )
    assert found["PostgreSQL"].is_wrong
    assert found["Cache"].is_wrong


def test_a_database_that_was_never_migrated_says_what_to_run(
    well: Settings, empty_database_url: str
) -> None:
    found = findings(dataclasses.replace(well, database_url=empty_database_url))
    assert "actionsight migrate" in found["Schema"].says


def test_one_server_for_both_roles_is_a_warning(well: Settings) -> None:
    found = findings(dataclasses.replace(well, cache_url=well.redis_url))
    assert found["Redis"].is_warning
    assert not found["Redis"].is_wrong


def test_the_trouble_of_a_repository_shows(well: Settings) -> None:
    with connect(str(well.database_url)) as connection:
        connection.execute("update app.repository_selections set last_error = 'no such thing'")
    assert findings(well)["octo/app"].says == "no such thing"


def test_files_that_others_can_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file, key, data = tmp_path / ".env", tmp_path / "key", tmp_path / "data"
    for file in (env_file, key):
        file.touch(mode=0o600)
    data.mkdir(mode=0o711)
    monkeypatch.setattr("actionsight.settings.ENV_FILE", env_file)
    monkeypatch.setenv("ACTIONSIGHT_SECRET_KEY_FILE", str(key))
    assert list(file_findings(data)) == []
    for file in (env_file, key, data):
        file.chmod(0o755)
    assert [
        f"chmod -R o-rwx {file}" in finding.says
        for file, finding in zip((env_file, key, data), file_findings(data), strict=True)
    ] == [True] * 3


def test_a_proxy_that_is_not_counted_is_named() -> None:
    public = load(environ={"ACTIONSIGHT_PUBLIC_URL": "https://actionsight.example"})
    [finding] = address_findings(public)
    assert "ACTIONSIGHT_PROXY_COUNT" in finding.says
    assert list(address_findings(dataclasses.replace(public, proxy_count=1))) == []
    assert list(address_findings(load(environ={}))) == []


def test_what_other_machines_reach_without_encryption_or_sign_in_is_named() -> None:
    given = {"ACTIONSIGHT_HOST": "0.0.0.0", "ACTIONSIGHT_DAGSTER_HOST": "0.0.0.0"}  # noqa: S104
    address, pages = address_findings(load(environ=given))
    assert address.is_warning
    assert "ACTIONSIGHT_PUBLIC_URL" in address.says
    assert (pages.is_warning, pages.is_wrong) == (True, False)
    public = {"ACTIONSIGHT_PUBLIC_URL": "https://ci.example", "ACTIONSIGHT_PROXY_COUNT": "1"}
    [pages] = address_findings(
        load(environ={**given, **public, "ACTIONSIGHT_DAGSTER_WRITABLE": "yes"})
    )
    assert pages.is_wrong


def test_a_short_webhook_secret_is_a_warning() -> None:
    found = []
    for length in (15, 16):
        secret = {"ACTIONSIGHT_GITHUB_WEBHOOK_SECRET": "k" * length}
        found.append(list(webhook_findings(load(environ=secret), demonstration=False)))
    assert [len(findings) for findings in found] == [2, 1]
    assert found[0][0].is_warning


def test_no_secret_stands_in_a_finding(well: Settings) -> None:
    shown = "\n".join(finding.line() for finding in examine(well))
    assert "right" not in shown


def test_missing_webhooks_are_named_with_their_setting(well: Settings) -> None:
    assert "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET" in findings(well)["Webhooks"].says
    signed = findings(dataclasses.replace(well, github_webhook_secret=("new", "old")))["Webhooks"]
    assert not signed.is_warning
    assert "`actionsight hooks rotate`" in signed.says


def test_events_that_nobody_drains_are_told(well: Settings) -> None:
    buffer = EventBuffer(str(well.redis_url))
    buffer.append({"X-GitHub-Event": "ping"}, b"{}")
    buffer.close()
    assert "1 events wait" in findings(well)["Event buffer"].says


def test_a_buffer_that_may_lose_events_is_told_how_not_to(well: Settings) -> None:
    found = findings(dataclasses.replace(well, redis_url=well.cache_url))["Event buffer"]
    assert found.is_warning
    assert "appendonly yes" in found.says
    assert "maxmemory-policy noeviction" in found.says


def test_dead_letters_are_told_until_they_are_discarded(well: Settings) -> None:
    with connect(str(well.database_url), autocommit=True) as connection:
        connection.execute(
            """
            insert into raw.webhook_dead_letters (
                delivery_id, event, received_at, headers, body, failed_at, error
            ) values ('d', 'workflow_run', now(), '{}', '', now(), 'no id')
            """
        )
        assert "1 webhooks could not be processed" in findings(well)["Dead letters"].says
        connection.execute("update raw.webhook_dead_letters set discarded_at = now()")
    assert "Dead letters" not in findings(well)


@pytest.mark.parametrize(
    ("name", "url", "is_warned"),
    [
        ("database_url", "postgresql://u:p@db.example/d", True),
        ("api_database_url", "postgresql://u:p@db.example/d?sslmode=require", True),
        ("database_url", "postgresql://u:p@db.example/d?sslmode=verify-full", False),
        ("read_database_url", "postgresql://u:p@127.0.0.1/d", False),
        ("dagster_database_url", "postgresql:///d?host=/run/postgresql", False),
        ("redis_url", "redis://:p@buffer.example:1/0", True),
        ("redis_url", "rediss://:p@buffer.example:1/0", False),
        ("cache_url", "redis+sentinel://:p@127.0.0.1:1,other.example:2/primary", True),
        ("cache_url", "unix:///run/redis", False),
    ],
)
def test_what_goes_unverified_to_another_machine_is_named(
    name: str, url: str, is_warned: bool
) -> None:
    told: Any = {name: url}
    found = list(transport_findings(dataclasses.replace(load(environ={}), **told)))
    assert [f"ACTIONSIGHT_{name.upper()}" in finding.says for finding in found] == [
        True
    ] * is_warned
    assert all("p@" not in finding.says for finding in found)


def test_a_key_that_only_this_machine_has_is_named_where_others_could_serve() -> None:
    alone = load(environ={})
    shared = dataclasses.replace(alone, database_url="postgresql://u:p@db.example/d")
    assert list(secret_key_findings(alone)) == []
    assert [finding.is_warning for finding in secret_key_findings(shared)] == [True]
    assert list(secret_key_findings(dataclasses.replace(shared, secret_key="0" * 32))) == []


def test_parts_of_postgresql_that_cannot_be_reached_are_named(well: Settings) -> None:
    away = "postgresql://u:p@127.0.0.1:1/d"
    found = findings(
        dataclasses.replace(
            well, api_database_url=away, dagster_database_url=away, read_database_url=away
        )
    )
    assert found["PostgreSQL for the API"].is_wrong
    assert found["Dagster's database"].is_wrong
    # The primary server answers in its place.
    assert found["Read replica"].is_warning
    assert not found["Read replica"].is_wrong


def test_a_pooler_is_named_with_what_the_role_of_the_api_lacks(
    well: Settings, services_folder: Path, tmp_path: Path
) -> None:
    if lacking := missing("pgbouncer"):
        pytest.skip(lacking)
    server = urlsplit(str(well.database_url))
    folder = services_folder / tmp_path.name
    passwords = {str(server.username): str(server.password)}
    with pgbouncer(folder, server.port or 0, passwords) as port:
        pooled = str(well.database_url).replace(f":{server.port}/", f":{port}/")
        found = list(
            examine(dataclasses.replace(well, database_url=pooled, api_database_url=pooled))
        )
    says = {finding.says for finding in found if finding.subject == "PostgreSQL"}
    assert any("a pooler stands before it" in each for each in says)
    [of_api] = [finding for finding in found if finding.subject == "PostgreSQL for the API"]
    assert of_api.is_warning
    assert "alter role actionsight set statement_timeout" in of_api.says
