"""`actionsight backup`, `restore` and `upgrade-postgresql`."""

from pathlib import Path

import click

from actionsight.backups.backup import back_up
from actionsight.backups.major_version import upgrade_postgresql
from actionsight.backups.restore import missing_settings, restore
from actionsight.settings import load

FOLDER = click.Path(file_okay=False, resolve_path=True, path_type=Path)


@click.command("backup")
@click.argument("folder", metavar="DIR", type=FOLDER)
def backup_command(folder: Path) -> None:
    """Back up databases, event buffer, secret key and your own files into DIR, a new folder.

    Everything may run meanwhile, and goes on. DIR can open what the installation can: keep it as
    you keep secrets.
    """
    made = back_up(load(), folder, click.echo)
    if made.postgresql is None:
        click.echo(
            "PostgreSQL is a server of your own (ACTIONSIGHT_DATABASE_URL): back up its databases "
            "by its own tools, now, after this: what is drained until then is in them."
        )
    size = sum(file["bytes"] for file in made.files.values())
    click.echo(
        f"Backed up into {folder}: {size / 1e6:,.1f} MB, {made.event_count:,} events that were "
        "waiting. Secrets of the settings (.env) are not in it, the secret key of the data folder "
        "is."
    )


@click.command("restore")
@click.argument("folder", metavar="DIR", type=FOLDER)
def restore_command(folder: Path) -> None:
    """Restore the backup in DIR into the data folder (ACTIONSIGHT_DATA_DIR), which is empty."""
    settings = load()
    made = restore(settings, folder, click.echo)
    click.echo(f"The installation of {made.began_at} is in {settings.data_dir}; `make up` goes on.")
    if missing := missing_settings(settings, folder):
        click.echo(
            f"Not set here, as it was there ({folder / 'settings.env'}): {', '.join(missing)}"
        )


@click.command("upgrade-postgresql")
@click.option(
    "--programs",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that has the old version's programs in bin, such as /usr/lib/postgresql/17.",
)
def upgrade_postgresql_command(programs: Path | None) -> None:
    """Bring the embedded PostgreSQL's files to the major version that Actionsight runs now."""
    upgrade_postgresql(load(), programs, click.echo)
