"""From one major version of PostgreSQL to the next, whose programs cannot read its files."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from actionsight.backups import databases
from actionsight.backups.errors import BackupError
from actionsight.local import PostgresqlServer, hold
from actionsight.local.installation import DEMONSTRATION, claimed_by_up, shows_demonstration
from actionsight.local.postgresql import MAJOR, PACKAGE
from actionsight.settings import Settings


def upgrade_postgresql(
    settings: Settings, programs: Path | None, say: Callable[[str], None]
) -> None:
    """Bring the embedded PostgreSQL's files to the major version that this version runs.

    The old files are kept beside the new ones.

    Args:
        settings: as they were loaded.
        programs: the folder with the programs of the old version in `bin`; looked for where None.
        say: takes a line for the person who watches.

    Raises:
        BackupError: there is nothing to bring over, or nothing to read the old files with.
        AlreadyRunningError: `actionsight up` runs.
        EmbeddedServerError: a server cannot be started.
    """
    demonstration = shows_demonstration(settings)
    if settings.database_url and not demonstration:
        raise BackupError(
            "PostgreSQL is a server of your own (ACTIONSIGHT_DATABASE_URL): its own tools upgrade "
            "it, while Actionsight is stopped"
        )
    data_dir = settings.data_dir / DEMONSTRATION if demonstration else settings.data_dir
    folder = data_dir / "postgres"
    major = PostgresqlServer(folder).cluster_major()
    if major is None:
        raise BackupError(f"{data_dir} holds no files of PostgreSQL")
    if major == MAJOR:
        say(f"PostgreSQL's files are of version {MAJOR} already.")
        return
    kept = data_dir / f"postgres-{major}"
    if kept.exists():
        raise BackupError(f"{kept} is there, where the old files are to be kept: move it away")
    old = PostgresqlServer(folder, programs=_programs(major, programs))
    with claimed_by_up(settings, demonstration=demonstration):
        draft = data_dir / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        try:
            new = _copy(old, PostgresqlServer(draft / "postgres"), draft / "dump", say)
            folder.rename(kept)
            new.folder.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    say(
        f"PostgreSQL is of version {MAJOR} now. What it had before is in {kept}: delete that once "
        "all is well."
    )


def _copy(
    old: PostgresqlServer, new: PostgresqlServer, dump: Path, say: Callable[[str], None]
) -> PostgresqlServer:
    """Fill a new server with the databases, passwords and port of an old one."""
    new.folder.mkdir(parents=True)
    dump.mkdir(mode=0o700)
    for password in old.folder.glob("password*"):
        shutil.copy(password, new.folder)
    with hold(old):
        databases.dump_all(old, dump, say)
    with hold(new):
        databases.load_all(new, dump, say)
    shutil.copy(old.folder / "process.json", new.folder)
    return new


def _programs(major: int, given: Path | None) -> Path:
    """The folder with the programs of a major version.

    Raises:
        BackupError: it is not found; says what to do.
    """
    usual = [*sorted(PACKAGE.glob("pginstall*")), Path(f"/usr/lib/postgresql/{major}")]
    for folder in [given] if given else usual:
        if _major(folder) == major:
            return folder
    raise BackupError(
        f"the server of PostgreSQL {major} is needed to read its files, and "
        + (f"{given} does not hold it" if given else "is not found on this machine")
        + f": install it (Debian and Ubuntu: the package postgresql-{major}) and name the folder "
        "that has its `bin` by --programs"
    )


def _major(programs: Path) -> int | None:
    try:
        told = subprocess.run(
            [programs / "bin" / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\) (\d+)", told)
    return int(found[1]) if found else None
