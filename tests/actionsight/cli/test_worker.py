"""`actionsight worker` needs everything elsewhere, and becomes Celery's process."""

import dataclasses
import os
import signal
from collections.abc import Iterator, Mapping, Sequence

import pytest
from click.testing import CliRunner, Result

from actionsight.cli.main import main
from actionsight.local import dagster_home
from actionsight.settings import ROOT, Settings

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(ROOT)
    umask, handlers = (
        os.umask(0o077),
        {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)},
    )
    yield
    os.umask(umask)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(main, ["worker", *arguments])


@pytest.fixture
def complete(settings: Settings) -> Settings:
    return dataclasses.replace(
        settings, runs_broker_url="redis://:broker-secret@127.0.0.1:1/1", secret_key="k" * 32
    )


def test_all_that_is_missing_is_named_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run(dataclasses.replace(settings, cache_url=None), monkeypatch)
    assert refused.exit_code == 1
    for name in ("RUNS_BROKER_URL", "CACHE_URL", "SECRET_KEY"):
        assert f"ACTIONSIGHT_{name}" in refused.output
    assert "ACTIONSIGHT_DATABASE_URL" not in refused.output
    assert not settings.data_dir.exists(), "nothing was started, and nothing was made"


def test_a_database_that_is_not_up_to_date_is_refused(
    complete: Settings, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run(dataclasses.replace(complete, database_url=empty_database_url), monkeypatch)
    assert refused.exit_code == 1
    assert "run `actionsight migrate`" in refused.output


@pytest.mark.parametrize(
    ("arguments", "concurrency"), [([], 6), (["--concurrency", "2"], 2)], ids=["all", "some"]
)
def test_it_becomes_celery_in_a_folder_of_its_own_and_shows_no_secret(
    complete: Settings,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    concurrency: int,
) -> None:
    became: list[tuple[Sequence[str], Mapping[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda _path, given, told: became.append((given, told)))
    assert run(complete, monkeypatch, *arguments).exit_code == 0
    [(command, told)] = became
    assert f"--concurrency={concurrency}" in command
    assert "broker-secret" not in " ".join(command)
    assert told["ACTIONSIGHT_RUNS_BROKER_URL"] == complete.runs_broker_url
    for name in ("DAGSTER_HOME", "DBT_TARGET_PATH", "DLT_DATA_DIR"):
        assert told[name].startswith(str(complete.data_dir)), name
    written = (complete.data_dir / "dagster" / "dagster.yaml").read_text()
    assert "LiveCeleryRunLauncher" in written
    assert "broker-secret" not in written


def test_without_its_packages_it_says_how_to_get_them(
    complete: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dagster_home, "find_spec", lambda _name: None)
    refused = run(complete, monkeypatch)
    assert refused.exit_code == 1
    assert "make setup EXTRAS=celery" in refused.output
