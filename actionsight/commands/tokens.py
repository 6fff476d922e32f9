"""`actionsight tokens`: bearer tokens of the API."""

from datetime import UTC, datetime, timedelta

import click

from actionsight import api_tokens
from actionsight.commands.installation import database


@click.group()
def tokens() -> None:
    """Make and revoke bearer tokens for the API."""


@tokens.command("create")
@click.option("--name", default="unnamed", show_default=True, help="What the token is for.")
@click.option("--days", type=click.IntRange(1), help="Days until it expires (never, without).")
def create_token(name: str, days: int | None) -> None:
    """Print a new token, once; it has an operator's rights."""
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    with database() as (_, connection):
        _, token = api_tokens.create_token(connection, name, expires_at=expires_at)
        connection.commit()
    click.echo(token)


@tokens.command("list")
def list_tokens() -> None:
    """List the tokens: number, name, and when it was made, last used, expires or was revoked."""
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
            click.echo(f"{token.token_id}\t{token.name}\t{', '.join(dates)}")


@tokens.command("revoke")
@click.argument("token_id", type=int)
def revoke_token(token_id: int) -> None:
    """Revoke the token with this number (see `tokens list`)."""
    with database() as (_, connection):
        revoked = api_tokens.revoke_token(connection, token_id)
        connection.commit()
    if not revoked:
        raise click.ClickException(f"there is no valid token with the number {token_id}")
    click.echo(f"Token {token_id} is revoked.")
