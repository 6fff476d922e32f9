"""Log files with a bound: what is full becomes `.1`, what was `.1` becomes `.2`, and so on.

The writers append to a file that they never open again, and some of them outlive the command that
started them: a full log is therefore copied and emptied in place, which no writer notices. A line
that is written in between is lost; a pipe whose reader dies would take more.
"""

import os
import shutil
from pathlib import Path

LARGEST_BYTES = 10_000_000
KEPT = 3


def rotate(path: Path) -> None:
    """Keep a log within its bounds; does nothing while it is small or missing, or the disk full."""
    try:
        if path.stat().st_size < LARGEST_BYTES:
            return
    except FileNotFoundError:
        return
    copy = path.with_name(f"{path.name}.new")
    try:
        shutil.copyfile(path, copy)
    except OSError:
        copy.unlink(missing_ok=True)
        return
    for number in range(KEPT - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    copy.replace(path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)
