"""The manifest of a backup: it is written last, and without it a folder is no backup."""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from actionsight import migrations
from actionsight.backups.errors import BackupError
from actionsight.local.server import Patience, write_atomically

NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    Attributes:
        actionsight: the version that made it.
        schema_revision: of the database.
        postgresql: the version of the server; None where its own tools back it up.
        began_at: when (ISO 8601, UTC); all that had been accepted by then is in it.
        is_demonstration: whether it shows recorded history.
        event_count: how many events waited in the buffer.
        files: size in bytes and SHA-256 of each file, by its path in the folder.
    """

    actionsight: str
    schema_revision: str
    postgresql: str | None
    began_at: str
    is_demonstration: bool
    event_count: int
    files: dict[str, dict[str, Any]]

    def write(self, folder: Path) -> None:
        """Complete the backup in `folder`."""
        write_atomically(
            folder / NAME, orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2).decode()
        )


def describe(folder: Path, say: Callable[[str], None], **known: Any) -> Manifest:
    """The manifest of the files that lie in a folder, which are then on disk and private."""
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    files = _files_of(folder, say)
    return Manifest(actionsight=version("actionsight"), files=files, **known)


def now() -> str:
    """The time, as a manifest has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read(folder: Path) -> Manifest:
    """The manifest of a backup that this version can restore.

    Raises:
        BackupError: it is no whole backup, or a newer version made it.
        SchemaError: a newer version made its database.
    """
    try:
        members = orjson.loads((folder / NAME).read_bytes())
        found = Manifest(**members)
    except (FileNotFoundError, NotADirectoryError):
        raise BackupError(f"{folder} holds no whole backup: it has no {NAME}") from None
    except (orjson.JSONDecodeError, TypeError) as error:
        raise BackupError(f"{folder / NAME} is damaged: {error}") from error
    ours, theirs = version("actionsight"), found.actionsight
    if _numbers(theirs) > _numbers(ours):
        raise BackupError(
            f"the backup was made by version {theirs} of Actionsight, and this one is {ours}: "
            "restore it by that version, or a newer one"
        )
    migrations.refuse_foreign(found.schema_revision)
    return found


def check(manifest: Manifest, folder: Path, say: Callable[[str], None]) -> None:
    """Raise unless every file of a backup is there as it was written.

    Raises:
        BackupError: names what differs.
    """
    found = _files_of(folder, say)
    wrong = [name for name, file in manifest.files.items() if found.get(name) != file]
    if wrong:
        raise BackupError(
            f"the backup in {folder} is damaged, since these files are not as they were written: "
            + ", ".join(wrong)
        )


def _files_of(folder: Path, say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    patience = Patience(say)
    files: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / NAME:
            name = str(path.relative_to(folder))
            patience.explain(f"Reading {name} for its checksum …")
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[name] = {"bytes": path.stat().st_size, "sha256": digest}
    return files


def _numbers(version_text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version_text)]
