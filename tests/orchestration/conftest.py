"""An instance of Dagster of a test's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance

from actionsight.settings import ROOT


@pytest.fixture(scope="session")
def _new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose databases are made, which takes longer than most of what is done in one."""
    home = tmp_path_factory.mktemp("dagster")
    with DagsterInstance.local_temp(str(home)) as instance:
        instance.get_runs()
        instance.all_instigator_state()
    return home


@pytest.fixture
def instance(_new_home: Path, tmp_path: Path) -> Iterator[DagsterInstance]:
    home = tmp_path / "dagster"
    shutil.copytree(_new_home, home)
    with DagsterInstance.local_temp(str(home)) as made:
        yield made


@pytest.fixture
def postgresql_instance(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DagsterInstance]:
    """One with the storage of an installation, which is not SQLite's."""
    url = "postgresql+psycopg2://" + empty_database_url.partition("://")[2]
    monkeypatch.setenv("ACTIONSIGHT_DAGSTER_DATABASE_URL", url)
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copyfile(ROOT / "dagster.yaml", home / "dagster.yaml")
    with DagsterInstance.from_config(str(home)) as made:
        yield made
