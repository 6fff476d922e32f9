"""`actionsight install-service`: Actionsight as a service of systemd's."""

import getpass
import os
import shutil
from pathlib import Path

import click

from actionsight.local.installation import make_data_folder
from actionsight.local.unit import Unit
from actionsight.settings import ROOT, load

UNITS = Path("/etc/systemd/system")


@click.command("install-service")
@click.option("--user", help="Whom it runs as; without it, who owns the checkout.")
@click.option("--write", is_flag=True, help=f"Write the unit into {UNITS}, which takes root.")
def install_service(user: str | None, write: bool) -> None:
    """Make Actionsight a service of systemd's: started at boot, and again whenever it falls.

    Shows the unit and what would be done; changes something only with --write. Settings come from
    .env then: what stands in the environment of this shell alone, the service does not know.
    """
    unit = Unit(root=ROOT, data_dir=load().data_dir, user=user or ROOT.owner())
    for name in sorted(name for name in os.environ if name.startswith("ACTIONSIGHT_")):
        click.echo(f"{name} is set in this shell alone: put it into {ROOT / '.env'}", err=True)
    path = UNITS / Unit.NAME
    if not write:
        click.echo(unit.text())
        click.echo(f"Nothing was changed. `--write` writes this to {path}.", err=True)
        return
    if not os.access(UNITS, os.W_OK):
        raise click.ClickException(
            f"{UNITS} cannot be written by {getpass.getuser()}: run this by sudo"
        )
    text = unit.text()
    if not unit.data_dir.exists():
        make_data_folder(unit.data_dir)
        shutil.chown(unit.data_dir, unit.user)
    path.write_text(text)
    path.chmod(0o644)
    click.echo(f"{path} is written. Now, as root:")
    click.echo(f"  systemctl daemon-reload && systemctl enable --now {Unit.NAME}")
    click.echo(f"  journalctl --follow --unit {Unit.NAME}   # what it says")
    click.echo("`actionsight status` says whether all is well.")
