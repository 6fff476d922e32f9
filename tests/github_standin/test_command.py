"""The command, as a process."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

pytestmark = pytest.mark.integration


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "github_standin", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening on http://127.0.0.1:")
    return line.removeprefix("listening on ").strip()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_cleanly(tmp_path: Path, ending: signal.Signals) -> None:
    folder = tmp_path / "data"
    with started("--demonstration", "--data-dir", str(folder), "--token", "t") as process:
        url = url_of(process)
        status = requests.get(f"{url}/standin", timeout=10).json()
        assert "bitcoin/bitcoin" in status["repositories"]
        assert requests.get(f"{url}/repos/bitcoin/bitcoin", timeout=10).status_code == 401
        process.send_signal(ending)
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, output) == (0, "")
    assert "used up" in errors
    kept = json.loads((folder / "standin.json").read_text())
    assert set(kept["shift_weeks"]) == {of["name"] for of in status["recordings"]}


def test_a_taken_port_is_one_clear_sentence() -> None:
    with started() as process:
        port = url_of(process).rpartition(":")[2]
        with started("--port", port) as second:
            _, errors = second.communicate(timeout=20)
    assert second.returncode == 1
    assert errors.count("\n") == 1
    assert errors.startswith("github_standin cannot start:")
    assert port in errors


def test_help_names_every_option() -> None:
    with started("--help") as process:
        output, _ = process.communicate(timeout=20)
    assert all(name in output for name in ("--port", "--data-dir", "--demonstration", "--token"))


def test_a_demonstration_needs_a_folder() -> None:
    with started("--demonstration") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "--data-dir" in errors
