"""Log files have bounds, whoever writes to them and however long."""

from pathlib import Path

import pytest

from actionsight import log_files

pytestmark = pytest.mark.unit


def test_a_full_log_is_set_aside_and_its_writer_goes_on_in_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "LARGEST_BYTES", 100)
    path = tmp_path / "part.log"
    with path.open("ab", buffering=0) as writer:
        for number in range(100):
            writer.write(f"line {number:03}\n".encode())
            log_files.rotate(path)
    kept = sorted(tmp_path.iterdir())
    assert [file.name for file in kept] == ["part.log", "part.log.1", "part.log.2", "part.log.3"]
    assert all(file.stat().st_size <= 110 for file in kept)
    written = "".join(file.read_text() for file in reversed(kept)).splitlines()
    assert written == [f"line {number:03}" for number in range(100 - len(written), 100)]


def test_a_log_that_is_small_or_missing_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    log_files.rotate(path)
    path.write_text("a line\n")
    log_files.rotate(path)
    assert [file.name for file in tmp_path.iterdir()] == ["part.log"]
