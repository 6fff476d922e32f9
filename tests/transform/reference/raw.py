"""What the marts are computed from."""

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass
class Raw:
    """Rows of the raw tables, each with all columns of its table.

    Attributes:
        attempts: observations of runs' attempts; those of webhooks have a `delivery_id`.
        jobs: observations of jobs, likewise.
    """

    attempts: list[Row] = field(default_factory=list)
    jobs: list[Row] = field(default_factory=list)
    repositories: list[Row] = field(default_factory=list)
    workflows: list[Row] = field(default_factory=list)
    repository_history: list[Row] = field(default_factory=list)
    runner_prices: list[Row] = field(default_factory=list)
    runner_labels: list[Row] = field(default_factory=list)
    polls: list[Row] = field(default_factory=list)
