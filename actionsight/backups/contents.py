"""What a backup holds beside the databases: events, files, and which settings were set."""

import os
import shutil
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from contextlib import closing
from fnmatch import fnmatch
from pathlib import Path

import orjson
import redis

from actionsight.backups.errors import BackupError
from actionsight.event_buffer import (
    DRAIN_TIMEOUT_SECONDS,
    BufferNotEmptyError,
    Entry,
    EventBuffer,
)
from actionsight.local.installation import DEMONSTRATION
from actionsight.settings import SETTINGS, Settings, load

# What servers and processes make in the data folder, and make again; the databases and the events
# are written by themselves.
MADE_AGAIN = (
    *("postgres*", "event-buffer", "cache", "dagster", "dlt", "dbt", "metrics", "logs", "socket"),
    *("up.lock", DEMONSTRATION),
)
# What says of a server's folder that one runs there.
OF_PROCESSES = ("process.json", "server.lock", "holders.lock", "server.log*")
SETTINGS_HEADING = "# What was set when the backup was made; secrets stand in no backup."


def write_events(redis_url: str, path: Path) -> int:
    """Copy what waits in the event buffer into a file; gives how many events.

    Raises:
        BackupError: the server does not answer.
    """
    buffer = EventBuffer(redis_url, timeout_seconds=DRAIN_TIMEOUT_SECONDS)
    count = 0
    try:
        with closing(buffer), path.open("wb") as file:
            for entry_id, headers, body in buffer.entries():
                packed = {"headers": b64encode(headers).decode(), "body": b64encode(body).decode()}
                file.write(orjson.dumps({"id": entry_id, **packed}) + b"\n")
                count += 1
    except redis.RedisError as error:
        raise BackupError(f"the event buffer does not answer: {error}") from error
    return count


def read_events(redis_url: str, path: Path) -> int:
    """Put the events of a file into the event buffer, which has none; gives how many.

    Raises:
        BackupError: events wait there, or the server does not take them.
    """
    buffer = EventBuffer(redis_url, timeout_seconds=DRAIN_TIMEOUT_SECONDS)
    try:
        with closing(buffer):
            return buffer.refill(_entries(path))
    except BufferNotEmptyError:
        raise BackupError(
            "events wait in the event buffer that ACTIONSIGHT_REDIS_URL names: those of a backup "
            "go into an empty one, so let it be drained first, or name another"
        ) from None
    except redis.RedisError as error:
        raise BackupError(f"the event buffer does not take the events: {error}") from error


def copy_files(source: Path, target: Path) -> None:
    """Copy what in a data folder is nobody's to make again, readable by its owner alone."""
    for place, folders, names in os.walk(source):
        here, there = Path(place), target / Path(place).relative_to(source)
        passed_over = (*OF_PROCESSES, *(MADE_AGAIN if here == source else ()))
        folders[:] = [name for name in folders if not _fits(name, passed_over)]
        there.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            if (here / name).is_file() and not _fits(name, passed_over):
                shutil.copyfile(here / name, there / name)
                (there / name).chmod(0o600)


def settings_text(settings: Settings) -> str:
    """What was set, in the form of `.env`; secrets by their names alone."""
    told, names = settings.environment(), set_names(settings)
    lines = [
        f"#{setting.name}=" if setting.secret else f"{setting.name}={told[setting.name]}"
        for setting in SETTINGS
        if setting.name in names
    ]
    return "\n".join([SETTINGS_HEADING, *lines]) + "\n"


def set_names(settings: Settings) -> set[str]:
    """Which settings differ from their defaults."""
    told, defaults = settings.environment(), load(environ={}).environment()
    return {name for name, value in told.items() if value != defaults[name]}


def names_in(text: str) -> list[str]:
    """The settings that `settings_text` has."""
    lines = [line.lstrip("#").partition("=") for line in text.splitlines()[1:]]
    return [name for name, _, _ in lines]


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _entries(path: Path) -> Iterator[Entry]:
    with path.open("rb") as file:
        for line in file:
            event = orjson.loads(line)
            yield Entry(event["id"], b64decode(event["headers"]), b64decode(event["body"]))
