"""A disk in memory that a test fills and empties."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A file system of its own, at a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Take what is left of it, to the last block."""
        with self._ballast.open("ab") as ballast:
            while free := self.free_bytes:
                try:
                    os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, free)
                except OSError:  # somebody else took some of it meanwhile
                    continue

    def empty(self) -> None:
        """Give it back."""
        self._ballast.unlink()

    @contextmanager
    def full(self) -> Generator[None]:
        """Nothing is left of it for the length of the context."""
        self.fill()
        yield
        self.empty()

    @property
    def is_full(self) -> bool:
        """Whether it was filled."""
        return self._ballast.exists()

    @property
    def free_bytes(self) -> int:
        """What is left of it."""
        return os.statvfs(self.folder).f_bfree * os.statvfs(self.folder).f_frsize


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Generator[SmallDisk]:
    """Mount a disk of this size for the length of the context; skips where that is forbidden."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={megabytes}m,mode=0711"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "actionsight-tests", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        # What a test could not end may still be there.
        subprocess.run(["umount", "--lazy", folder], check=True)
