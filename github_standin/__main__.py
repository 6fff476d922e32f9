"""`python -m github_standin`: serve the recordings, or a generated history, on the loopback
address, and send their webhooks."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from github_standin.cli import SIGNING_VARIABLE, app_credentials, parse
from github_standin.histories import demonstration, generated
from github_standin.histories.demonstration import Shown
from github_standin.histories.generated import Sizes
from github_standin.server import faults
from github_standin.server.latency import Latency
from github_standin.server.secondary_limits import SecondaryLimits
from github_standin.server.server import RATE_LIMIT, Server
from github_standin.webhooks.deliveries import Hook
from github_standin.webhooks.sender import Sender
from github_standin.world.people import APP_ID
from github_standin.world.world import World

CHECK_SECONDS = 60.0


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 0 then, 1 when it cannot start."""
    os.umask(0o077)  # what it writes is for this user alone
    options = parse(arguments)
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    world = World()
    sender: Sender | None = None

    def status() -> dict[str, Any]:
        of_history = history_status()
        return of_history if sender is None else of_history | {"webhooks": sender.status()}

    try:
        shown, history_status = _history(world, options)
        _register_app(world, options)
        server = _server(world, options, status)
        server.start(options.port)
    except (OSError, demonstration.StateError) as reason:
        sys.stderr.write(f"github_standin cannot start: {reason}\n")
        return 1
    if options.speed > 1 and datetime.now(UTC) - world.now() < timedelta(seconds=1):
        sys.stderr.write(
            "--speed changes nothing: what is shown is at the present already"
            f" ({options.data_dir / demonstration.STATE_FILE})\n"
        )
    if options.webhook_url is not None:
        secret = os.environ[SIGNING_VARIABLE]
        hook = Hook(options.webhook_url, secret, target_type="integration", target_id=APP_ID)
        sender = Sender(world, hook, api=server.url)
        server.attach(sender)
        sender.start()
    sys.stdout.write(f"listening on {server.url}\n")
    sys.stdout.flush()
    _watch(world, shown if options.demonstration else [], stopped)
    if sender is not None:
        sender.stop()
    server.stop()
    return 0


def _history(
    world: World, options: argparse.Namespace
) -> tuple[list[Shown], Callable[[], dict[str, Any]]]:
    """Fill *world*; the recordings in it, and what `GET /standin` tells of it."""
    if options.clock_skew:
        world.skew_clock(timedelta(hours=options.clock_skew))
    if options.generated is not None:
        made = generated.generate(world, Sizes(runs=options.generated), seed=options.seed)
        return [], lambda: generated.status(world, made)
    if options.demonstration:
        lead = timedelta(hours=options.lead)
        shown = demonstration.prepare(world, options.data_dir, options.speed, lead)
    else:
        shown = demonstration.show(world, {})
    return shown, lambda: demonstration.status(world, shown)


def _register_app(world: World, options: argparse.Namespace) -> None:
    """Register the App where somebody is to sign in, or it is to ask in its own name: then it is
    installed on every owner."""
    if not options.redirect_uri and options.app_public_key is None:
        return
    key = None if options.app_public_key is None else options.app_public_key.read_text()
    world.people.register_app(*app_credentials(), options.redirect_uri, public_key=key)
    installed = {of.account.login for of in world.people.installations.values()}
    for owner in {of.owner.login: of.owner for of in world.repositories.values()}.values():
        if owner.login not in installed:
            world.people.install(owner)


def _server(
    world: World, options: argparse.Namespace, status: Callable[[], dict[str, Any]]
) -> Server:
    limit = RATE_LIMIT if options.rate_limit is None else options.rate_limit
    latency = options.latency
    server = Server(
        world,
        token=options.token,
        rate_limit=limit or None,
        status=status,
        administers_hooks=options.administer_hooks,
        keeps_requests=False,
        latency=None if latency is None else Latency(latency, seed=options.seed),
        secondary_limits=SecondaryLimits() if options.secondary_limits else None,
    )
    if options.fault:
        server.fault = faults.together(
            *(
                faults.named(of.name, server, share=of.share, seed=options.seed)
                for of in options.fault
            )
        )
    return server


def _watch(world: World, shown: list[Shown], stopped: threading.Event) -> None:
    """Wait for the end, and say once of each recording that it is used up."""
    left = list(shown)
    while True:
        for of in [of for of in left if of.is_used_up(world.now())]:
            left.remove(of)
            sys.stderr.write(
                f"recording {of.recording.name} ({of.recording.full_name}) is used up since"
                f" {of.recording.last.isoformat()}: nothing new will appear in it\n"
            )
            sys.stderr.flush()
        if stopped.wait(CHECK_SECONDS):
            return


if __name__ == "__main__":
    sys.exit(main())
