"""The raw tables that polling fills: columns, keys and indexes, declared once.

A row holds what polling last saw of one object of GitHub. Every column may be null but the keys
and those marked required, since old or partial answers lack fields; `content_hash` stands for all
other columns, so that an unchanged row keeps the id of the load that brought it.

Which of two states of one object is the newer, whenever each of them was seen, is decided by the
same orders in `transform` between polls and webhooks (docs/analysts.md, newest state).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, LiteralString

Kind = Literal["bigint", "text", "bool", "timestamp", "json"]
Row = dict[str, Any]
Order = tuple[Any, ...]

CONTENT_HASH = "content_hash"
LOAD_ID = "_dlt_load_id"
GONE_AT = "gone_at"
DATASET = "raw"
# What says nothing: absent, or a list without items, which travels as text.
NOTHING = (None, "[]")
_STATUS_RANKS = {
    "completed": 5,
    "in_progress": 4,
    "queued": 3,
    "waiting": 2,
    "pending": 2,
    "requested": 1,
}
_EARLIEST = datetime.min.replace(tzinfo=UTC)


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


@dataclass(frozen=True)
class Column:
    """A column; `json` travels as text and is stored as jsonb.

    `is_ours`: no payload has it, collection sets it.
    """

    name: str
    kind: Kind
    is_required: bool = False
    is_ours: bool = False


@dataclass(frozen=True)
class Table:
    """A raw table: its columns without `content_hash` and `_dlt_load_id`, which all have.

    `indexes`: by name, what stands behind the table's name in `create index`. `order` tells which
    of two states of one object is the newer, by `order_columns`; None: the one seen last. Where
    there is an order, all but `state_columns` describe an object and outlast its states.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    indexes: Mapping[str, LiteralString] = field(default_factory=dict, hash=False)
    order: Callable[[Mapping[str, Any]], Order] | None = None
    order_columns: tuple[str, ...] = ()
    state_columns: tuple[str, ...] = ()

    @property
    def payload_columns(self) -> tuple[Column, ...]:
        """The columns that GitHub's payloads fill."""
        return tuple(column for column in self.columns if not column.is_ours)

    def lacks(self, row: Mapping[str, Any]) -> bool:
        """Whether a row says nothing of something that an earlier state may have told."""
        return any(row[name] in NOTHING for name in self._lasting_columns)

    def completed(self, row: Row, earlier: Mapping[str, Any]) -> Row:
        """A state with what only the earlier one says of what describes the object: a fork that
        was deleted has no name any more, but had one.

        The start of a job that has begun is never taken from a state in which it had not.
        """
        described = {
            name: earlier[name]
            for name in self._lasting_columns
            if row[name] in NOTHING and earlier[name] is not None
        }
        if has_begun(row) and not has_begun(earlier):
            described.pop("started_at", None)
        return {**row, **described}

    @cached_property
    def _lasting_columns(self) -> tuple[str, ...]:
        if self.order is None:
            return ()
        return tuple(
            column.name for column in self.payload_columns if column.name not in self.state_columns
        )

    def key_of(self, row: Mapping[str, Any]) -> tuple[int, ...]:
        """The row's key, in the key's order."""
        return tuple(row[name] for name in self.key)


def _columns(kind: Kind, *names: str, is_required: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, kind, is_required) for name in names)


REPOSITORIES = Table(
    "repositories",
    key=("repository_id",),
    columns=(
        *_columns("bigint", "repository_id", is_required=True),
        *_columns("text", "node_id", "full_name", "name"),
        *_columns("bigint", "owner_id"),
        *_columns("text", "owner_login", "owner_type"),
        *_columns("bool", "private"),
        *_columns("text", "visibility", "default_branch"),
        *_columns("bool", "archived", "disabled", "fork"),
        *_columns("text", "html_url"),
        *_columns("timestamp", "created_at"),
    ),
)

WORKFLOWS = Table(
    "workflows",
    # An organisation's ruleset lets many repositories run one workflow under one id.
    key=("workflow_id", "repository_id"),
    columns=(
        *_columns("bigint", "workflow_id", "repository_id", is_required=True),
        *_columns("text", "node_id", "name", "path", "state", "html_url"),
        *_columns("timestamp", "created_at", "updated_at", "deleted_at"),
        Column(GONE_AT, "timestamp", is_ours=True),
    ),
    indexes={"repository": "(repository_id)"},
)

WORKFLOW_RUNS = Table(
    "workflow_runs",
    key=("run_id", "run_attempt"),
    columns=(
        *_columns(
            "bigint", "run_id", "run_attempt", "repository_id", "workflow_id", is_required=True
        ),
        *_columns("bigint", "check_suite_id"),
        *_columns("text", "name", "display_title", "path"),
        *_columns("bigint", "run_number"),
        *_columns("text", "event", "status", "conclusion", "head_branch", "head_sha"),
        *_columns("timestamp", "created_at", "updated_at", "run_started_at"),
        *_columns("bigint", "actor_id"),
        *_columns("text", "actor_login"),
        *_columns("bigint", "triggering_actor_id"),
        *_columns("text", "triggering_actor_login"),
        *_columns("bigint", "head_repository_id"),
        *_columns("text", "head_repository_full_name"),
        *_columns("json", "pull_request_numbers", "referenced_workflow_paths"),
        *_columns("text", "html_url"),
        Column(GONE_AT, "timestamp", is_ours=True),
    ),
    order=run_order,
    order_columns=("status", "conclusion", "updated_at"),
    state_columns=("status", "conclusion", "updated_at"),
    indexes={
        "created": "(repository_id, created_at)",
        # A workflow that its repository does not list is known by its newest run there.
        "workflow": "(repository_id, workflow_id, run_id)",
        # Attempts that have no jobs, as those of them that were listed show.
        "startup_failure": "(repository_id, run_id) where conclusion = 'startup_failure'",
        # What the open loop asks for again: few rows, however long the history.
        "open": (
            "(repository_id) "
            "where status is distinct from 'completed' or conclusion = 'action_required'"
        ),
    },
)

WORKFLOW_JOBS = Table(
    "workflow_jobs",
    key=("job_id",),
    columns=(
        *_columns("bigint", "job_id", "run_id", "run_attempt", "repository_id", is_required=True),
        *_columns("text", "name", "workflow_name", "status", "conclusion"),
        *_columns("timestamp", "created_at", "started_at", "completed_at"),
        *_columns("text", "head_branch", "head_sha"),
        *_columns("json", "labels"),
        *_columns("bigint", "runner_id"),
        *_columns("text", "runner_name"),
        *_columns("bigint", "runner_group_id"),
        *_columns("text", "runner_group_name"),
        *_columns("json", "steps"),
        *_columns("text", "html_url"),
        Column(GONE_AT, "timestamp", is_ours=True),
    ),
    order=job_order,
    order_columns=("status", "completed_at"),
    state_columns=("status", "conclusion", "completed_at", "steps"),
    indexes={
        "run": "(run_id)",
        "repository": "(repository_id)",
        # What retention looks through: few rows but those of the last months.
        "steps": (
            "(completed_at) "
            "where steps != '[]' and (conclusion::text in ('failure', 'timed_out')) is not true"
        ),
    },
)

TABLES = (REPOSITORIES, WORKFLOWS, WORKFLOW_RUNS, WORKFLOW_JOBS)
PIPELINES: dict[str, tuple[Table, ...]] = {
    "github_repositories": (REPOSITORIES, WORKFLOWS),
    "github_runs": (WORKFLOW_RUNS,),
    "github_jobs": (WORKFLOW_JOBS,),
}
