"""`actionsight hooks`: webhooks of ours at GitHub."""

import hmac
import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING

import click

from actionsight import loopback
from actionsight.cli.context import database
from actionsight.local.installation import find_running
from actionsight.settings import Settings, load
from actionsight.webhook_events import RECEIVER_PATH

if TYPE_CHECKING:
    from actionsight.hook_rotation import Outcome

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

    Ours are those that send here: in every repository that is monitored or was, found by their
    address where nobody noted them, and the GitHub App's own. Which ones a person has to change at
    GitHub between 1 and 3, those of organizations, say, is told at the end.

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
            of_app = rotation.rotate_apps()
            outcomes = list(filter(None, [of_app]))
            for outcome in outcomes:
                click.echo(f"{outcome.name}: {outcome.says}")
            places = rotation.places()
            left = [place for place in places if not place.has_secret]
            done_count = len(places) - len(left)
            click.echo(
                f"{sum(place.hook_id is not None for place in places):,} webhooks in repositories, "
                f"{done_count:,} of which have the new secret already; {len(left):,} repositories "
                "to look at."
            )
            for number, place in enumerate(left, start=1):
                outcomes.append(rotation.rotate(place))
                if outcomes[-1].status not in ("none", "unseen"):
                    click.echo(f"[{number}/{len(left)}] {place.full_name}: {outcomes[-1].says}")
            outcomes += rotation.others()
    by_status: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_status[outcome.status].append(outcome)
    _tell_what_is_left(by_status, apps_deliver=of_app is not None)
    if failed := by_status["failed"]:
        raise click.ClickException(
            f"these do not have the new secret:\n{_listed(failed)}\n"
            f"Keep the old one in {_SETTING} until they do (those that were set by hand do), and "
            "run this again when that is mended."
        )
    click.echo(f"All {done_count + len(by_status['rotated']):,} webhooks have the new secret.")
    if len(here.github_webhook_secret) > 1:
        click.echo(
            f"In three days remove the old one from {_SETTING} and restart; until then GitHub may "
            "send old deliveries again."
        )
    click.echo(
        "Webhooks of organizations that delivered nothing for a week are not known: change their "
        "secret by hand before that."
    )


def _tell_what_is_left(outcomes: "Mapping[str, list[Outcome]]", *, apps_deliver: bool) -> None:
    """What a person has to look at; whether that was done already nobody can tell from here."""
    if by_hand := outcomes["by_hand"]:
        click.echo(
            "These are changed by hand, unless that is done already (what they send is taken until "
            f"the old secret is removed):\n{_listed(by_hand)}"
        )
    # Where the App delivers by its own webhook, none was made in repositories.
    if (unseen := outcomes["unseen"]) and not apps_deliver:
        click.echo(
            "The webhooks of these repositories could not be looked at: where one sends here, set "
            "its secret by hand, or give the collector's credential Webhooks, read and write, and "
            f"run this again:\n{_listed(unseen)}"
        )


def _listed(outcomes: "Iterable[Outcome]") -> str:
    return "\n".join(f"  {outcome.name}: {outcome.says}" for outcome in outcomes)


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
