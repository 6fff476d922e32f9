"""What goes into the log of the API and of the receiver: when, how grave, of which request, what.

`logging.json` is the configuration for the server, whose own lines look the same; `configure` is
for any other one. No line of ours holds a secret; what libraries write is searched for those that
have a form by which they are known.
"""

import json
import logging
import logging.config
import re
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from flask import has_request_context

from api.request_ids import current_request_id

CONFIGURATION = Path(__file__).with_name("logging.json")
THROTTLE_SECONDS = 60.0
REDACTED = "[redacted]"

_SECRETS = (
    re.compile(r"\b(?:gh[a-z]_|github_pat_)\w+"),
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    # Of ours, by their length: words of programs begin like that, too.
    re.compile(r"\bas_[\w-]{40,}"),
    re.compile(r"(?<=://)[^/\s@]*:[^/\s@]*(?=@)"),
    re.compile(r"""(?i)(?<=authorization)(\W{1,5})(?:(?:bearer|basic|token)\s+)?[^\s'",;]+"""),
)


def configure() -> None:
    """Configure the logging of this process."""
    logging.config.dictConfig(json.loads(CONFIGURATION.read_text(encoding="utf-8")))


def redact(text: str) -> str:
    """The text without tokens, passwords in addresses and values of `Authorization`."""
    for secret in _SECRETS:
        text = secret.sub(REDACTED, text)
    return text


class LineFormatter(logging.Formatter):
    """`2026-01-07T10:00:00.123Z WARNING api.errors [request id] what happened`, in UTC; without a
    request `-` stands for its id."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line, and what belongs to it."""
        record.request_id = current_request_id() if has_request_context() else "-"
        return redact(super().format(record))

    def formatTime(  # noqa: N802 as in the base
        self,
        record: logging.LogRecord,
        datefmt: str | None = None,  # noqa: ARG002
    ) -> str:
        """RFC 3339 in UTC, with milliseconds."""
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Throttle:
    """Lets one line of a kind into the log within a minute, and counts what it holds back: what
    strangers can cause at will must not fill a disk. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told_at: dict[str, float] = {}
        self._held_back: dict[str, int] = defaultdict(int)

    def pass_on(self, kind: str) -> int | None:
        """Whether a line of this kind is due: how many were held back before it; None: it is not.

        `kind` is a word of ours, never of a client: each is remembered.
        """
        now = time.monotonic()
        with self._lock:
            if now < self._told_at.get(kind, float("-inf")) + THROTTLE_SECONDS:
                self._held_back[kind] += 1
                return None
            self._told_at[kind] = now
            return self._held_back.pop(kind, 0)
