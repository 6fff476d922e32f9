"""Which of two states of one object is the newer, whenever each of them was seen.

The same orders decide in `transform` between polls and webhooks (docs/analysts.md, newest state).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_STATUS_RANKS = {
    "completed": 5,
    "in_progress": 4,
    "queued": 3,
    "waiting": 2,
    "pending": 2,
    "requested": 1,
}
_EARLIEST = datetime.min.replace(tzinfo=UTC)

Order = tuple[Any, ...]


def has_begun(row: Mapping[str, Any]) -> bool:
    """Whether a job runs or ran; until then its `started_at` is when it was created."""
    return row["status"] in ("in_progress", "completed")


def run_order(row: Mapping[str, Any]) -> Order:
    """Final states last, then by `updated_at`, then by status."""
    rank = _STATUS_RANKS.get(row["status"], 0)
    is_final = row["status"] == "completed" and row["conclusion"] != "action_required"
    return is_final, row["updated_at"] or _EARLIEST, rank


def job_order(row: Mapping[str, Any]) -> Order:
    """By status, then by `completed_at`."""
    return _STATUS_RANKS.get(row["status"], 0), row["completed_at"] or _EARLIEST
