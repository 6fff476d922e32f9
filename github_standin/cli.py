"""The command line of the stand-in: what it takes, and what of it does not fit together."""

import argparse
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from github_standin.histories import demonstration
from github_standin.server import faults

SIGNING_VARIABLE = "GITHUB_STANDIN_WEBHOOK_SECRET"
"""The environment variable with the secret that signs webhooks."""

CLIENT_VARIABLES = ("GITHUB_STANDIN_CLIENT_ID", "GITHUB_STANDIN_CLIENT_SECRET")
"""The environment variables with the id and the secret of the App that people sign in to."""

FASTEST = 10_000
LONGEST_LEAD = 14 * 24


@dataclass(frozen=True)
class FaultOption:
    """`--fault NAME[:SHARE]`."""

    name: str
    share: float


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options. Ends the process with a sentence where they do not fit together."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _check_history(parser, options)
    _check_webhooks(parser, options)
    return options


def app_credentials() -> tuple[str, str]:
    """The App's id and secret, empty where the environment has none."""
    client_id, client_secret = (os.environ.get(name, "") for name in CLIENT_VARIABLES)
    return client_id, client_secret


def _check_history(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.demonstration and options.generated is not None:
        parser.error("--demonstration and --generated are two histories: choose one")
    if options.generated is not None and options.generated < 1:
        parser.error("--generated needs a number of runs")
    if options.demonstration and options.data_dir is None:
        parser.error(
            "--demonstration needs --data-dir: the folder that keeps how far history is moved"
        )
    if not options.demonstration and (options.webhook_url is not None or options.speed != 1):
        parser.error(
            "--webhook-url and --speed need --demonstration: without it everything is long over"
        )
    if options.redirect_uri and not (options.demonstration and all(app_credentials())):
        parser.error(
            "--redirect-uri needs --demonstration, where there are people, and the App's id and"
            f" secret as {' and '.join(CLIENT_VARIABLES)} (environment)"
        )
    if not (1 <= options.speed <= FASTEST and 0 < options.lead <= LONGEST_LEAD):
        parser.error(
            f"--speed is 1 to {FASTEST:,}, --lead more than 0 and at most {LONGEST_LEAD} hours"
        )
    if options.latency is not None and not 0 < options.latency <= 60:
        parser.error("--latency is more than 0 and at most 60 seconds")


def _check_webhooks(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.webhook_url is None:
        return
    parts = urlsplit(options.webhook_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        parser.error(f"--webhook-url: {options.webhook_url} is no http address")
    if not os.environ.get(SIGNING_VARIABLE):
        parser.error(
            f"--webhook-url needs the secret that signs, as {SIGNING_VARIABLE} (environment)"
        )


def _fault(text: str) -> FaultOption:
    name, _, share = text.partition(":")
    if name not in faults.NAMES:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(faults.NAMES)}")
    try:
        made = FaultOption(name, float(share or 1))
    except ValueError as reason:
        raise argparse.ArgumentTypeError(f"{share} is no share of 1") from reason
    if not 0 < made.share <= 1:
        raise argparse.ArgumentTypeError(f"{share} is no share of 1")
    return made


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m github_standin",
        description="A stand-in for GitHub: its REST API and webhooks, from recorded real history."
        " Prints one line with its address when it is ready; GET /standin tells what it shows.",
    )
    _add_history(parser)
    _add_serving(parser)
    _add_trouble(parser)
    return parser


def _add_history(parser: argparse.ArgumentParser) -> None:
    history = parser.add_argument_group("what is shown")
    history.add_argument(
        "--demonstration",
        action="store_true",
        help="move the history by whole weeks so that its last week is now; kept for later starts",
    )
    history.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help=f"folder for {demonstration.STATE_FILE}; made if it is missing",
    )
    history.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="N",
        help="begin some hours ago (--lead) and go N times as fast until the present (default 1)",
    )
    history.add_argument(
        "--lead",
        type=float,
        default=demonstration.DEFAULT_LEAD / timedelta(hours=1),
        metavar="HOURS",
        help="how many hours ago a first start with --speed begins (default %(default)g)",
    )
    history.add_argument(
        "--generated",
        type=int,
        metavar="RUNS",
        help="show no recordings but a year of octo/generated, with so many runs",
    )
    history.add_argument(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="of the generated history, the latency and the faults (default %(default)s)",
    )


def _add_serving(parser: argparse.ArgumentParser) -> None:
    serving = parser.add_argument_group("who may do what, and what is sent")
    serving.add_argument(
        "--port", type=int, default=0, help="port on 127.0.0.1 (default 0: any free one)"
    )
    serving.add_argument(
        "--token", metavar="T", help="accept this token only (default: any, or none)"
    )
    serving.add_argument(
        "--webhook-url",
        metavar="URL",
        help=f"send what happens from now on there, signed with the secret in {SIGNING_VARIABLE}",
    )
    serving.add_argument(
        "--redirect-uri",
        action="append",
        default=[],
        metavar="URL",
        help="let people sign in, and send them back there; more than one may be given. The App's"
        f" id and secret are {' and '.join(CLIENT_VARIABLES)}",
    )
    serving.add_argument(
        "--app-public-key",
        type=Path,
        metavar="FILE",
        help="PEM with which to check what the App signs in its own name",
    )
    serving.add_argument(
        "--administer-hooks",
        action="store_true",
        help="let the collector's credential (the token, or none) administer webhooks",
    )


def _add_trouble(parser: argparse.ArgumentParser) -> None:
    trouble = parser.add_argument_group("limits and trouble")
    trouble.add_argument(
        "--rate-limit",
        type=int,
        metavar="N",
        help="requests an hour and credential (default 5000); 0: none is told of",
    )
    trouble.add_argument(
        "--secondary-limits",
        action="store_true",
        help="refuse more than 100 requests at once, and more than 900 points a minute",
    )
    trouble.add_argument(
        "--latency",
        type=float,
        metavar="SECONDS",
        help="let each answer take so long in the median, log-normally distributed",
    )
    trouble.add_argument(
        "--fault",
        action="append",
        default=[],
        type=_fault,
        metavar="NAME[:SHARE]",
        help=f"let a share of the requests (default 1) meet it: {', '.join(faults.NAMES)}",
    )
    trouble.add_argument(
        "--clock-skew",
        type=float,
        default=0.0,
        metavar="HOURS",
        help="let GitHub's clock be ahead of the client's",
    )
