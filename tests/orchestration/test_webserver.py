"""Dagster's pages answer to this machine, and change nothing, whoever asks."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import requests
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from graphql import OperationDefinitionNode, OperationType, parse, validate

from actionsight import loopback
from actionsight.local import free_port
from actionsight.local.dagster_client import DagsterClient
from actionsight.settings import ROOT
from orchestration.webserver import Webserver
from tests.security.dagster_requests import (
    REFUSED,
    REFUSED_READ_ONLY,
    Request,
    send,
    websocket_status,
)

PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The entry that `actionsight up` starts, with no code and with no setting of Actionsight's."""
    folder = tmp_path_factory.mktemp("dagster")
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}")
    (folder / "workspace.yaml").write_text("load_from: []")
    served = free_port()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "orchestration.webserver", f"--port={served}"),
            f"--workspace={folder / 'workspace.yaml'}",
            "--public-url=https://ci.example.org",
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DAGSTER_HOME": str(folder)},
    ) as process:
        try:
            _wait_until_it_serves(served, process)
            yield served
        finally:
            process.terminate()
    assert process.returncode in {0, -15}


def _wait_until_it_serves(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            loopback.get(f"http://{loopback.HOST}:{port}/server_info").raise_for_status()
            return
        except requests.RequestException:
            time.sleep(0.1)
    raise AssertionError(f"the webserver does not serve (exit code {process.poll()})")


@pytest.mark.integration
@pytest.mark.parametrize("request_", [*REFUSED, *REFUSED_READ_ONLY], ids=lambda each: each.what)
def test_what_pages_and_neighbours_try_is_refused(port: int, request_: Request) -> None:
    status, body = send(port, request_)
    assert status == request_.status, body
    assert '"data": {' not in body


@pytest.mark.integration
@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:{port}", None),
        ("127.0.0.1:{port}", "http://127.0.0.1:{port}"),
        ("localhost:{port}", "http://localhost:{port}"),
        ("[::1]:{port}", "http://[::1]:{port}"),
        ("localhost:3001", "http://localhost:3001"),  # through a tunnel of SSH's
        ("ci.example.org", "https://ci.example.org"),  # through a proxy
    ],
)
def test_people_and_tools_of_this_machine_are_answered(
    port: int, host: str, origin: str | None
) -> None:
    headers = {"Host": host.format(port=port), "Content-Type": "application/json"}
    if origin is not None:
        headers["Origin"] = origin.format(port=port)
    status, body = send(port, Request("a page of ours", 200, headers=headers))
    assert (status, "version" in body) == (200, True)
    page, html = send(port, Request("", 200, "GET", "/runs", {"Host": headers["Host"]}, ""))
    assert (page, "<html" in html) == (200, True)


@pytest.mark.integration
def test_a_websocket_opens_for_our_pages_alone(port: int) -> None:
    own = f"http://127.0.0.1:{port}"
    assert websocket_status(port, Origin=own) == 101
    assert websocket_status(port, Origin="https://evil.example") == 403
    assert websocket_status(port, Origin="http://127.0.0.1:1") == 403


@pytest.mark.integration
def test_what_up_asks_is_answered(port: int) -> None:
    dagster = DagsterClient(port)
    assert not dagster.location_is_loaded()
    assert not dagster.daemons_are_healthy()


@pytest.mark.unit
def test_only_writable_pages_know_how_to_change_things(instance: DagsterInstance) -> None:
    with WorkspaceProcessContext(instance, None) as context:
        for is_writable in (True, False):
            webserver = Webserver(context, is_writable=is_writable, public_url=None)
            schema = webserver.build_graphql_schema().graphql_schema
            for request in REFUSED_READ_ONLY:
                document = parse(json.loads(request.body)["query"])
                [operation] = document.definitions
                assert isinstance(operation, OperationDefinitionNode)
                is_known = not validate(schema, document) and (
                    operation.operation != OperationType.MUTATION
                    or schema.mutation_type is not None
                )
                assert is_known == is_writable, request.what
