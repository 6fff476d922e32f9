"""A backup holds all that cannot be made again, is whole or none, and becomes an installation."""

import dataclasses
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import orjson
import pytest
from click.testing import CliRunner, Result

from actionsight import operations
from actionsight.backups import contents
from actionsight.backups import restore as restoring
from actionsight.backups.backup import back_up
from actionsight.backups.errors import BackupError
from actionsight.backups.restore import missing_settings, restore
from actionsight.cli.main import main
from actionsight.event_buffer import EventBuffer
from actionsight.local import ValkeyServer
from actionsight.local.installation import AlreadyRunningError, claimed_by_up
from actionsight.migrations import SchemaError
from actionsight.settings import Settings
from tests.ingestion.webhooks.factories import REPOSITORY_ID, Installation

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def migrated(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What was restored and then brought to this version: Dagster's tables cost many seconds."""
    settings: list[Settings] = []
    monkeypatch.setattr(operations, "migrate", settings.append)
    return settings


@pytest.fixture
def installation(settings: Settings) -> Iterator[Installation]:
    """One whose servers are its own, with a secret key and a list of prices in its folder."""
    assert settings.redis_url is not None
    buffer = EventBuffer(settings.redis_url)
    own = {"secret-key": "k" * 40, "runner_prices.csv": "runner_class,…", "keys/app.pem": "PEM"}
    for name, text in own.items():
        path = settings.data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for made_again in ("logs/api.log", "dagster/dagster.yaml", "github-standin/process.json"):
        path = settings.data_dir / made_again
        path.parent.mkdir(parents=True)
        path.touch()
    given = dataclasses.replace(settings, github_token="the token", poll_minutes=7)
    yield Installation(given, buffer)
    buffer.close()


def quietly(_: str) -> None:
    pass


def elsewhere(installation: Installation, tmp_path: Path) -> Settings:
    return dataclasses.replace(installation.settings, data_dir=tmp_path / "elsewhere")


def test_what_waited_is_drained_once_and_what_was_drained_meanwhile_changes_nothing(
    installation: Installation, tmp_path: Path
) -> None:
    installation.monitor(REPOSITORY_ID)
    sent = [installation.send("ping", {"zen": "…", "number": n}) for n in range(40)]
    installation.send("workflow_run", b"not JSON", "unreadable")
    received = [event.received_at for event in installation.buffer.new(1)]

    made = back_up(installation.settings, tmp_path / "backup", quietly)
    assert made.event_count == 41
    # By the dump that follows on the copy, all of this is in the database already.
    installation.drain()
    before = installation.ledger()
    restore(elsewhere(installation, tmp_path), tmp_path / "backup", quietly)

    assert installation.buffer.freshness().event_count == 41
    assert installation.buffer.freshness().oldest_received_at == received[0]
    again = installation.drain()
    assert (again.event_count, again.new_count) == (41, 0)
    assert installation.ledger() == before
    assert set(before) == set(sent)
    assert set(installation.dead_letters()) == {"unreadable"}


def test_events_are_not_put_among_others(installation: Installation, tmp_path: Path) -> None:
    back_up(installation.settings, tmp_path / "backup", quietly)
    installation.send("ping", {})
    there = elsewhere(installation, tmp_path)
    with pytest.raises(BackupError, match="let it be drained first"):
        restore(there, tmp_path / "backup", quietly)
    installation.drain()
    restore(there, tmp_path / "backup", quietly)


def test_files_are_those_that_nothing_makes_again_and_their_owner_s_alone(
    installation: Installation, migrated: list[Settings], tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    back_up(installation.settings, backup, quietly)
    assert set(paths(backup)) == {
        *("manifest.json", "events.jsonl", "settings.env"),
        *("files/secret-key", "files/runner_prices.csv", "files/keys/app.pem"),
    }
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [backup, *backup.rglob("*")]}
    assert modes == {0o700, 0o600}

    there = elsewhere(installation, tmp_path)
    (there.data_dir / "up.lock").parent.mkdir()
    (there.data_dir / "up.lock").touch()
    restore(there, backup, quietly)
    restored = {*paths(there.data_dir)} - {"up.lock"}
    assert restored == {"secret-key", "runner_prices.csv", "keys/app.pem"}
    assert (there.data_dir / "secret-key").read_text() == "k" * 40
    assert [each.data_dir for each in migrated] == [there.data_dir]


def test_settings_are_told_and_secrets_by_name_alone(
    installation: Installation, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    back_up(installation.settings, backup, quietly)
    told = (backup / "settings.env").read_text().splitlines()
    assert "ACTIONSIGHT_POLL_MINUTES=7" in told
    assert "#ACTIONSIGHT_GITHUB_TOKEN=" in told
    for path in backup.rglob("*"):
        assert path.is_dir() or b"the token" not in path.read_bytes()
    without = dataclasses.replace(installation.settings, github_token=None, poll_minutes=9)
    assert missing_settings(without, backup) == ["ACTIONSIGHT_GITHUB_TOKEN"]


def test_half_a_backup_is_none(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    monkeypatch.setattr(contents, "copy_files", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        back_up(installation.settings, place / "backup", quietly)
    assert list(place.iterdir()) == []
    with pytest.raises(BackupError, match=r"no whole backup: it has no manifest\.json"):
        restore(elsewhere(installation, tmp_path), place / "backup", quietly)


def test_a_backup_has_a_folder_of_its_own(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    back_up(installation.settings, tmp_path / "empty", quietly)
    with pytest.raises(BackupError, match="is not empty"):
        back_up(installation.settings, tmp_path / "empty", quietly)
    with pytest.raises(BackupError, match="lies in the data folder"):
        back_up(installation.settings, installation.settings.data_dir / "backup", quietly)


def test_what_cannot_be_restored_is_refused_and_nothing_is_written(
    installation: Installation, tmp_path: Path
) -> None:
    backup, there = tmp_path / "backup", elsewhere(installation, tmp_path)
    back_up(installation.settings, backup, quietly)
    manifest = orjson.loads((backup / "manifest.json").read_bytes())

    def refuses(kind: type[Exception], why: str, **changed: object) -> None:
        (backup / "manifest.json").write_bytes(orjson.dumps(manifest | changed))
        with pytest.raises(kind, match=why):
            restore(there, backup, quietly)
        assert not there.data_dir.exists()

    refuses(SchemaError, "which a newer version of Actionsight made", schema_revision="9999")
    refuses(BackupError, r"by version 77\.0 of Actionsight, and this one", actionsight="77.0")
    refuses(BackupError, "is damaged: .*unexpected", other="member")
    (backup / "events.jsonl").write_text("{}\n")
    refuses(BackupError, r"not as they were written: events\.jsonl")
    with pytest.raises(BackupError, match="is not empty"):
        restore(installation.settings, backup, quietly)


def test_what_a_killed_restore_left_is_taken_away_servers_included(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, there = tmp_path / "backup", elsewhere(installation, tmp_path)
    back_up(installation.settings, backup, quietly)
    draft, outside = there.data_dir / ".restoring", tmp_path / "outside"
    left = ValkeyServer(draft / "event-buffer", "the event buffer", ())
    starting = """
        import sys
        from pathlib import Path
        from actionsight.local import ValkeyServer
        ValkeyServer(Path(sys.argv[1]), "the event buffer", ()).start()
    """
    subprocess.run([sys.executable, "-c", dedent(starting), left.folder], check=True)
    assert left.is_running()
    outside.mkdir()
    (draft / "postgres").mkdir()
    (draft / "postgres" / "home").symlink_to(outside)

    def fill(*_: object) -> None:
        assert not draft.exists()
        draft.mkdir()
        raise BackupError("once more")

    monkeypatch.setattr(restoring, "_fill", fill)
    with pytest.raises(BackupError, match="once more"):
        restore(there, backup, quietly)
    assert not left.is_running()
    assert not outside.exists()
    assert {path.name for path in there.data_dir.iterdir()} == {"up.lock"}


def test_a_server_of_one_s_own_is_restored_by_its_own_tools(
    installation: Installation, empty_database_url: str, tmp_path: Path
) -> None:
    backup, there = tmp_path / "backup", elsewhere(installation, tmp_path)
    back_up(installation.settings, backup, quietly)
    with pytest.raises(BackupError, match="set ACTIONSIGHT_DATABASE_URL to it"):
        restore(dataclasses.replace(there, database_url=None), backup, quietly)
    with pytest.raises(BackupError, match=r"restore it by its own tools first$"):
        restore(dataclasses.replace(there, database_url=empty_database_url), backup, quietly)


def test_nothing_is_restored_beside_a_running_installation(
    installation: Installation, tmp_path: Path
) -> None:
    back_up(installation.settings, tmp_path / "backup", quietly)
    there = elsewhere(installation, tmp_path)
    with (
        claimed_by_up(there, demonstration=False),
        pytest.raises(AlreadyRunningError),
    ):
        restore(there, tmp_path / "backup", quietly)


def test_the_commands_say_what_they_left_to_others(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = installation.settings.environment()
    backed_up = command(monkeypatch, told, "backup", str(tmp_path / "backup"))
    assert backed_up.exit_code == 0, backed_up.output
    assert "back up its databases by its own tools, now" in backed_up.output
    told |= {"ACTIONSIGHT_DATA_DIR": str(tmp_path / "elsewhere"), "ACTIONSIGHT_GITHUB_TOKEN": ""}
    restored = command(monkeypatch, told, "restore", str(tmp_path / "backup"))
    assert restored.exit_code == 0, restored.output
    assert "Not set here" in restored.output
    assert restored.output.rstrip().endswith("ACTIONSIGHT_GITHUB_TOKEN")
    nothing = {"ACTIONSIGHT_DATA_DIR": str(tmp_path / "nothing")}
    refused = command(monkeypatch, dict.fromkeys(told, "") | nothing, "backup", str(tmp_path / "b"))
    assert "holds no installation" in refused.output
    assert not (tmp_path / "nothing").exists()


def command(monkeypatch: pytest.MonkeyPatch, told: dict[str, str], *arguments: str) -> Result:
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    umask = os.umask(0o077)
    try:
        return CliRunner().invoke(main, arguments)
    finally:
        os.umask(umask)


def paths(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
