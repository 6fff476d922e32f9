"""Making a backup, while everything runs or nothing does."""

import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from actionsight import migrations
from actionsight.backups import contents, databases, manifest
from actionsight.backups.errors import BackupError
from actionsight.backups.manifest import Manifest
from actionsight.database import connect
from actionsight.local import PostgresqlServer
from actionsight.local.installation import (
    DEMONSTRATION,
    Services,
    services,
    shows_demonstration,
)
from actionsight.settings import Settings

EVENTS = "events.jsonl"
FILES = "files"
SETTINGS_FILE = "settings.env"


def back_up(settings: Settings, folder: Path, say: Callable[[str], None]) -> Manifest:
    """Back up the installation that the settings mean into a new folder.

    Args:
        settings: as they were loaded.
        folder: where to; it is there once the backup is whole, and not before.
        say: takes a line for the person who watches.

    Raises:
        BackupError: there is nothing to back up, the folder is in use, or a part failed.
        SchemaError: a newer version of Actionsight made the database.
        EmbeddedServerError: a server cannot be started.
    """
    demonstration = shows_demonstration(settings)
    data_dir = settings.data_dir / DEMONSTRATION if demonstration else settings.data_dir
    if (demonstration or settings.database_url is None) and not (data_dir / "postgres").exists():
        raise BackupError(f"{settings.data_dir} holds no installation: there is nothing to back up")
    _check_place(folder, settings.data_dir)
    with _draft(folder) as draft, services(settings, demonstration=demonstration) as held:
        began_at = manifest.now()
        revision = _revision(held.settings)
        say("Copying the event buffer …")
        event_count = contents.write_events(str(held.settings.redis_url), draft / EVENTS)
        server = embedded_postgresql(held)
        if server:
            databases.dump_all(server, draft, say)
        contents.copy_files(data_dir, draft / FILES)
        (draft / SETTINGS_FILE).write_text(contents.settings_text(settings))
        made = manifest.describe(
            draft,
            say,
            schema_revision=revision,
            postgresql=databases.version_of(server) if server else None,
            began_at=began_at,
            is_demonstration=demonstration,
            event_count=event_count,
        )
        made.write(draft)
    return made


def embedded_postgresql(held: Services) -> PostgresqlServer | None:
    """The embedded PostgreSQL among what an installation rests on."""
    return next((each for each in held.servers if isinstance(each, PostgresqlServer)), None)


def _check_place(folder: Path, data_dir: Path) -> None:
    if folder.is_relative_to(data_dir.resolve()):
        raise BackupError(
            f"{folder} lies in the data folder, with which it would be lost: name one outside, "
            "best on another disk"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(f"{folder} is not empty: a backup has a folder of its own, so name a new")
    if os.path.ismount(folder):
        raise BackupError(f"{folder} is the root of a disk: name a folder on it")


@contextmanager
def _draft(folder: Path) -> Generator[Path]:
    """A folder beside `folder`, which takes its place at the end; nothing is left of a failure."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
    try:
        yield draft
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _revision(settings: Settings) -> str:
    with connect(str(settings.database_url)) as connection:
        revision = migrations.revision_of(connection)
    migrations.refuse_foreign(revision)
    if revision is None:
        raise BackupError("the database is empty: there is nothing to back up")
    return revision
