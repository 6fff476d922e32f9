"""What goes into the log of every process of ours: when, how grave, of whom, what.

All write by the loggers of the standard library, as libraries do; structlog renders what they say:
for a person at a terminal, else as JSON, an object a line. No line of ours holds a secret; what
others write is searched for those that have a form, or a name, by which they are known.
"""

import json
import logging
import re
import sys
from collections.abc import Collection, Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

REDACTED = "[redacted]"

_NAMES = (
    r"authorization|cookie|csrf[-_]token|signature-256|client_secret|webhook_secret|secret_key"
    r"|private_key|access_token|refresh_token|api_token|github_token|code_verifier|password"
)
# What is left of each beside the secret stands in its groups.
_SECRETS = (
    re.compile(r"()\b(?:gh[a-z]_|github_pat_)\w+()"),
    re.compile(r"()\beyJ[\w-]+\.[\w-]+\.[\w-]*()"),
    # Of ours, by their length: words of programs begin like that, too.
    re.compile(r"()\bas_[\w-]{40,}()"),
    re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END|$)", re.DOTALL),
    re.compile(r"(://)[^/\s:]*:[^/\s]*(@)"),
    # Of an address that a browser is sent to, or comes back to.
    re.compile(r"([?&](?:code|state|token)=)[^&\s\"'<>]+()", re.IGNORECASE),
    re.compile(
        r"\b((?:__Host-)?(?:session|csrf|sign-in-[0-9a-f]{16})=)[^;,\s\"']+()", re.IGNORECASE
    ),
    re.compile(r"\b((?:bearer|basic)\s+)[\w.~+/=-]{8,}()", re.IGNORECASE),
    re.compile(
        rf"((?:{_NAMES})(?:[\"']?\s*[:=]|[\"'],)\s*b?[\"']?)(?:(?:bearer|basic|token)\s+)?"
        r"[^\s'\",;&]+()",
        re.IGNORECASE,
    ),
)
_SECRET_NAME = re.compile(rf"(?:\w+[-_])?(?:{_NAMES}|secret|token)", re.IGNORECASE)


def configure(level: int = logging.INFO) -> None:
    """Let this process log to its standard error; one that logs already goes on as it does."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter())
    logging.basicConfig(level=level, handlers=[handler])


def formatter(*context: Processor) -> logging.Formatter:
    """What makes a line of a record.

    Args:
        context: what adds members that every line of this process has.
    """
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            *context,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact_members,
            _renderer(),
        ],
    )


def told_by(line: str) -> str:
    """What a line of a log tells a person: of one of ours the exception's last line, else the
    message; any other as it is."""
    try:
        members = json.loads(line)
    except ValueError:
        return line
    if not isinstance(members, dict):
        return line
    told = members.get("exception") or members.get("event") or line
    return str(told).strip().rpartition("\n")[2]


def redact(text: str) -> str:
    """The text without tokens, keys, sessions, passwords and what else opens something."""
    for secret in _SECRETS:
        text = secret.sub(rf"\g<1>{REDACTED}\g<2>", text)
    return text


def _renderer() -> Processor:
    if sys.stderr.isatty():
        return structlog.dev.ConsoleRenderer(
            pad_level=False, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def _redact_members(_logger: Any, _method: str, members: EventDict) -> EventDict:
    return {name: _redacted(name, member) for name, member in members.items()}


def _redacted(name: str, member: Any) -> Any:
    """A member of a line, and whatever it holds, without secrets and as JSON has it."""
    if member is None or isinstance(member, bool | int | float):
        return member
    if _SECRET_NAME.fullmatch(name):
        return REDACTED
    if isinstance(member, Mapping):
        return {str(key): _redacted(str(key), value) for key, value in member.items()}
    if isinstance(member, Collection) and not isinstance(member, str | bytes):
        return [_redacted("", each) for each in member]
    return redact(member if isinstance(member, str) else repr(member))
