"""Where marts depart from the reference: every row, and every column that is not named here."""

import hashlib
import math
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.transform.reference.raw import Row

# (mart, key, column, stored, true); of a whole row the column is empty.
Difference = tuple[str, Any, str, Any, Any]
Rows = Mapping[str, list[Row]]

# What the reference does not tell of. Keys made of labels are checked to be one per set.
NOT_COMPUTED = {"level_changes"}
NOT_CHECKED = {"jobs": {"labels_key"}, "runner_statistics_by_hour": {"labels_key"}}
# What the reference tells and a mart may leave out, since no contract names it.
NOT_NEEDED = {
    "steps": {"repository_id"},
    "workflows": {"gone_at"},
    "workflow_runs": {"is_completed", "is_decisive"},
    "jobs": {"is_impossible_queue", "is_impossible_duration"},
    "workflow_statistics_by_day": {"cost_per_success_usd"},
    "repository_statistics_by_day": {"cost_per_success_usd"},
    "job_statistics_by_day": {
        "jobs_carried_over", "completed_count", "lost_seconds",
    },
    "runner_statistics_by_hour": {"impossible_queue_count", "queue_within_60_count"},
    "flaky_job_occurrences": {
        "event", "head_branch", "head_sha", "failed_at", "failed_runner_name", "passed_at",
        "passed_runner_name", "is_lower_bound",
    },
    "branch_health_intervals": {"recovered_sha"},
}  # fmt: skip
# A key of bounded size stands for what it was made of.
MADE_OF = {"job_name_key": "job_name", "labels_key": "labels"}


def differences(stored: Rows, true: Rows, keys: Mapping[str, Sequence[str]]) -> list[Difference]:
    """Of every mart in `keys`, which are the columns of its key."""
    found: list[Difference] = []
    for mart in keys.keys() - NOT_COMPUTED:
        found += _missing_columns(mart, stored[mart], true[mart])
        found += _unequal_keys(mart, stored[mart])
        found += _unequal_rows(mart, stored[mart], true[mart], keys[mart])
    return found


def name_key(name: str | None) -> uuid.UUID:
    """The key of bounded size that stands for a job's name."""
    return uuid.UUID(hashlib.md5((name or "").encode(), usedforsecurity=False).hexdigest())


def _unequal_rows(
    mart: str, stored: list[Row], true: list[Row], key: Sequence[str]
) -> list[Difference]:
    names = [MADE_OF.get(name, name) for name in key]
    there, right = ({_key(row, names): row for row in rows} for rows in (stored, true))
    found: list[Difference] = []
    if len(right) < len(true):
        found.append((mart, None, "", "the reference repeats a key", names))
    for each in there.keys() | right.keys():
        row, true_row = there.get(each), right.get(each)
        if row is None or true_row is None:
            found.append((mart, each, "", row, true_row))
            continue
        found += [
            (mart, each, column, row[column], true_row[column])
            for column in (row.keys() & true_row.keys()) - set(names)
            if not _is_equal(row[column], true_row[column])
        ]
    return found


def _missing_columns(mart: str, stored: list[Row], true: list[Row]) -> list[Difference]:
    if not stored or not true:
        return []
    unknown = stored[0].keys() - true[0].keys() - NOT_CHECKED.get(mart, set()) - {"job_name_key"}
    lacking = true[0].keys() - stored[0].keys() - NOT_NEEDED.get(mart, set())
    return [
        *((mart, None, column, "a column that nothing checks", None) for column in sorted(unknown)),
        *((mart, None, column, None, "a column that is not there") for column in sorted(lacking)),
    ]


def _unequal_keys(mart: str, stored: list[Row]) -> list[Difference]:
    """Keys of bounded size that do not stand for exactly what they were made of."""
    found: list[Difference] = []
    for row in stored:
        name = row["job_name"] if "job_name" in row else row.get("name")
        if "job_name_key" in row and row["job_name_key"] != name_key(name):
            found.append((mart, name, "job_name_key", row["job_name_key"], name_key(name)))
    sets = {(_label_set(row), row["labels_key"]) for row in stored if "labels_key" in row}
    if not len({labels for labels, _ in sets}) == len({key for _, key in sets}) == len(sets):
        found.append((mart, None, "labels_key", sets, "one key per set of labels"))
    return found


def _key(row: Row, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(_label_set(row) if name == "labels" else row[name] for name in names)


def _label_set(row: Row) -> tuple[str, ...]:
    """None known is one set, however it is told."""
    return tuple(sorted({label.lower() for label in row["labels"] or []}))


def _is_equal(stored: Any, true: Any) -> bool:
    if isinstance(true, float) and isinstance(stored, float | Decimal):
        return math.isclose(stored, true, rel_tol=1e-9, abs_tol=5e-7 * isinstance(stored, Decimal))
    return bool(stored == true)
