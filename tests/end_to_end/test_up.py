"""`actionsight up` on a bare machine: real numbers, one lineage, attacks refused, a clean end."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil  # pyrefly: ignore[untyped-import]
import pytest

from actionsight.settings import ROOT
from github_standin import INVENTED
from tests.end_to_end.conftest import ACTIONSIGHT
from tests.end_to_end.demonstration import Demonstration
from tests.end_to_end.person import Person
from tests.security.attacks import (
    ATTACKS,
    no_other_user_reads_what_is_stored,
    processes_of,
)

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(420)]

PATIENCE_SECONDS = 180
# Of the stand-in's developer, who maintains the one and may read the other.
MAINTAINED, PRIVATE = "tenstorrent/tt-mlir", "tenstorrent/tt-forge"


def eventually(check: Callable[[], bool], lacking: Callable[[], object] = lambda: "") -> None:
    """Return once the check holds; fail when it does not in time, and say what is lacking."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if check():
                return
        except urllib.error.HTTPError as error:
            assert error.code == 503, error  # the marts are not built yet
        time.sleep(1)  # what is asked all the time is slow to come true
    pytest.fail(f"it did not come true: {lacking()}")


# What migrations, triggers beside each load and retention fill, and what reads the marts: no run of
# Dagster's tells of it.
WITHOUT_RUNS = {
    *("raw/repository_history", "raw/runner_labels", "raw/runner_prices"),
    *("raw/condensed_jobs", "raw/condensed_runs", "raw/polls_by_day"),
    # Where a webhook of ours is known.
    "raw/webhook_redeliveries",
}


def is_materialised_and_checked(asset: Any) -> bool:
    checks = [
        check
        for check in asset["assetChecksOrError"].get("checks", [])
        # These are looked at once a day.
        if check["name"] not in ("webhooks_tell_enough", "no_row_drifted")
    ]
    executions = [check["executionForLatestMaterialization"] for check in checks]
    # Marts are built behind each load, and checked by full builds.
    is_built_alone = asset["assetKey"]["path"][0] in ("intermediate", "marts")
    return bool(asset["assetMaterializations"]) and all(
        is_built_alone if execution is None else execution["status"] == "SUCCEEDED"
        for execution in executions
    )


def lacking(demonstration: Demonstration) -> dict[str, Any]:
    """Assets that are not materialised yet, or of which a check has not passed since."""
    return {
        key: asset
        for key, asset in demonstration.assets().items()
        if key not in WITHOUT_RUNS
        and not key.startswith("exposures/")
        and not is_materialised_and_checked(asset)
    }


def assert_a_webhook_shows(demonstration: Demonstration) -> None:
    """A run of a workflow that only this webhook knows is served soon after its 202."""
    [repository_id] = {
        repository["repository_id"]
        for repository in demonstration.ask("/repositories")["data"]
        if repository["full_name"] == "bitcoin/bitcoin"
    }
    run = {
        "id": 9_000_000_001,
        "run_attempt": 1,
        "workflow_id": 9_000_001,
        "status": "queued",
        "created_at": "2026-11-20T10:00:00Z",
        "updated_at": "2026-11-20T10:00:00Z",
    }
    payload = {"action": "requested", "workflow_run": run, "repository": {"id": repository_id}}
    assert demonstration.deliver(payload, secret="forged") == 401
    with pytest.raises(urllib.error.HTTPError, match="404"):
        demonstration.ask("/workflows/9000001")
    assert demonstration.deliver(payload) == 202

    def shows() -> bool:
        try:
            found = demonstration.ask("/workflows/9000001")["data"]
        except urllib.error.HTTPError as error:
            assert error.code in {404, 503}
            return False
        # The workflow is built before its run.
        return bool(found["latest_run"] and found["latest_run"]["status"] == "queued")

    eventually(shows)
    ready = demonstration.ask("/readyz")
    assert ready["event_buffer"]["status"] == "ok"
    assert ready["newest_observation_at"] is not None


def assert_people_see_and_change_what_github_lets_them(demonstration: Demonstration) -> set[str]:
    """Two people with different rights see different totals; who maintains a repository decides
    whether it is collected. Gives what authenticated them."""
    root = f"http://127.0.0.1:{demonstration.api_port}"
    developer, outsider = Person(root, "standin-developer"), Person(root, "standin-outsider")
    assert set(developer.repositories()) - set(outsider.repositories()) == {PRIVATE, INVENTED}

    def totals_differ() -> bool:
        counts = [person.get("/stats")["data"]["run_count"] for person in (developer, outsider)]
        return bool(counts[0] > counts[1] > 100)

    eventually(totals_differ)
    repository_id = developer.repositories()[MAINTAINED]
    assert outsider.remove(repository_id) == 403
    assert developer.remove(developer.repositories()[PRIVATE]) == 403, "readable is not maintained"
    assert developer.remove(repository_id) == 204
    assert MAINTAINED not in developer.repositories()
    assert developer.add(MAINTAINED) == 201

    def is_collected_again() -> bool:
        assert not any("multiprocessing.spawn" in each for each in demonstration.processes())
        found = developer.get(f"/repositories?repository={MAINTAINED}")["data"]
        return bool(found[0]["state"] == "collected")

    eventually(is_collected_again)
    return developer.secrets | outsider.secrets


