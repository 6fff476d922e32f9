"""Making an installation of a backup, in an empty data folder."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

from actionsight import migrations, operations
from actionsight.backups import contents, databases, manifest
from actionsight.backups.backup import EVENTS, FILES, SETTINGS_FILE, embedded_postgresql
from actionsight.backups.errors import BackupError
from actionsight.backups.manifest import Manifest
from actionsight.database import connect
from actionsight.local import PostgresqlServer
from actionsight.local.installation import (
    DEMONSTRATION,
    claimed_by_up,
    make_data_folder,
    services,
)
from actionsight.settings import Settings

# In the data folder until all is there, so that half an installation is never taken for one.
DRAFT = ".restoring"


def restore(settings: Settings, folder: Path, say: Callable[[str], None]) -> Manifest:
    """Make the installation of a backup again in the data folder that the settings name.

    Args:
        settings: as they were loaded.
        folder: the backup.
        say: takes a line for the person who watches.

    Raises:
        BackupError: the data folder is not empty, the backup is damaged, not whole or of a newer
            version, or it does not fit the settings.
        AlreadyRunningError: `actionsight up` runs in the data folder.
        EmbeddedServerError: a server cannot be started.
        OperationError: what was restored could not be brought to this version.
    """
    _check_empty(settings.data_dir)
    made = manifest.read(folder)
    demonstration = made.is_demonstration
    _check_database(None if demonstration else settings.database_url, made, folder)
    say(f"Looking at the files of the backup of {made.began_at} …")
    manifest.check(made, folder, say)
    with claimed_by_up(settings, demonstration=demonstration):
        draft = settings.data_dir / DRAFT
        _discard(draft)
        try:
            _fill(dataclasses.replace(settings, data_dir=draft), made, folder, say)
        except BaseException:
            _discard(draft)
            raise
        for made_file in draft.iterdir():
            made_file.rename(settings.data_dir / made_file.name)
        draft.rmdir()
        say("Bringing the database up to date …")
        with services(settings, demonstration=demonstration) as held:
            operations.migrate(held.settings)
    return made


def missing_settings(settings: Settings, folder: Path) -> list[str]:
    """Settings that were set where the backup was made, and are not set here."""
    there = contents.names_in((folder / SETTINGS_FILE).read_text())
    return [name for name in there if name not in contents.set_names(settings)]


def _fill(settings: Settings, made: Manifest, folder: Path, say: Callable[[str], None]) -> None:
    """Make the installation in the data folder of these settings."""
    demonstration = made.is_demonstration
    home = settings.data_dir / DEMONSTRATION if demonstration else settings.data_dir
    make_data_folder(home)
    # Before the servers: a secret that is missing is made anew.
    contents.copy_files(folder / FILES, home)
    with services(settings, demonstration=demonstration) as held:
        server = embedded_postgresql(held)
        if server:
            databases.load_all(server, folder, say)
        say(f"Restoring the event buffer: {made.event_count:,} events …")
        contents.read_events(str(held.settings.redis_url), folder / EVENTS)


def _discard(draft: Path) -> None:
    """Take away what a restore made that did not end; one that was killed left servers running."""
    for state in list(draft.rglob("process.json")):
        # Whichever it is: all of them keep the same file, and end by the same signal.
        PostgresqlServer(state.parent).stop()
    for home in list(draft.rglob("postgres/home")):
        if home.is_symlink():
            shutil.rmtree(home.resolve(), ignore_errors=True)
    shutil.rmtree(draft, ignore_errors=True)


def _check_empty(data_dir: Path) -> None:
    found = {file.name for file in data_dir.iterdir()} if data_dir.exists() else set()
    if found - {"up.lock", DRAFT}:
        raise BackupError(
            f"{data_dir} is not empty: a backup is restored into an empty data folder, which "
            "ACTIONSIGHT_DATA_DIR names"
        )


def _check_database(database_url: str | None, made: Manifest, folder: Path) -> None:
    """Raise unless the database is the command's to restore, or was restored by its own tools."""
    if database_url is None:
        if made.postgresql is None:
            raise BackupError(
                "the backup holds no database, since PostgreSQL was a server of its own: restore "
                "that by its own tools, and set ACTIONSIGHT_DATABASE_URL to it"
            )
        return
    with connect(database_url) as connection:
        revision = migrations.revision_of(connection)
    if revision is None:
        raise BackupError(
            "ACTIONSIGHT_DATABASE_URL names a database that is empty, and is a server of your own: "
            "restore it by its own tools first"
            + (
                f" (`pg_restore --no-owner --no-privileges --dbname=… {folder / 'actionsight'}`)"
                if made.postgresql
                else ""
            )
        )
