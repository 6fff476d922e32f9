"""What a client may ask of a listing of runs: `created` ranges, and the other filters."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from github_standin.world.model import Run, attempt_state
from github_standin.world.world import World

SEARCH_LIMIT = 1_000
"""No filtered listing of runs reaches beyond this many rows; `total_count` still tells the true
number."""

FILTERS = ("actor", "branch", "check_suite_id", "created", "event", "head_sha", "status")

STATUSES = frozenset(
    {"completed", "in_progress", "pending", "queued", "requested", "waiting"}
    | {"action_required", "cancelled", "failure", "neutral", "skipped", "stale", "success"}
    | {"timed_out"}
)
"""What the `status` filter accepts: `startup_failure` is not among it."""

_DATE_ONLY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?")
_SECOND = timedelta(seconds=1)


class InvalidQueryError(ValueError):
    """A parameter has a value that GitHub refuses (422)."""


def created_range(text: str) -> tuple[datetime | None, datetime | None]:
    """The bounds of a `created` filter, both inclusive, to the second; None: unbounded.

    `A..B`, `*..B`, `A..*`, `>=A`, `>A`, `<=B`, `<B`, or one date or time. A date means its whole
    day, a time without an offset is UTC. Raises `InvalidQueryError`.
    """
    if ".." in text:
        low, _, high = text.partition("..")
        return (
            None if low == "*" else _first(low),
            None if high == "*" else _last(high),
        )
    for operator in (">=", "<=", ">", "<"):
        if text.startswith(operator):
            value = text.removeprefix(operator)
            if operator == ">=":
                return _first(value), None
            if operator == "<=":
                return None, _last(value)
            if operator == ">":
                return _last(value) + _SECOND, None
            return None, _first(value) - _SECOND
    return _first(text), _last(text)


def matching_runs(
    world: World,
    repository_id: int,
    query: Mapping[str, str],
    now: datetime,
    workflow_id: int | None = None,
) -> list[Run]:
    """The runs of a listing, newest first. Raises `InvalidQueryError`."""
    since, until = created_range(query["created"]) if query.get("created") else (None, None)
    status = query.get("status")
    if status and status not in STATUSES:
        raise InvalidQueryError(f"status: {status} is not accepted")
    runs = world.runs_newest_first(repository_id, since, until)
    if workflow_id is not None:
        runs = [run for run in runs if run.workflow_id == workflow_id]
    for name, field in _FIELDS.items():
        if query.get(name):
            runs = [run for run in runs if field(run) == query[name]]
    if status:
        states = ((run, attempt_state(run.attempts_at(now)[-1], now)) for run in runs)
        runs = [run for run, state in states if status in (state.status, state.conclusion)]
    return runs


def is_filtered(query: Mapping[str, str]) -> bool:
    """Whether the listing is a search, which stops at `SEARCH_LIMIT`."""
    return any(query.get(name) for name in FILTERS)


_FIELDS: Mapping[str, Callable[[Run], str | None]] = {
    "actor": lambda run: run.actor.login,
    "branch": lambda run: run.head_branch,
    "check_suite_id": lambda run: str(run.check_suite_id),
    "event": lambda run: run.event,
    "head_sha": lambda run: run.head_sha,
}


def _first(text: str) -> datetime:
    if _DATE_ONLY.fullmatch(text) or _MOMENT.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise InvalidQueryError(f"created: {text} is not a date")


def _last(text: str) -> datetime:
    moment = _first(text)
    return moment + timedelta(days=1) - _SECOND if _DATE_ONLY.fullmatch(text) else moment
