"""The log of the API and of the receiver: that of every process, and of which request a line is.

`logging.json` is the configuration for the server, whose own lines look the same; `configure` is
for any other one.
"""

import json
import logging
import logging.config
from pathlib import Path
from typing import Any

from flask import has_request_context
from structlog.typing import EventDict

from actionsight import logs
from api.request_ids import current_request_id

CONFIGURATION = Path(__file__).with_name("logging.json")


def configure() -> None:
    """Configure the logging of this process."""
    logging.config.dictConfig(json.loads(CONFIGURATION.read_text(encoding="utf-8")))


def formatter() -> logging.Formatter:
    """What makes a line of a record, with the `request_id` where there is one."""
    return logs.formatter(_add_request_id)


def _add_request_id(_logger: Any, _method: str, members: EventDict) -> EventDict:
    if has_request_context():
        members["request_id"] = current_request_id()
    return members
