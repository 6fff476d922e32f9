"""Files of another major version of PostgreSQL are a sentence, and a command brings them over."""

from dataclasses import replace
from pathlib import Path

import pytest

from actionsight.backups.errors import BackupError
from actionsight.backups.major_version import upgrade_postgresql
from actionsight.database import connect, with_database
from actionsight.doctor import examine
from actionsight.local import EmbeddedServerError, PostgresqlServer, hold, postgresql
from actionsight.local.installation import AlreadyRunningError, claimed_by_up
from actionsight.local.postgresql import MAJOR, PACKAGE
from actionsight.migrations.grants import READER_ROLE
from actionsight.settings import Settings, load
from tests.support.services import FAST

pytestmark = pytest.mark.integration

OLD = 16
OLD_PROGRAMS = PACKAGE / "pginstall"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(load(environ={}), github_token="t", data_dir=tmp_path)


def quietly(_: str) -> None:
    pass


def cluster_of(settings: Settings, major: int) -> PostgresqlServer:
    """The files of a cluster, as far as a start looks at them before it starts anything."""
    cluster = settings.data_dir / "postgres" / "home" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text(f"{major}\n")
    return PostgresqlServer(settings.data_dir / "postgres")


@pytest.mark.parametrize("major", [OLD, 19])
def test_files_of_another_major_version_are_one_sentence(settings: Settings, major: int) -> None:
    server = cluster_of(settings, major)
    with pytest.raises(EmbeddedServerError) as refused, hold(server):
        pass
    assert f"are of its version {major}, and this version of Actionsight runs {MAJOR}" in str(
        refused.value
    )
    assert "`actionsight upgrade-postgresql`" in str(refused.value)
    assert not server.log_file.exists()
    outside = replace(
        settings, redis_url="redis://127.0.0.1:1", github_api_url="http://127.0.0.1:1"
    )
    (found,) = [each for each in examine(outside) if each.subject == "PostgreSQL"]
    assert (found.is_wrong, found.says) == (True, str(refused.value))


def test_what_is_not_to_be_brought_over_is_refused(settings: Settings) -> None:
    with pytest.raises(BackupError, match="holds no files of PostgreSQL"):
        upgrade_postgresql(settings, None, quietly)
    outside = replace(settings, database_url="postgresql://u:p@127.0.0.1:1/real")
    with pytest.raises(BackupError, match="its own tools upgrade it"):
        upgrade_postgresql(outside, None, quietly)
    version = cluster_of(settings, 11).home / "cluster" / "PG_VERSION"
    with pytest.raises(BackupError, match="is not found on this machine: install it"):
        upgrade_postgresql(settings, None, quietly)
    with pytest.raises(BackupError, match=f"{OLD_PROGRAMS} does not hold it"):
        upgrade_postgresql(settings, OLD_PROGRAMS, quietly)
    version.write_text(f"{OLD}\n")
    with claimed_by_up(settings, demonstration=False), pytest.raises(AlreadyRunningError):
        upgrade_postgresql(settings, None, quietly)
    (settings.data_dir / f"postgres-{OLD}").mkdir()
    with pytest.raises(BackupError, match=f"postgres-{OLD} is there"):
        upgrade_postgresql(settings, None, quietly)
    version.write_text(f"{MAJOR}\n")
    told: list[str] = []
    upgrade_postgresql(settings, None, told.append)
    assert told == [f"PostgreSQL's files are of version {MAJOR} already."]


@pytest.mark.thorough
def test_a_command_brings_the_files_over_with_passwords_and_port(
    settings: Settings, services_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, data_dir=services_folder / "old")
    folder = settings.data_dir / "postgres"
    old = PostgresqlServer(folder, FAST, programs=OLD_PROGRAMS)
    with monkeypatch.context() as patched:
        patched.setattr(postgresql, "LOCALE", ("--locale=C",))  # 16 does not know the other
        old.folder.mkdir(parents=True)
        old.prepare()
    with hold(old) as url:
        with connect(url) as connection:
            connection.execute("create schema raw; create table raw.kept as select 1 as n")
        with connect(old.role_url("actionsight_dagster", "dagster")) as connection:
            connection.execute("create table kept as select 2 as n")
        reader = old.role_url(READER_ROLE)
    assert old.cluster_major() == OLD

    upgrade_postgresql(settings, None, quietly)

    new = PostgresqlServer(folder, FAST)
    assert new.cluster_major() == MAJOR
    with hold(new) as again:
        assert (again, new.role_url(READER_ROLE)) == (url, reader)
        with connect(again) as connection:
            assert connection.execute("select n from raw.kept").fetchone() == (1,)
        with connect(with_database(new.admin_url(), "dagster")) as connection:
            owned = "select n, tableowner from kept, pg_tables where tablename = 'kept'"
            assert connection.execute(owned).fetchone() == (2, "actionsight_dagster")
    kept = PostgresqlServer(settings.data_dir / f"postgres-{OLD}", FAST, programs=OLD_PROGRAMS)
    with hold(kept), connect(with_database(kept.admin_url(), "actionsight")) as connection:
        assert connection.execute("select n from raw.kept").fetchone() == (1,)
    assert not (settings.data_dir / "postgres.new").exists()
