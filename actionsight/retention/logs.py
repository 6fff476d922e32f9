"""Log files that were set aside (`actionsight/log_files.py` bounds what is written)."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from actionsight.retention.rule import Rule


def _old(data_dir: Path, before: datetime) -> Iterator[Path]:
    for path in (*data_dir.glob("logs/*.log.*"), *data_dir.glob("*/server.log.*")):
        if path.stat().st_mtime < before.timestamp():
            yield path


def _count(data_dir: Path, before: datetime) -> int:
    return sum(1 for _ in _old(data_dir, before))


def _remove(data_dir: Path, before: datetime) -> int:
    removed = 0
    for path in _old(data_dir, before):
        path.unlink(missing_ok=True)
        removed += 1
    return removed


LOGS = Rule("log files set aside", "retention_log_days", _count, _remove)
