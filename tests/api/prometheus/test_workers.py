"""GET /metrics of the real server: whichever worker answers, it tells what all of them counted."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from actionsight import api_server
from actionsight.loopback import HOST
from actionsight.settings import Settings
from tests.api.prometheus.exposition import Exposition, parse
from tests.api.webhooks.counted import counts_in
from tests.api.webhooks.deliveries import BODY, PATH, SECRET, headers
from tests.support.granian import served

pytestmark = pytest.mark.integration

SENDERS = 8
EACH = 15
SCRAPES = 12


def deliver(port: int) -> None:
    """Some deliveries, the first of them refused, each over a connection of its own."""
    for number in range(EACH):
        sent = headers(BODY) if number else headers(BODY, X_Hub_Signature_256="sha256=0")
        connection = HTTPConnection(HOST, port, timeout=30)
        connection.request("POST", PATH, BODY, sent)
        response = connection.getresponse()
        response.read()
        assert response.status == (202 if number else 401)
        connection.close()


def deliver_from_many(port: int) -> None:
    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(deliver, [port] * SENDERS))


def scrape(port: int) -> Exposition:
    connection = HTTPConnection(HOST, port, timeout=30)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert response.status == 200, text
    return parse(text)


def expect(port: int, rounds: int) -> None:
    """Every scrape tells of all deliveries of so many rounds."""
    accepted, refused = rounds * SENDERS * (EACH - 1), rounds * SENDERS
    told = [scrape(port) for _ in range(SCRAPES)]
    for page in told:
        assert counts_in(page) == {
            "accepted": {"workflow_run": accepted},
            "refused": {"signature_wrong": refused},
        }
        requests = "actionsight_http_requests_total"
        assert page.value(requests, route=PATH, status="202") == accepted
        durations = "actionsight_http_request_duration_seconds_count"
        assert page.value(durations, route=PATH) == accepted + refused
    scrapes = [page.value("actionsight_http_requests_total", route="/metrics") for page in told]
    known = [count or 0 for count in scrapes]
    assert known == list(range(int(known[0]), int(known[0]) + SCRAPES)), "no scrape is lost"


def test_every_scrape_tells_of_all_workers_and_the_receiver_also_of_one_that_died(
    settings: Settings, redis_url: str, tmp_path: Path
) -> None:
    environment = replace(
        settings, redis_url=redis_url, github_webhook_secret=(SECRET,)
    ).environment()
    folder = tmp_path / "counters"
    folder.mkdir()
    environment[api_server.COUNTERS] = str(folder)
    with (
        served(api_server.RECEIVER, environment, tmp_path / "receiver.log") as receiver,
        served(api_server.APPLICATION, environment, tmp_path / "api.log") as port,
    ):
        deliver_from_many(receiver)
        expect(port, rounds=1)
        deliver_from_many(port)
        expect(port, rounds=2)
        count = api_server.SIZE.workers + api_server.RECEIVER_SIZE.workers
        # On a machine that does much else one worker may have answered all of it.
        while len(own := list(folder.glob("counter_*.db"))) < count:
            scrape(port)
        assert len(own) == count
        # What as many others counted before they died, exactly as much. (To kill real ones costs
        # eight seconds, since the server waits before it starts others.)
        for number, path in enumerate([*own, *folder.glob("histogram_*.db")]):
            shutil.copyfile(path, path.with_name(f"{path.name.split('_')[0]}_{number}.db"))
        expect(port, rounds=4)


def test_a_server_begins_with_an_empty_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONSIGHT_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda _, *started_with: started.append(started_with))
    monkeypatch.setattr(os, "umask", lambda mask: mask)  # this process has others' files to make
    mine, other = (api_server.counters_folder(tmp_path, port) for port in (8000, 8001))
    for folder in (mine, other):
        folder.mkdir(parents=True)
        (folder / "counter_1.db").write_bytes(b"of the last time")
    api_server.main("8000")
    assert (list(mine.iterdir()), len(list(other.iterdir()))) == ([], 1)
    [(arguments, environment)] = started
    assert environment["PROMETHEUS_MULTIPROC_DIR"] == str(mine)
    # It is the server's alone: what else this process starts counts elsewhere.
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ
    assert "--port=8000" in arguments


def test_a_server_that_is_told_a_folder_counts_there_beside_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONSIGHT_DATA_DIR", str(tmp_path / "data"))
    shared = api_server.empty_counters_folder(tmp_path, 8000)
    (shared / "counter_1.db").write_bytes(b"of another server")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(shared))
    monkeypatch.setattr(os, "execve", lambda *_: None)
    monkeypatch.setattr(os, "umask", lambda mask: mask)
    api_server.main("8001", api_server.RECEIVER)
    assert len(list(shared.iterdir())) == 1
    assert not (tmp_path / "data").exists()
