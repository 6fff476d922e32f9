"""`actionsight tokens`: bearer tokens of the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click
import psycopg

from actionsight import api_tokens, audit, people
from actionsight.api_tokens import LONGEST_DAYS, SCOPES, Scope
from actionsight.cli.context import database


@click.group()
def tokens() -> None:
    """Make and revoke bearer tokens for the API."""


@tokens.command("create")
@click.option("--name", default="unnamed", show_default=True, help="What the token is for.")
@click.option(
    "--scope",
    "--scopes",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("read",),
    show_default=True,
    help="metrics: GET /metrics alone; read: everything that answers; manage: what changes, too.",
)
@click.option(
    "--days",
    type=click.IntRange(1, LONGEST_DAYS),
    default=90,
    show_default=True,
    help="Days until it expires.",
)
@click.option(
    "--user",
    metavar="LOGIN|ID",
    help="Whose rights it has: a person who is signed in. Without, it sees all.",
)
def create_token(name: str, scopes: tuple[Scope, ...], days: int, user: str | None) -> None:
    """Print a new token, once."""
    if not name.strip() or not name.isprintable():
        raise click.BadParameter("must say what the token is for", param_hint="--name")
    expires_at = datetime.now(UTC) + timedelta(days=days)
    with database() as (_, connection):
        user_id = None if user is None else _signed_in(connection, user)
        token_id, token = api_tokens.create_token(
            connection, name, scopes=scopes, expires_at=expires_at, user_id=user_id
        )
        audit.record(
            connection,
            "token.created",
            token=token_id,
            name=name,
            scopes=sorted(set(scopes)),
            of_user_id=user_id,
            expires_at=expires_at.isoformat(timespec="seconds"),
        )
        connection.commit()
    click.echo(token)


@tokens.command("list")
def list_tokens() -> None:
    """List the tokens: number, name, scopes, whose, and when it was made, last used, expires or was
    revoked."""
    with database() as (_, connection):
        for token in api_tokens.list_tokens(connection):
            dates = (
                f"{label} {date:%Y-%m-%d}"
                for label, date in (
                    ("made", token.created_at),
                    ("last used", token.last_used_at),
                    ("expires", token.expires_at),
                    ("revoked", token.revoked_at),
                )
                if date
            )
            whose = "an operator" if token.user_id is None else f"{token.login} ({token.user_id})"
            scopes = ", ".join(token.scopes)
            click.echo(
                "\t".join([str(token.token_id), token.name, scopes, whose, ", ".join(dates)])
            )


@tokens.command("revoke")
@click.argument("token_id", type=int)
def revoke_token(token_id: int) -> None:
    """Revoke the token with this number (see `tokens list`)."""
    with database() as (_, connection):
        revoked = api_tokens.revoke_token(connection, token_id)
        if revoked:
            audit.record(connection, "token.revoked", token=token_id)
        connection.commit()
    if not revoked:
        raise click.ClickException(f"there is no valid token with the number {token_id}")
    click.echo(f"Token {token_id} is revoked.")


def _signed_in(connection: psycopg.Connection[Any], user: str) -> int:
    person = people.find(connection, user)
    if person is None or not person.is_signed_in:
        raise click.BadParameter(
            f"{user} is not signed in here, so GitHub cannot be asked what they may see",
            param_hint="--user",
        )
    return person.user_id
