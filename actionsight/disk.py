"""How much of the disk an installation uses, and how much it may: ACTIONSIGHT_DISK_GB.

PostgreSQL ends where no place is left for its log of changes, and takes everything with it. So what
can go goes early, and what GitHub or a poll can tell again is refused, while there still is some.
An outside PostgreSQL has a disk of its own, which its administrator watches.
"""

import os
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from actionsight.settings import Settings

# From here on payloads go early, and it is said; from there on webhooks are refused.
NEARLY_FULL_SHARE, FULL_SHARE = 0.85, 0.95
# Looking through the files of a large database takes some hundredths of a second.
READING_SECONDS = 10.0
_BLOCK_BYTES = 512  # of st_blocks, whatever the file system's own are


@dataclass(frozen=True)
class Usage:
    """What is used, and what may be: the budget, or as much as the disk has if that is less."""

    used_bytes: int
    limit_bytes: int

    @property
    def share(self) -> float:
        """How much of it is used; what others leave of the disk is part of what may be."""
        return self.used_bytes / self.limit_bytes if self.limit_bytes else 0.0

    @property
    def is_nearly_full(self) -> bool:
        """Whether what can go should."""
        return self.share >= NEARLY_FULL_SHARE

    @property
    def is_full(self) -> bool:
        """Whether no more webhooks are to be taken."""
        return self.share >= FULL_SHARE

    @property
    def status(self) -> str:
        """`ok`, `nearly_full` or `full`."""
        return "full" if self.is_full else "nearly_full" if self.is_nearly_full else "ok"

    def line(self) -> str:
        """The same for a person."""
        return f"{self.used_bytes / 1e9:,.1f} of {self.limit_bytes / 1e9:,.1f} GB used"


class Disk:
    """The data folder of an installation; safe to share between threads and to make before a
    fork."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data_dir
        self._budget_bytes = settings.disk_gb * 10**9 if settings.disk_gb else None
        self._lock = threading.Lock()
        self._usage: Usage | None = None
        self._read_at = float("-inf")

    def usage(self) -> Usage:
        """As of some seconds ago at most: while one thread looks, the others take what was seen."""
        usage = self._usage
        if usage is not None and time.monotonic() < self._read_at + READING_SECONDS:
            return usage
        if usage is not None and not self._lock.acquire(blocking=False):
            return usage
        if usage is None:
            self._lock.acquire()
        try:
            self._usage = usage = self.measure()
            self._read_at = time.monotonic()
        finally:
            self._lock.release()
        return usage

    def measure(self) -> Usage:
        """As of now."""
        places = [place for place in _places(self._folder) if place.is_dir()]
        used = sum(_bytes_below(place) for place in places)
        free = min((shutil.disk_usage(place).free for place in places), default=None)
        limits = [self._budget_bytes, used + free if free is not None else None]
        return Usage(used, min((limit for limit in limits if limit is not None), default=0))


def _places(folder: Path) -> list[Path]:
    """The data folder, and where PostgreSQL's files lie if that is elsewhere."""
    home = folder / "postgres" / "home"
    return [folder, home.resolve()] if home.is_symlink() else [folder]


def _bytes_below(folder: Path) -> int:
    """What its files take of the disk; one that goes meanwhile, or is not ours to see, is none."""
    used, folders = 0, [os.fspath(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    with suppress(OSError):
                        used += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue
    return used
