"""The command line without Dagster: what it says, and how it ends."""

import pytest

from ingestion.github.__main__ import main
from tests.ingestion.factories import Installation, failing, run, workflow

pytestmark = pytest.mark.integration


@pytest.fixture
def command(own: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """The installation's settings as the environment."""
    for name, value in own.settings.environment().items():
        monkeypatch.setenv(name, value)
    return own


def test_resolve_then_poll_collects_and_says_what(
    command: Installation, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    hello = workflow(command.world)
    run(hello, command.world, command.clock.now)
    assert main(["resolve", "octo/Hello"]) == 0
    assert command.repository("octo/hello")["repository_id"] == hello.repository_id
    assert main(["backfill", "octo/hello", "--since", "2026-03-01"]) == 0
    assert "workflow_runs: 1 seen, 1 new or changed" in caplog.text
    assert capsys.readouterr().out == ""
    assert len(command.attempts()) == 1
    assert main(["poll"]) == 0


def test_each_trouble_is_one_sentence_and_the_exit_code_is_1(
    command: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow(command.world)
    assert main(["resolve", "octo/hello", "octo/nowhere"]) == 1
    assert "octo/nowhere: GitHub has no octo/nowhere" in capsys.readouterr().err
    command.server.fault = failing("octo/hello/actions/runs", status=403)
    assert main(["--quiet", "backfill", "octo/other", "--since", "2026-03-01"]) == 1
    assert "octo/other: is not monitored" in capsys.readouterr().err
    assert main(["poll"]) == 1
    assert "octo/hello: GitHub answers 403 for /repos/octo/hello/actions/runs" in (
        capsys.readouterr().err
    )


def test_a_refused_token_stops_everything_with_one_sentence(
    command: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow(command.world)
    command.monitor("octo/hello")
    command.server.token = "the-right-one"
    monkeypatch.setenv("ACTIONSIGHT_GITHUB_TOKEN", "ghp_wrong")
    assert main(["--quiet", "poll"]) == 1
    errors = capsys.readouterr().err
    assert "ACTIONSIGHT_GITHUB_TOKEN: it is wrong or expired" in errors
    assert "ghp_wrong" not in errors


def test_a_wrong_repository_name_is_refused(
    command: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resolve", "hello"]) == 1
    assert "'hello' is not a repository" in capsys.readouterr().err


def test_a_database_that_is_not_migrated_is_named_with_its_remedy(
    empty_database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONSIGHT_DATABASE_URL", empty_database_url)
    assert main(["poll"]) == 1
    assert "actionsight migrate" in capsys.readouterr().err
