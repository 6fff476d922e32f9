"""`actionsight prices`: loads the lists, says what changed, lists what counts."""

import os
import signal
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from actionsight import operations
from actionsight.cli.main import main
from actionsight.database import connect
from actionsight.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture
def told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """An installation on configured servers, without a credential."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    umask, sigterm = os.umask(0o077), signal.getsignal(signal.SIGTERM)
    settings.data_dir.mkdir()
    yield settings
    os.umask(umask)
    signal.signal(signal.SIGTERM, sigterm)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["prices", *arguments])


def test_a_load_says_what_changed(told: Settings) -> None:
    assert run("load").exit_code == 0
    own = told.data_dir / "runner_prices.csv"
    own.write_text("runner_class,valid_from,usd_per_minute,is_standard\nlinux,2026-01-01,1,true\n")
    assert run("load").output.splitlines() == [
        "runner_prices: 0 added, 1 changed, 0 removed",
        "runner_labels: 0 added, 0 changed, 0 removed",
    ]
    listed = run("list").output.splitlines()
    assert "linux\tfrom 2026-01-01\t1 USD a minute\tfree on public repositories\toperator" in listed
    assert "linux\tfrom 1970-01-01\t0.008 USD a minute\tfree on public repositories\tshipped" in (
        listed
    )
    assert "^self-hosted$\tself_hosted\tshipped" in listed


def test_a_migration_loads_them(told: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIONSIGHT_DAGSTER_DATABASE_URL", str(told.database_url))
    monkeypatch.setattr(operations, "_run", lambda *_, **__: None)
    assert CliRunner().invoke(main, ["migrate"]).exit_code == 0
    with connect(str(told.database_url)) as connection:
        row = connection.execute("select count(*) from raw.runner_prices").fetchone()
    assert row is not None and row[0] > 50


def test_a_wrong_line_is_one_sentence(told: Settings) -> None:
    own = told.data_dir / "runner_labels.csv"
    own.write_text("label_pattern,runner_class\n^a(,a\n")
    refused = run("load")
    assert refused.exit_code == 1
    [sentence] = refused.output.splitlines()
    assert sentence.startswith(f"Error: {own}, line 2: label_pattern is a regular expression")


def test_what_it_does_is_told() -> None:
    assert "data folder" in run("--help").output
    assert "--help" in run("load", "--help").output
