"""Where the code server listens: nobody else enters, however long the data folder's path is."""

import dataclasses
import threading
from pathlib import Path

import pytest

from actionsight.local.supervisor import LONGEST_SOCKET_PATH_BYTES, Supervisor, private_socket
from actionsight.settings import Settings


@pytest.mark.unit
@pytest.mark.parametrize("name", ["data", "d" * 100, "50%20data"])
def test_the_code_servers_socket_lies_in_a_folder_that_only_we_enter(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name / "code-server"
    folder.mkdir(mode=0o755, parents=True)
    socket_file = private_socket(folder)
    try:
        assert socket_file.parent.stat().st_mode & 0o777 == 0o700
        assert len(str(socket_file)) <= LONGEST_SOCKET_PATH_BYTES
        assert (socket_file.parent == folder) == (name == "data")
    finally:
        socket_file.parent.rmdir()


@pytest.mark.unit
def test_a_code_server_that_outlived_its_up_takes_no_socket_of_another_along(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "code-server"
    former = private_socket(folder)
    former.touch()
    assert private_socket(folder) != former
    assert list(folder.iterdir()) == []


@pytest.mark.integration
def test_who_asked_for_the_end_before_it_began_is_heard(settings: Settings) -> None:
    ending = threading.Event()
    ending.set()
    here = dataclasses.replace(settings, receiver_port=1)
    supervisor = Supervisor(here, [], ending, say=pytest.fail)

    supervisor.watch()

    assert supervisor.is_ending
