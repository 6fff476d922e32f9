"""`actionsight status` names the part that does not do its work, and exits by it."""

import dataclasses
import json
import time
from collections.abc import Iterator

import pytest
import redis
from click.testing import CliRunner

from actionsight.cli.main import main
from actionsight.database import connect
from actionsight.event_buffer import STREAM
from actionsight.findings import Finding
from actionsight.local import free_port
from actionsight.local.installation import claimed_by_up
from actionsight.settings import Settings
from actionsight.status import examine, is_well

pytestmark = pytest.mark.integration


@pytest.fixture
def running(settings: Settings) -> Iterator[Settings]:
    """`up` holds the data folder, and its servers serve; no process of Dagster's or the API's."""
    ports = {"api_port": free_port(), "dagster_port": free_port(), "receiver_port": free_port()}
    here = dataclasses.replace(settings, **ports)
    with claimed_by_up(here, demonstration=False):
        yield here


def marks(settings: Settings) -> dict[str, str]:
    return {finding.subject: finding.mark for finding in examine(settings)}


def find(settings: Settings, subject: str) -> Finding:
    return next(finding for finding in examine(settings) if finding.subject == subject)


def test_nothing_runs(settings: Settings) -> None:
    [finding] = examine(settings)
    assert finding.is_wrong
    assert "make up" in finding.says


def test_each_part_that_does_not_answer_is_wrong(running: Settings) -> None:
    assert marks(running) == {
        "PostgreSQL": "ok",
        "Event buffer": "ok",
        "Cache": "ok",
        "Dagster's daemon": "wrong",
        "API": "wrong",
        "Receiver of webhooks": "wrong",
        "Dagster's pages": "wrong",
        "Disk": "ok",
        "Repositories": "ok",
        "Freshness": "mind",
        "Dead letters": "ok",
    }
    away = dataclasses.replace(
        running,
        database_url="postgresql://u:p@127.0.0.1:1/d",
        redis_url="redis://127.0.0.1:1",
        cache_url="redis://127.0.0.1:1",
    )
    found = marks(away)
    assert {found[name] for name in ("PostgreSQL", "Event buffer", "Cache")} == {"wrong"}
    assert not is_well(away)


def test_a_server_that_fell_is_wrong_while_all_else_is_up(running: Settings) -> None:
    fallen = dataclasses.replace(running, redis_url=None, cache_url=None)
    found = marks(fallen)
    assert (found["Event buffer"], found["Cache"]) == ("wrong", "wrong")


@pytest.mark.parametrize(("waited_seconds", "mark"), [(30, "ok"), (90, "mind"), (700, "wrong")])
def test_webhooks_that_nobody_drains(running: Settings, waited_seconds: int, mark: str) -> None:
    with redis.Redis.from_url(str(running.redis_url)) as client:
        taken_ms = int((time.time() - waited_seconds) * 1000)
        client.xadd(STREAM, {"headers": "{}", "body": ""}, id=f"{taken_ms}-0")
    assert marks(running)["Event buffer"] == mark


def test_what_is_worth_a_look(running: Settings) -> None:
    with connect(str(running.database_url), autocommit=True) as connection:
        connection.execute(
            """
            insert into app.repositories (
                repository_id, full_name, selected_by, observed_until, trouble, unreachable_since
            ) values
                (1, 'octo/app', 'octo/*', now() - interval '2 hours', null, null),
                (2, 'octo/site', 'octo/*', now(), 'no such thing', null),
                (3, 'octo/gone', 'octo/*', now(), null, now())
            """
        )
        connection.execute(
            """
            insert into raw.webhook_dead_letters (
                delivery_id, event, received_at, headers, body, failed_at, error
            ) values ('d', 'workflow_run', now(), '{}', '', now(), 'no id')
            """
        )
    found = marks(running)
    assert (found["Repositories"], found["Freshness"], found["Dead letters"]) == ("mind",) * 3
    assert "2 of 3 in trouble: octo/gone, octo/site" in find(running, "Repositories").says
    with connect(str(running.database_url), autocommit=True) as connection:
        connection.execute(
            "update app.repositories "
            "set observed_until = null, trouble = null, unreachable_since = null"
        )
    found = marks(running)
    assert (found["Repositories"], found["Freshness"]) == ("ok", "ok")


def test_a_script_reads_the_same_and_the_exit_code(
    running: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    read = CliRunner().invoke(main, ["status", "--json"])
    assert read.exit_code == 2
    told = json.loads(read.stdout)
    assert told["status"] == "wrong"
    assert {part["name"]: part["status"] for part in told["parts"]} == marks(running)
    table = CliRunner().invoke(main, ["status"]).stdout.splitlines()
    assert [line.split()[0] for line in table] == [part["status"] for part in told["parts"]]
