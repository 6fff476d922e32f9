"""`python -m github_standin`: serve the recordings on the loopback address."""

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from github_standin import demonstration
from github_standin.demonstration import Shown
from github_standin.server import Server
from github_standin.world import World

CHECK_SECONDS = 60.0


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 0 then, 1 when it cannot start."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.demonstration and options.data_dir is None:
        parser.error(
            "--demonstration needs --data-dir: the folder that keeps how far history is moved"
        )
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    world = World()
    try:
        if options.demonstration:
            shown = demonstration.prepare(world, options.data_dir)
        else:
            shown = demonstration.show(world, {})
        server = Server(
            world, token=options.token, status=lambda: demonstration.status(world, shown)
        )
        server.start(options.port)
    except (OSError, demonstration.StateError) as reason:
        sys.stderr.write(f"github_standin cannot start: {reason}\n")
        return 1
    sys.stdout.write(f"listening on {server.url}\n")
    sys.stdout.flush()
    _watch(world, shown if options.demonstration else [], stopped)
    server.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m github_standin",
        description="A stand-in for GitHub's REST API, answering from recorded real history."
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
