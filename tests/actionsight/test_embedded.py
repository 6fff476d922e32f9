"""Embedded servers are shared, survive a killed command, and leave nothing when all have left."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from actionsight.database import connect
from actionsight.embedded import PostgresqlServer, ValkeyServer, hold
from actionsight.embedded.valkey import EVENT_BUFFER
from actionsight.settings import ROOT
from tests.support.services import FAST

pytestmark = pytest.mark.integration

HOLD_UNTIL_KILLED = """
import sys, time
from pathlib import Path
from actionsight.embedded import ValkeyServer, hold
from actionsight.embedded.valkey import EVENT_BUFFER
with hold(ValkeyServer(Path(sys.argv[1]), "the event buffer", EVENT_BUFFER)) as url:
    print(url, flush=True)
    time.sleep(600)
"""


def buffer_in(folder: Path) -> ValkeyServer:
    return ValkeyServer(folder, "the event buffer", EVENT_BUFFER)


def test_the_last_to_leave_ends_the_server_and_data_is_there_at_the_next_start(
    tmp_path: Path,
) -> None:
    with hold(buffer_in(tmp_path)) as url:
        with hold(buffer_in(tmp_path)) as same_url:
            assert same_url == url
            with redis.Redis.from_url(url) as client:
                client.set("kept", "1")
        assert buffer_in(tmp_path).running_url() == url
    assert buffer_in(tmp_path).running_url() is None
    with hold(buffer_in(tmp_path)) as url, redis.Redis.from_url(url) as client:
        assert client.get("kept") == b"1"


def test_a_server_that_outlived_a_killed_command_is_adopted_and_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD_UNTIL_KILLED, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        url = holder.stdout.readline().strip()
        holder.send_signal(signal.SIGKILL)
    assert buffer_in(tmp_path).running_url() == url
    with hold(buffer_in(tmp_path)) as adopted:
        assert adopted == url
    assert buffer_in(tmp_path).running_url() is None


def test_a_killed_server_is_started_again(tmp_path: Path) -> None:
    server = buffer_in(tmp_path)
    with hold(server) as url:
        with redis.Redis.from_url(url) as client:
            client.set("kept", "1")
            pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGKILL)
        with hold(server) as again, redis.Redis.from_url(again) as client:
            assert client.get("kept") == b"1"


def test_the_event_buffer_keeps_everything_and_the_cache_may_forget(
    redis_url: str, cache_url: str
) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        kept = {**client.config_get("append*"), **client.config_get("maxmemory-policy")}
    assert kept["appendonly"] == "yes"
    assert kept["appendfsync"] == "always"
    assert kept["maxmemory-policy"] == "noeviction"
    with redis.Redis.from_url(cache_url, decode_responses=True) as client:
        assert client.config_get("appendonly") == {"appendonly": "no"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
        assert client.config_get("maxmemory") == {"maxmemory": str(128 * 1024 * 1024)}


def test_neither_server_opens_without_its_password(redis_url: str, database_url: str) -> None:
    address = redis_url.rpartition("@")[2]
    with (
        redis.Redis.from_url(f"redis://{address}") as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
    port = database_url.rpartition(":")[2].partition("/")[0]
    with pytest.raises(Exception, match="password authentication failed"):
        connect(f"postgresql://actionsight:wrong@127.0.0.1:{port}/actionsight")


def test_passwords_are_readable_by_their_owner_alone(services_folder: Path, redis_url: str) -> None:
    secrets = [services_folder / "event-buffer" / name for name in ("password", "valkey.conf")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}


def test_postgresql_is_18_in_utc_and_an_interrupted_first_start_heals(
    services_folder: Path,
) -> None:
    folder = services_folder / "interrupted"
    server = PostgresqlServer(folder, FAST)
    folder.mkdir()
    server.prepare()
    half_made = server.home / "cluster.new"
    (server.home / "cluster").rename(half_made)
    (half_made / "PG_VERSION").unlink()
    with hold(server) as url, connect(url) as connection:
        version, zone = connection.execute(
            "select current_setting('server_version_num')::int / 10000, current_setting('timezone')"
        ).fetchone() or (None, None)
    assert (version, zone) == (18, "UTC")
