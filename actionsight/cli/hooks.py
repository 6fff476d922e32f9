"""`actionsight hooks`: webhooks of ours at GitHub."""

import hmac
import json
import uuid
from contextlib import closing
from http import HTTPStatus

import click

from actionsight import loopback
from actionsight.cli.context import database
from actionsight.local.installation import find_running
from actionsight.settings import Settings, load
from actionsight.webhook_events import RECEIVER_PATH

_SETTING = "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET"


@click.group()
def hooks() -> None:
    """Keep the webhooks that Actionsight made at GitHub."""


@hooks.command("rotate")
def rotate_hooks() -> None:
    """Give all webhooks of ours the first of the secrets.

    \b
    1. Set ACTIONSIGHT_GITHUB_WEBHOOK_SECRET to new,old and restart: both are accepted.
    2. Run this until it says that all have the new one.
    3. Three days later (until then GitHub may send old deliveries again) remove the old one
       from the setting, and restart.

    Ours are those that Actionsight made in repositories, found again by their address where GitHub
    has another one there, and the GitHub App's own where it delivers here. Those of organizations,
    and others that a person made, are changed by hand at GitHub between 1 and 3.

    What was interrupted or failed goes on where it ended when this is run again.
    """
    # The other commands do not pay for importing them.
    from actionsight.github.credential_router import CredentialRouter
    from actionsight.github.retries import RetryPolicy
    from actionsight.hook_rotation import Rotation

    configured = load()
    with database(asks_github=True) as (here, connection):
        if not here.github_webhook_secret:
            raise click.ClickException(
                f"{_SETTING} is not set: `openssl rand -hex 32` makes a secret"
            )
        _check_receiver(configured, here.github_webhook_secret[0])
        with closing(CredentialRouter(here, retry_policy=RetryPolicy(tries=3))) as router:
            rotation = Rotation(connection, here, router)
            known = rotation.hooks()
            left = [hook for hook in known if not hook.has_secret]
            click.echo(
                f"{len(known):,} webhooks in repositories, {len(known) - len(left):,} of which "
                "have the new secret already."
            )
            outcomes = []
            for number, hook in enumerate(left, start=1):
                outcomes.append(rotation.rotate(hook))
                click.echo(f"[{number}/{len(left)}] {hook.full_name}: {outcomes[-1].says}")
            if of_app := rotation.rotate_apps():
                outcomes.append(of_app)
                click.echo(f"{of_app.name}: {of_app.says}")
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if failed:
        listed = "\n".join(f"  {outcome.name}: {outcome.says}" for outcome in failed)
        raise click.ClickException(
            f"these do not have the new secret:\n{listed}\n"
            f"Keep the old one in {_SETTING} until they do (those that were set by hand do), and "
            "run this again when that is mended."
        )
    gone = sum(outcome.status == "gone" for outcome in outcomes)
    count = len(known) - gone + (of_app is not None)
    click.echo(f"All {count:,} webhooks have the new secret.")
    if len(here.github_webhook_secret) > 1:
        click.echo(
            f"In three days remove the old one from {_SETTING} and restart; until then GitHub may "
            "send old deliveries again."
        )
    click.echo(
        "Webhooks of organizations, and others that a person made at GitHub, are not ours: change "
        "their secret by hand before that."
    )


def _check_receiver(settings: Settings, secret: str) -> None:
    """What runs here must know the new secret first, or it refuses what GitHub signs with it."""
    running = find_running(settings)
    if running is None or running.receiver_port is None:
        return
    body = json.dumps({"zen": "actionsight hooks rotate"}).encode()
    answer = loopback.post(
        f"http://{loopback.HOST}:{running.receiver_port}{RECEIVER_PATH}",
        data=body,
        headers={
            "Content-Type": "application/json",
            "X-GitHub-Event": "ping",
            "X-GitHub-Delivery": str(uuid.uuid4()),
            "X-Hub-Signature-256": "sha256="
            + hmac.new(secret.encode(), body, "sha256").hexdigest(),
        },
    )
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        raise click.ClickException(
            f"what runs here does not know the first secret of {_SETTING} yet, so nothing was "
            "changed: restart it (Ctrl-C and `make up`, or `systemctl restart actionsight`), and "
            "run this again"
        )
