"""What a stage of a sync did: counted while it works, told when it is done."""

from dataclasses import dataclass, field

from actionsight.github.rate_limit.models import RateLimitState


@dataclass
class Counts:
    """A stage's counts while it works."""

    rows_seen: dict[str, int] = field(default_factory=dict)
    rows_changed: dict[str, int] = field(default_factory=dict)
    load_ids: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def see(self, table_name: str, count: int = 1) -> None:
        """Count rows that GitHub gave."""
        self.rows_seen[table_name] = self.rows_seen.get(table_name, 0) + count


@dataclass(frozen=True)
class StageResult:
    """What a stage did: counts by table, dlt's load ids, requests, GitHub's limits as last seen.

    `versions`: the load that changed each raw table last, in this sync or before. `troubles`: by
    repository, what the sync has met so far. `refused`: selections that GitHub does not know.
    """

    rows_seen: dict[str, int]
    rows_changed: dict[str, int]
    load_ids: tuple[str, ...]
    versions: dict[str, str | None]
    request_count: int
    unchanged_count: int
    rate_limits: tuple[RateLimitState, ...]
    troubles: dict[str, str]
    refused: dict[str, str]
