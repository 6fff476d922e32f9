"""Log files have bounds, whoever writes to them and however long."""

from pathlib import Path

import pytest

from actionsight import log_files
from tests.small_disk import small_disk

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


def test_on_a_full_disk_logs_stay_as_they_are_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "LARGEST_BYTES", 100)
    with small_disk(tmp_path / "logs", megabytes=1) as disk:
        path = disk.folder / "part.log"
        path.write_bytes(b"a line\n" * 100_000)  # which does not fit there twice
        path.with_name("part.log.1").write_text("older\n")
        log_files.rotate(path)
        assert {file.name for file in disk.folder.iterdir()} == {"part.log", "part.log.1"}
        assert path.stat().st_size == 700_000
        path.write_bytes(b"a line\n" * 1_000)
        log_files.rotate(path)
        assert path.with_name("part.log.2").read_text() == "older\n"
        assert path.with_name("part.log.1").stat().st_size == 7_000
