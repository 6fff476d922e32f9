"""The commands `tokens`, `people` and `repositories`: what they change is written down."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from actionsight import api_tokens, audit
from actionsight.cli.main import main
from actionsight.database import connect
from actionsight.repositories import add_selections
from actionsight.settings import Settings

pytestmark = pytest.mark.integration

Command = Callable[..., str]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`actionsight` of this installation; gives what it prints, and its exit code when it fails."""
    for name, value in replace(settings, github_token="none").environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, fails: bool = False) -> str:
        done = CliRunner().invoke(main, arguments)
        assert (done.exit_code != 0) is fails, done.output
        return done.output

    return run


@pytest.fixture
def _ada(settings: Settings) -> None:
    with connect(str(settings.database_url), autocommit=True) as connection:
        connection.execute(
            "insert into app.users (user_id, login, name) values (5, 'ada', 'Ada'), (6, 'bob', 'B')"
        )
        connection.execute(
            """
            with granted as (
                insert into app.sign_in_grants (user_id, access_token, refresh_token)
                values (5, 'x', 'y') returning grant_id
            )
            insert into app.sessions (session_hash, user_id, grant_id, expires_at)
            select 's', 5, grant_id, now() + interval '1 day' from granted
            """
        )
        audit.record(connection, "sign_in.completed", user_id=5, login="ada")


@pytest.mark.usefixtures("_ada")
def test_what_the_command_line_changes_is_written_down_and_people_can_be_taken_out(
    command: Command, settings: Settings
) -> None:
    for_all = command("tokens", "create").strip()
    of_ada = command(
        "tokens", "create", "--user", "Ada", "--scope", "manage", "--days", "365", "--name", "ci"
    ).strip()
    assert "not signed in" in command("tokens", "create", "--user", "6", fails=True)
    assert "365" in command("tokens", "create", "--days", "366", fails=True)
    first, second = command("tokens", "list").splitlines()
    assert "\tread\tan operator\t" in first
    assert "ci\tmanage\tada (5)\t" in second
    command("tokens", "revoke", "1")
    with connect(str(settings.database_url)) as connection:
        add_selections(connection, ["octo/app"])
        connection.commit()
    command("repositories", "remove", "octo/app")
    with connect(str(settings.database_url)) as connection:
        assert api_tokens.find_token(connection, for_all) is None
        found = api_tokens.find_token(connection, of_ada)
        assert found is not None and found.user_id == 5 and found.opens("manage")
        one, other = api_tokens.list_tokens(connection)
        in_90_days = datetime.now(UTC) + timedelta(days=90)
        assert one.expires_at is not None and other.expires_at is not None
        assert abs(one.expires_at - in_90_days) < timedelta(hours=1)
    assert "ada" in command("people", "list")
    command("people", "remove", "ADA")
    assert "nobody" in command("people", "remove", "ada", fails=True)
    with connect(str(settings.database_url)) as connection:
        assert api_tokens.find_token(connection, of_ada) is None
        assert connection.execute(
            "select login, name from app.users where user_id = 5"
        ).fetchone() == ("removed-5", None)
        assert connection.execute(
            """
            select refresh_token, grants.revoked_at is not null, ended_at is not null
            from app.sign_in_grants as grants inner join app.sessions using (grant_id)
            """
        ).fetchall() == [(None, True, True)]
        noted = audit.newest(connection, 20)
    assert [entry.action for entry in reversed(noted)] == [
        "sign_in.completed",
        "token.created",
        "token.created",
        "token.revoked",
        "repository.removed",
        "person.removed",
    ]
    assert "ada" not in str([entry.details for entry in noted]).lower()
