"""What commands do to a database that is not as they expect it: one sentence, no change."""

import os
import signal
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from actionsight.cli.main import main
from actionsight.database import connect
from actionsight.settings import Settings

pytestmark = pytest.mark.integration

LOOKING = (["tokens", "list"], ["audit"], ["repositories", "list"], ["dead-letters", "list"])


@pytest.fixture
def told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """An installation on configured servers, without a credential."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    umask, sigterm = os.umask(0o077), signal.getsignal(signal.SIGTERM)
    yield settings
    os.umask(umask)
    signal.signal(signal.SIGTERM, sigterm)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_a_configured_database_is_meant_although_no_credential_is_set(told: Settings) -> None:
    assert run("tokens", "list").exit_code == 0
    refused = run("sync")
    assert refused.exit_code == 1
    assert "ACTIONSIGHT_GITHUB_TOKEN" in refused.output
    assert "ACTIONSIGHT_DATABASE_URL is set" in refused.output


@pytest.mark.parametrize("name", ["", " ", "two\nlines"])
def test_a_token_without_a_name_of_one_line_is_not_made(told: Settings, name: str) -> None:
    refused = run("tokens", "create", "--name", name)
    assert refused.exit_code == 2
    assert "must say what the token is for" in refused.output
    assert run("tokens", "list").output == ""


def test_what_looks_never_migrates(
    told: Settings, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONSIGHT_DATABASE_URL", empty_database_url)
    for arguments in LOOKING:
        refused = run(*arguments)
        assert refused.exit_code == 1
        assert "run `actionsight migrate`" in refused.output
    with connect(empty_database_url) as connection:
        found = connection.execute("select to_regnamespace('app')").fetchone()
    assert found == (None,)


def test_an_older_version_refuses_a_newer_database_with_one_sentence(told: Settings) -> None:
    with connect(str(told.database_url)) as connection:
        connection.execute("update app.alembic_version set version_num = '9999'")
    for arguments in (["migrate"], *LOOKING):
        refused = run(*arguments)
        assert refused.exit_code == 1
        assert "revision 9999, which a newer version" in refused.output
        assert len(refused.output.splitlines()) == 1
