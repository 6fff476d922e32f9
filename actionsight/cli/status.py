"""`actionsight status`: whether everything does its work now."""

import json
import logging
import sys

import click

from actionsight import status
from actionsight.settings import load

OK, WARNING, WRONG = 0, 1, 2  # as Nagios' plugins exit


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status_command(as_json: bool) -> None:
    """Say whether every part does its work now.

    Exit 0: all is well; 1: something is worth a look; 2: something does not work.
    """
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # findings say it
    findings = list(status.examine(load()))
    exit_code = max(
        WRONG if finding.is_wrong else WARNING if finding.is_warning else OK for finding in findings
    )
    if as_json:
        parts = [
            {"name": finding.subject, "status": finding.mark, "detail": finding.says}
            for finding in findings
        ]
        click.echo(json.dumps({"status": ("ok", "mind", "wrong")[exit_code], "parts": parts}))
    else:
        width = max(len(finding.subject) for finding in findings)
        for finding in findings:
            click.echo(f"{finding.mark:<6} {finding.subject:<{width}}  {finding.says}")
    sys.exit(exit_code)
