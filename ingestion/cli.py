"""What the command lines here have in common: messages, exit codes, the end by a signal."""

import logging
import os
import signal
from collections.abc import Sequence

import click
import psycopg

from actionsight import logs
from ingestion.database_errors import explained

TROUBLE = 1
INTERRUPTED = 130


def log_to_stderr(*, quiet: bool) -> None:
    """Let messages go where they do not mix with a command's output."""
    logs.configure(logging.WARNING if quiet else logging.INFO)
    # Who is interrupted in a query need not read that its rollback could not be sent.
    logging.getLogger("psycopg").setLevel(logging.ERROR)


def run(
    command: click.Group,
    arguments: Sequence[str] | None,
    *,
    program: str,
    stopped: str,
    expected: tuple[type[Exception], ...],
) -> int:
    """Run a command; 0 when all went well, 1 after saying what did not, 130 on Ctrl-C.

    Args:
        program: what people typed before the arguments.
        stopped: says what becomes of work that was stopped.
        expected: failures whose message is for a person.
    """
    os.umask(0o077)  # what it writes is for this user alone
    # Ctrl-C too: a shell starts background jobs with SIGINT ignored, and children inherit that.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        code = command.main(args=arguments, prog_name=program, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(stopped, err=True)
        return INTERRUPTED
    except expected as error:
        click.echo(str(error), err=True)
        return TROUBLE
    except psycopg.Error as error:
        click.echo(explained(error), err=True)
        return TROUBLE
    return code if isinstance(code, int) else 0
