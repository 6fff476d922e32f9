"""`actionsight people`: who signed in, and taking them out."""

import click

from actionsight import audit
from actionsight import people as known_people
from actionsight.cli.context import database


@click.group()
def people() -> None:
    """See who signed in, and take people out."""


@people.command("list")
def list_people() -> None:
    """List who signed in once: GitHub's id, login, when they were last seen, and whether they are
    signed in."""
    with database() as (_, connection):
        for person in known_people.list_people(connection):
            state = "signed in" if person.is_signed_in else "signed out"
            seen = f"last seen {person.last_seen_at:%Y-%m-%d}"
            click.echo("\t".join([str(person.user_id), person.login, seen, state]))


@people.command("remove")
@click.argument("person", metavar="LOGIN|ID")
def remove_person(person: str) -> None:
    """End all sessions and tokens of a person, and take login, name and avatar out.

    GitHub's id stays in the audit log. Who signs in again is there again.
    """
    with database() as (_, connection):
        found = known_people.find(connection, person)
        if found is None:
            raise click.ClickException(f"nobody called {person} signed in here")
        known_people.remove(connection, found.user_id)
        audit.record(connection, "person.removed", of_user_id=found.user_id)
        connection.commit()
    click.echo(f"{found.login} ({found.user_id}) is removed.")