def command_of(process: psutil.Process) -> str:
    """What it was started as; of one that has ended meanwhile, as runs do, nothing."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def assert_runs_are_forked_from_one_thread(demonstration: Demonstration) -> None:
    """Runs are forked from the process that has imported the definitions."""
    [code_server] = [
        process
        for process in processes_of(demonstration)
        if "orchestration.code_server" in command_of(process)
    ]
    [fork_server] = [child for child in code_server.children() if "forkserver" in command_of(child)]
    assert fork_server.num_threads() == 1


def assert_no_secret_was_written(folder: Path, secrets: set[str]) -> None:
    """Nothing below the folder holds a secret but the files that keep it."""
    kept = {
        path.read_text().strip(): path
        for path in folder.rglob("*")
        if path.name in {"password", "webhook-secret", "client-secret", "secret-key", "token"}
    }
    assert len(kept) >= 6, kept.values()
    for path in folder.rglob("*"):
        if path in kept.values() or path.name == "valkey.conf" or not path.is_file():
            continue
        content = path.read_bytes()
        for secret in secrets | kept.keys():
            assert secret.encode() not in content, path


def test_a_bare_machine_shows_real_numbers_withstands_attacks_and_ends(
    services_folder: Path,
) -> None:
    demonstration = Demonstration(services_folder / "up")
    with demonstration.up() as process:
        assert "this is the demonstration" in demonstration.output
        assert "Health: " in demonstration.output
        eventually(lambda: demonstration.ask("/stats")["data"]["run_count"] > 100)
        workflows = demonstration.ask("/workflows")["data"]
        assert {w["repository_full_name"] for w in workflows} >= {"bitcoin/bitcoin"}
        assert all(w["latest_run"]["status"] for w in workflows)
        assert_a_webhook_shows(demonstration)
        secrets = assert_people_see_and_change_what_github_lets_them(demonstration)
        eventually(lambda: lacking(demonstration) == {}, lambda: lacking(demonstration))
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{demonstration.api_port}/stats", timeout=30)
        assert_runs_are_forked_from_one_thread(demonstration)
        looked = demonstration.run("status", "--json")
        assert looked.returncode == 0, looked.stdout + looked.stderr
        for attack in ATTACKS:
            attack(demonstration)
        refused = demonstration.run("up")
        assert refused.returncode == 1
        assert "runs already" in refused.stderr
        assert "FAILURE" not in demonstration.run_statuses().values()
    assert process.returncode == 0, demonstration.output
    assert demonstration.processes() == []
    # Its servers begin again with what they held.
    assert "bitcoin/bitcoin" in demonstration.run("repositories", "list").stdout
    assert demonstration.processes() == []
    assert_no_secret_was_written(demonstration.folder, secrets)
    no_other_user_reads_what_is_stored(demonstration)


@pytest.mark.thorough
def test_it_goes_on_where_it_was_ended_and_beside_a_sync(services_folder: Path) -> None:
    demonstration = Demonstration(services_folder / "again")
    with demonstration.up():
        eventually(lambda: demonstration.ask("/stats")["data"]["run_count"] > 100)
        # The end may interrupt one of them.
        before = demonstration.run_statuses()
    with demonstration.up() as process:
        assert demonstration.ask("/stats")["data"]["run_count"] > 100
        # Answers come before `up` begins a poll of its own.
        eventually(lambda: bool(demonstration.run_statuses().keys() - before.keys()))
        beside = demonstration.run("sync")
        assert beside.returncode == 0, beside.stdout + beside.stderr
        statuses = demonstration.run_statuses()
        assert "FAILURE" not in [statuses[run] for run in statuses.keys() - before.keys()]
    assert process.returncode == 0, demonstration.output
    assert demonstration.processes() == []


@pytest.mark.parametrize("command", [pytest.param("up", marks=pytest.mark.thorough), "sync"])
def test_a_command_that_is_terminated_early_leaves_nothing_behind(
    services_folder: Path, command: str
) -> None:
    demonstration = Demonstration(services_folder / f"terminated-{command}")
    server = demonstration.folder / "demonstration" / "postgres" / "process.json"
    process = subprocess.Popen(
        [ACTIONSIGHT, command],
        cwd=ROOT,
        env=demonstration.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    eventually(server.exists)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    eventually(lambda: demonstration.processes() == [])


def test_a_taken_port_is_named_with_the_setting_that_moves_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = subprocess.run(
            [ACTIONSIGHT, "up"],
            cwd=ROOT,
            env={
                **os.environ,
                "ACTIONSIGHT_DATA_DIR": str(tmp_path),
                "ACTIONSIGHT_API_PORT": port,
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert refused.returncode == 1
    assert f"port {port}" in refused.stderr
    assert "ACTIONSIGHT_API_PORT" in refused.stderr
    assert "Traceback" not in refused.stderr
