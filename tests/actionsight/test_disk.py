"""How much of the disk is used, and of what."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from actionsight import disk
from actionsight.disk import Disk, Usage
from actionsight.settings import Settings, load

pytestmark = pytest.mark.unit


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(load(environ={}), data_dir=tmp_path / "data")


def write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))


def test_what_is_used_is_all_below_the_folder_and_where_postgresql_lies(
    settings: Settings, tmp_path: Path
) -> None:
    write(settings.data_dir / "event-buffer" / "aof" / "1", 1_000_000)
    write(tmp_path / "elsewhere" / "base" / "1", 2_000_000)
    (settings.data_dir / "postgres").mkdir()
    (settings.data_dir / "postgres" / "home").symlink_to(tmp_path / "elsewhere")
    (settings.data_dir / "loop").symlink_to(tmp_path)
    usage = Disk(settings).measure()
    assert 3_000_000 <= usage.used_bytes < 3_200_000
    assert usage.limit_bytes > usage.used_bytes
    assert Disk(replace(settings, disk_gb=1)).measure().limit_bytes <= 10**9


def test_what_a_disk_has_left_bounds_a_budget(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings.data_dir / "a", 1_000_000)
    real = disk.shutil.disk_usage(settings.data_dir)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: real._replace(free=40_000))
    usage = Disk(replace(settings, disk_gb=100)).measure()
    assert usage.is_full
    assert usage.limit_bytes == usage.used_bytes + 40_000


def test_a_folder_that_is_not_there_is_not_full(settings: Settings) -> None:
    assert Disk(settings).usage() == Usage(0, 0)
    assert not Disk(settings).usage().is_nearly_full


@pytest.mark.parametrize(
    ("used", "status"), [(84, "ok"), (85, "nearly_full"), (94, "nearly_full"), (95, "full")]
)
def test_from_when_on_it_is_full(used: int, status: str) -> None:
    assert Usage(used, 100).status == status


def test_a_look_serves_for_some_seconds(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.data_dir.mkdir()
    one = Disk(settings)
    before = one.usage()
    write(settings.data_dir / "a", 1_000_000)
    assert one.usage() == before
    monkeypatch.setattr(disk, "READING_SECONDS", -1.0)
    assert one.usage().used_bytes >= before.used_bytes + 1_000_000
