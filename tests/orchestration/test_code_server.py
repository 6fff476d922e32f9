"""The code server ends when it is told to, whatever it met before."""

import logging
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.utils import FuturesAwareThreadPoolExecutor
from dagster._grpc.server import CLEANUP_TICK, DagsterApiServer

from orchestration.code_server import CodeServer

pytestmark = pytest.mark.integration


@pytest.fixture
def ended() -> threading.Event:
    return threading.Event()


@pytest.fixture
def code_server(tmp_path: Path, ended: threading.Event) -> Iterator[CodeServer]:
    definitions = tmp_path / "definitions.py"
    definitions.write_text("from dagster import Definitions\n\nown = Definitions()\n")
    with FuturesAwareThreadPoolExecutor() as executor:
        yield CodeServer(
            server_termination_event=ended,
            logger=logging.getLogger(__name__),
            server_threadpool_executor=executor,
            loadable_target_origin=LoadableTargetOrigin(
                executable_path=sys.executable, python_file=str(definitions)
            ),
            location_name="own",
        )
        ended.set()


def test_it_ends_after_a_time_in_which_the_database_did_not_answer(
    code_server: CodeServer,
    ended: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: list[float] = []

    def fail(_server: DagsterApiServer) -> None:
        asked.append(time.monotonic())
        raise ConnectionError

    monkeypatch.setattr(DagsterApiServer, "_check_for_orphaned_runs", fail)
    deadline = time.monotonic() + 60 * CLEANUP_TICK
    while len(asked) < 3:  # it goes on asking
        assert time.monotonic() < deadline
        time.sleep(CLEANUP_TICK / 10)
    assert not ended.is_set()
    assert [record.getMessage() for record in caplog.records] == [
        "Dagster cannot be told which runs have ended: ConnectionError"
    ]
    code_server.cleanup()
    assert ended.is_set()
