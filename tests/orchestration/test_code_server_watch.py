"""Dagster's webserver and daemon begin before the code server, and meet it once it listens."""

import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration import code_server_watch
from orchestration.code_server_watch import wait_for_code_servers

pytestmark = pytest.mark.unit


def workspace(folder: Path, **server: Any) -> str:
    path = folder / "workspace.yaml"
    path.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    return str(path)


def test_who_begins_first_waits_until_the_code_server_listens(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    waited = threading.Event()

    def wait() -> None:
        wait_for_code_servers(workspace(tmp_path, socket=str(path)))
        waited.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not waited.wait(2 * code_server_watch.LOOK_SECONDS)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        assert not waited.wait(2 * code_server_watch.LOOK_SECONDS), "a file alone does not listen"
        listening.listen()
        assert waited.wait(code_server_watch.PATIENCE_SECONDS)
    waiting.join()


def test_on_another_machine_it_is_found_by_its_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert code_server_watch._listens({"host": "127.0.0.1", "port": listening.getsockname()[1]})


def test_one_that_never_comes_keeps_nobody_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_server_watch, "PATIENCE_SECONDS", 0.1)
    began = time.monotonic()
    wait_for_code_servers(workspace(tmp_path, socket=str(tmp_path / "socket")))
    wait_for_code_servers(workspace(tmp_path, host="none.invalid", port=1))
    assert time.monotonic() - began < code_server_watch.SECONDS
