"""A service manager hears that all is ready, and a sign of life as long as all is well."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actionsight.local.service_manager import ServiceManager

pytestmark = pytest.mark.unit


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "20000")
        yield listener


def test_the_watchdog_is_fed_while_all_is_well(listening: socket.socket) -> None:
    looks = iter([False, True, False])
    over = threading.Event()

    def is_well() -> bool:
        well = next(looks, None)
        if well is None:
            over.set()
        return bool(well)

    manager = ServiceManager.of_this_process()
    with manager.watching(is_well):
        assert over.wait(10)
    manager.tell("STOPPING=1")
    heard = [listening.recv(100) for _ in range(3)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"], "one look of three was good"


def test_a_word_that_nobody_hears_is_not_the_last(listening: socket.socket, tmp_path: Path) -> None:
    manager = ServiceManager.of_this_process()
    looks = threading.Semaphore(0)

    def is_well() -> bool:
        looks.release()
        return True

    with manager.watching(is_well):
        (tmp_path / "notify").rename(tmp_path / "away")
        for _ in range(3):
            assert looks.acquire(timeout=10), "it gave up"


def test_no_child_speaks_for_us(listening: socket.socket) -> None:
    ServiceManager.of_this_process()
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & os.environ.keys()


def test_without_a_service_manager_nobody_is_told_and_nothing_looked_at() -> None:
    with ServiceManager.of_this_process().watching(pytest.fail):
        pass


def test_a_socket_of_the_abstract_namespace() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")  # the kernel chooses a name
        listener.settimeout(10)
        name = listener.getsockname().decode().replace("\0", "@")
        ServiceManager(name).tell("READY=1", "STATUS=well")
        assert listener.recv(100) == b"READY=1\nSTATUS=well"
