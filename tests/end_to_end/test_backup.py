"""A machine that burns: backed up while all of it ran, restored elsewhere, it goes on."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from actionsight import loopback
from actionsight.database import connect
from actionsight.encryption import Cipher, hash_of
from actionsight.event_buffer import EventBuffer
from actionsight.local.installation import services
from actionsight.settings import load
from github_standin.server.server import Server
from tests.end_to_end.conftest import Installation
from tests.end_to_end.test_sync import wait_until
from tests.end_to_end.test_webhooks import append
from tests.support.ports import free_port

pytestmark = [pytest.mark.end_to_end, pytest.mark.thorough, pytest.mark.timeout(900)]

SESSION = "a-cookie-of-ada-s"


def installation(folder: Path, github: Server) -> Installation:
    """One with embedded servers, in a folder and on ports of its own."""
    return Installation(
        "",
        folder,
        github,
        {
            "ACTIONSIGHT_API_PORT": str(free_port()),
            "ACTIONSIGHT_DAGSTER_PORT": str(free_port()),
            "ACTIONSIGHT_GITHUB_URL": github.url,
            "ACTIONSIGHT_GITHUB_CLIENT_ID": "client",
            "ACTIONSIGHT_GITHUB_CLIENT_SECRET": "client secret",
        },
    )


@contextmanager
def servers(of: Installation) -> Generator[tuple[Installation, str]]:
    """With its servers held: the installation with its database's address, and the buffer's."""
    settings = load(environ=of.environment)
    with services(settings, demonstration=False) as held:
        yield (
            replace(of, database_url=str(held.settings.database_url)),
            str(held.settings.redis_url),
        )


@contextmanager
def up(of: Installation) -> Generator["subprocess.Popen[str]"]:
    """`actionsight up` until the context ends."""
    with of.start("up") as process:
        assert process.stdout is not None
        try:
            assert any(line.startswith("Ctrl-C") for line in process.stdout)
            yield process
        finally:
            process.terminate()
            process.communicate()


def run_of(number: int) -> dict[str, object]:
    return {
        "id": 9_000_000_000 + number,
        "run_attempt": 1,
        "workflow_id": 9_000_000,
        "status": "completed",
        "conclusion": "success",
        "created_at": "2026-11-20T10:00:00Z",
    }


def sign_in(here: Installation) -> None:
    """A session of ada's, as signing in leaves it."""
    token = Cipher((here.data_dir / "secret-key").read_text()).encrypt("a-token")
    with connect(here.database_url) as connection:
        connection.execute("insert into app.users (user_id, login) values (1001, 'ada')")
        connection.execute(
            """
            with grants as (
                insert into app.sign_in_grants (user_id, access_token) values (1001, %s)
                returning grant_id
            )
            insert into app.sessions (session_hash, user_id, grant_id, expires_at)
            select %s, 1001, grant_id, now() + interval '1 day' from grants
            """,
            [token, hash_of(SESSION)],
        )


def test_restored_on_another_path_and_port_it_goes_on(
    github: Server, services_folder: Path
) -> None:
    burnt = installation(services_folder / "burnt", github)
    burnt.run("sync")
    backup = services_folder / "backup"
    with servers(burnt) as (here, redis_url):
        sign_in(here)
        marts = here.marts()
        buffer = EventBuffer(redis_url)
        for number in range(30):
            append(buffer, f"waits {number}", run_of(number))
        burnt.run("backup", str(backup))
        buffer.close()

    restored = installation(services_folder / "elsewhere" / "var", github)
    assert "30 events" in restored.run("restore", str(backup))
    with servers(restored) as (here, redis_url):
        assert here.marts() == marts
        buffer = EventBuffer(redis_url)
        assert buffer.freshness().event_count == 30
        buffer.close()

    with up(restored), servers(restored) as (here, _):
        api = f"http://127.0.0.1:{restored.more['ACTIONSIGHT_API_PORT']}"
        me = loopback.get(f"{api}/me", cookies={"session": SESSION})
        assert (me.status_code, me.json()["login"]) == (200, "ada")
        wait_until(
            lambda: (
                len(here.rows("select from marts.workflow_runs"))
                == len(marts["workflow_runs"]) + 30
            )
        )
        drained = here.rows(
            "select delivery_id from raw.webhook_events where repository_id = 1_181_927"
        )
        assert sorted(drained) == sorted((f"waits {number}",) for number in range(30))
        assert here.rows("select from raw.webhook_dead_letters") == []
        assert loopback.get(f"{api}/readyz").json()["event_buffer"]["event_count"] == 0


def test_what_was_accepted_while_it_was_backed_up_is_there_once(
    github: Server, services_folder: Path
) -> None:
    """A drain and a receiver go on meanwhile."""
    busy = installation(services_folder / "busy", github)
    busy.run("sync")
    backup = services_folder / "backup of busy"
    with up(busy), servers(busy) as (here, redis_url):
        buffer = EventBuffer(redis_url)
        accepted, before = 0, None
        with busy.start("backup", str(backup)) as process:
            while process.poll() is None:
                # Its draft is there before it copies anything.
                if before is None and any(backup.parent.glob(f"{backup.name}.partial-*")):
                    before = accepted
                append(buffer, f"busy {accepted}", run_of(accepted))
                accepted += 1
            output, _ = process.communicate()
        assert process.returncode == 0, output
        buffer.close()
    restored = installation(services_folder / "restored", github)
    restored.run("restore", str(backup))
    restored.run("sync")
    with servers(restored) as (here, _):
        told = {
            delivery_id
            for (delivery_id,) in here.rows("select delivery_id from raw.webhook_events")
        }
    assert before
    assert {f"busy {number}" for number in range(before)} <= told
    assert told <= {f"busy {number}" for number in range(accepted)}
