"""Rows on their way into PostgreSQL: gathered, compared with what is stored, and loaded by dlt.

Families of loops load one after the other.
"""

from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from actionsight.locks import LOADING_LOCK, keeping
from actionsight.shards import Shard
from ingestion.github.poll import RepositoryPoll
from ingestion.github.results import Counts
from ingestion.github.schema import CONTENT_HASH, PIPELINES, TABLES, Row, Table
from ingestion.github.state.raw_rows import (
    changed_by_load,
    complete_loads,
    has_incomplete_loads,
    stored_rows,
    stored_states,
)
from ingestion.github.state.repositories import save_newest_observation, still_monitored

if TYPE_CHECKING:
    from ingestion.github.pipeline import Pipelines


class WouldLoadError(Exception):
    """There is something to load, and who asked wanted to know just that: nothing was loaded."""


class Batch:
    """Rows to load together, one per key: of two states of one object the newer stays, with what
    only the other one tells."""

    def __init__(self) -> None:
        self._rows: dict[Table, dict[tuple[int, ...], Row]] = {}

    def add(self, table: Table, row: Row) -> bool:
        """Take a row; False when its key was there already."""
        rows = self._rows.setdefault(table, {})
        key = table.key_of(row)
        known = rows.get(key)
        if known is None or table.order is None:
            rows[key] = row
        elif table.order(row) >= table.order(known):
            rows[key] = table.completed(row, known)
        else:
            rows[key] = table.completed(known, row)
        return known is None

    def repository_ids(self) -> set[int]:
        """Whose rows these are."""
        return {row["repository_id"] for rows in self._rows.values() for row in rows.values()}

    def keep(self, repository_ids: Collection[int]) -> None:
        """Drop the rows of all other repositories."""
        for table, rows in self._rows.items():
            self._rows[table] = {
                key: row for key, row in rows.items() if row["repository_id"] in repository_ids
            }

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def clear(self) -> None:
        """Forget all rows."""
        self._rows.clear()

    def of(self, table: Table) -> list[Row]:
        """The rows of one table."""
        return list(self._rows.get(table, {}).values())

    def items(self) -> Iterable[tuple[Table, Mapping[tuple[int, ...], Row]]]:
        """The rows by key, table by table."""
        return self._rows.items()


class Loader:
    """Loads batches.

    Args:
        shard: whose rows these are, and no others.
        family: of the loops that load; with the shard it says which pipelines do.
        only_looks: raise WouldLoadError in place of loading.
    """

    def __init__(
        self,
        connection: Connection[Any],
        database_url: str,
        folder: Path,
        shard: Shard,
        family: str,
        *,
        only_looks: bool = False,
    ) -> None:
        self._connection = connection
        self._database_url = database_url
        self._folder = folder
        self._shard = shard
        self._place = shard.place(family)
        self.only_looks = only_looks

    @contextmanager
    def lock(self) -> Generator[None]:
        """Hold the lock of those who load, which is waited for."""
        with keeping(self._database_url) as locks:
            locks.execute("select pg_advisory_xact_lock(%s)", [LOADING_LOCK])
            yield

    def load(self, pipeline_name: str, batch: Batch) -> str | None:
        """Load what is newer than the stored rows; give dlt's load id, None when nothing is.

        What describes an object and is missing now stays as it was told before.

        Another loop may have stored a later state of an object while this one's was on its way.

        Raises:
            LoadError: PostgreSQL refused; nothing is lost, since no cursor moves before its rows
                are in.
            WouldLoadError: something is newer, and this loader only looks.
        """
        changed: dict[Table, list[Row]] = {}
        for table, rows in batch.items():
            states = stored_states(self._connection, table, rows) if rows else {}
            newer = {
                key: row for key, row in rows.items() if _is_newer(table, row, states.get(key))
            }
            if newer:
                changed[table] = self._completed(table, newer, states)
        return self.load_rows(pipeline_name, changed) if changed else None

    def _completed(
        self,
        table: Table,
        rows: Mapping[tuple[int, ...], Row],
        states: Collection[tuple[int, ...]],
    ) -> list[Row]:
        lacking = [key for key, row in rows.items() if key in states and table.lacks(row)]
        earlier = stored_rows(self._connection, table, lacking) if lacking else {}
        return [
            table.completed(row, earlier[key]) if key in earlier else row
            for key, row in rows.items()
        ]

    def load_rows(self, pipeline_name: str, rows: Mapping[Table, Iterable[Row]]) -> str:
        """Load these rows, even if there are none, and give dlt's load id.

        Raises:
            LoadError: PostgreSQL refused.
            WouldLoadError: this loader only looks.
        """
        return self._pipelines.load(pipeline_name, rows)

    def complete_loads(self, seen_at: datetime) -> list[str]:
        """Complete the loads of which a killed process had stored something; give their ids.

        What is stored of them is built as that of any load; the rest is asked for again.

        Args:
            seen_at: when what they brought to their repositories counts as seen.
        """
        if not has_incomplete_loads(self._connection):
            return []
        # Who holds it knows that the others are nobody's any more.
        with self.lock():
            load_ids = complete_loads(self._connection)
        for load_id in load_ids:
            for table in TABLES:
                for repository_id in changed_by_load(self._connection, table, load_id):
                    save_newest_observation(self._connection, repository_id, seen_at)
        return load_ids

    def load_and_credit(
        self, pipeline_name: str, batch: Batch, polls: Mapping[int, RepositoryPoll], counts: Counts
    ) -> set[int]:
        """Load and empty a batch; credit what changed to the polls of its repositories.

        Rows of a repository that was removed meanwhile are dropped: it may have been purged, or,
        where its owner is another now, be another shard's. Gives those that are still monitored
        here, of which alone it may be said that their rows are stored.

        Raises:
            LoadError, WouldLoadError: as `load` does.
        """
        with self.lock():
            kept = still_monitored(
                self._connection, polls.keys() | batch.repository_ids(), self._shard.slots
            )
            batch.keep(kept)
            load_id = self.load(pipeline_name, batch)
        batch.clear()
        if load_id is not None:
            self._credit(pipeline_name, load_id, polls, counts)
        return kept

    def _credit(
        self, pipeline_name: str, load_id: str, polls: Mapping[int, RepositoryPoll], counts: Counts
    ) -> None:
        counts.load_ids.append(load_id)
        for table in PIPELINES[pipeline_name]:
            changed = changed_by_load(self._connection, table, load_id)
            total = sum(changed.values())
            counts.rows_changed[table.name] = counts.rows_changed.get(table.name, 0) + total
            for repository_id, count in changed.items():
                if poll := polls.get(repository_id):
                    poll.row.changed += count
                    save_newest_observation(self._connection, repository_id, poll.row.started_at)
                    if load_id not in poll.row.load_ids:
                        poll.row.load_ids.append(load_id)

    @cached_property
    def _pipelines(self) -> "Pipelines":
        if self.only_looks:
            raise WouldLoadError
        # dlt takes a second to import, and many polls find nothing to load.
        from ingestion.github.pipeline import Pipelines

        return Pipelines(self._database_url, self._folder, self._place)


def _is_newer(table: Table, row: Row, known: Mapping[str, Any] | None) -> bool:
    if known is None:
        return True
    if row[CONTENT_HASH] == known[CONTENT_HASH]:
        return False
    return table.order is None or table.order(row) >= table.order(known)
