"""`python -m github_standin`: serve the recordings on the loopback address, and send their
webhooks."""

import argparse
import os
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from github_standin import demonstration
from github_standin.demonstration import Shown
from github_standin.hooks import Hook
from github_standin.people import APP_ID
from github_standin.sender import Sender
from github_standin.server import Server
from github_standin.world import World

CHECK_SECONDS = 60.0

SIGNING_VARIABLE = "GITHUB_STANDIN_WEBHOOK_SECRET"
"""The environment variable with the secret that signs webhooks."""

FASTEST = 10_000
LONGEST_LEAD = 14 * 24

CLIENT_VARIABLES = ("GITHUB_STANDIN_CLIENT_ID", "GITHUB_STANDIN_CLIENT_SECRET")
"""The environment variables with the id and the secret of the App that people sign in to."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 0 then, 1 when it cannot start."""
    parser = _parser()
    options = parser.parse_args(arguments)
    secret = os.environ.get(SIGNING_VARIABLE)
    client_id, client_secret = (os.environ.get(name, "") for name in CLIENT_VARIABLES)
    _check(parser, options, secret, has_client=bool(client_id and client_secret))
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    world = World()
    sender: Sender | None = None

    def status() -> dict[str, Any]:
        told = demonstration.status(world, shown)
        return told if sender is None else told | {"webhooks": sender.status()}

    try:
        if options.demonstration:
            lead = timedelta(hours=options.lead)
            shown = demonstration.prepare(world, options.data_dir, options.speed, lead)
        else:
            shown = demonstration.show(world, {})
        if options.redirect_uri:
            world.people.register_app(client_id, client_secret, options.redirect_uri)
        server = Server(
            world,
            token=options.token,
            status=status,
            administers_hooks=options.administer_hooks,
        )
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
        hook = Hook(options.webhook_url, secret, target_type="integration", target_id=APP_ID)
        sender = Sender(world, hook, api=server.url)
        sender.start()
    sys.stdout.write(f"listening on {server.url}\n")
    sys.stdout.flush()
    _watch(world, shown if options.demonstration else [], stopped)
    if sender is not None:
        sender.stop()
    server.stop()
    return 0


def _check(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    secret: str | None,
    *,
    has_client: bool,
) -> None:
    """End with a sentence where the options do not fit together."""
    if options.demonstration and options.data_dir is None:
        parser.error(
            "--demonstration needs --data-dir: the folder that keeps how far history is moved"
        )
    if not options.demonstration and (options.webhook_url is not None or options.speed != 1):
        parser.error(
            "--webhook-url and --speed need --demonstration: without it everything is long over"
        )
    if options.redirect_uri and not (options.demonstration and has_client):
        parser.error(
            "--redirect-uri needs --demonstration, where there are people, and the App's id and"
            f" secret as {' and '.join(CLIENT_VARIABLES)} (environment)"
        )
    if not (1 <= options.speed <= FASTEST and 0 < options.lead <= LONGEST_LEAD):
        parser.error(
            f"--speed is 1 to {FASTEST:,}, --lead more than 0 and at most {LONGEST_LEAD} hours"
        )
    if options.webhook_url is not None:
        parts = urlsplit(options.webhook_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            parser.error(f"--webhook-url: {options.webhook_url} is no http address")
        if not secret:
            parser.error(
                f"--webhook-url needs the secret that signs, as {SIGNING_VARIABLE} (environment)"
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m github_standin",
        description="A stand-in for GitHub: its REST API and webhooks, from recorded real history."
        " Prints one line with its address when it is ready; GET /standin tells what it shows.",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port on 127.0.0.1 (default 0: any free one)"
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help=f"folder for {demonstration.STATE_FILE}; made if it is missing",
    )
    parser.add_argument(
        "--demonstration",
        action="store_true",
        help="move the history by whole weeks so that its last week is now; kept for later starts",
    )
    parser.add_argument(
        "--token", metavar="T", help="accept this token only (default: any, or none)"
    )
    parser.add_argument(
        "--webhook-url",
        metavar="URL",
        help=f"send what happens from now on there, signed with the secret in {SIGNING_VARIABLE}",
    )
    parser.add_argument(
        "--redirect-uri",
        action="append",
        default=[],
        metavar="URL",
        help="let people sign in, and send them back there; more than one may be given. The App's"
        f" id and secret are {' and '.join(CLIENT_VARIABLES)}",
    )
    parser.add_argument(
        "--administer-hooks",
        action="store_true",
        help="let the collector's credential (the token, or none) administer webhooks",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="N",
        help="begin some hours ago (--lead) and go N times as fast until the present (default 1)",
    )
    parser.add_argument(
        "--lead",
        type=float,
        default=demonstration.DEFAULT_LEAD / timedelta(hours=1),
        metavar="HOURS",
        help="how many hours ago a first start with --speed begins (default %(default)g)",
    )
    return parser


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
