"""What was read in a snapshot of the database, remembered as long as nothing changed there.

PostgreSQL tells in which snapshot a statement reads (`actionsight.database.SNAPSHOT`): two that
read in the same one read the same rows. So what many requests need can be kept under its snapshot
and needs no further look: the first transaction that ends, whatever it wrote, ends the snapshot,
and nothing stale is found.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Of each key the newest value, with its snapshot; safe to share between threads."""

    def __init__(self, most: int) -> None:
        """`most`: so many keys are kept, those that were asked for last."""
        self._most = most
        self._kept: OrderedDict[K, tuple[str, V]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: K, snapshot: str | None) -> V | None:
        """What was kept under this key in this very snapshot."""
        with self._lock:
            found = self._kept.get(key)
            if found is None or found[0] != snapshot:
                return None
            self._kept.move_to_end(key)
            return found[1]

    def keep(self, key: K, snapshot: str | None, value: V) -> None:
        """Keep what was read in a snapshot; nothing where that has no name (None)."""
        if snapshot is None:
            return
        with self._lock:
            self._kept[key] = snapshot, value
            self._kept.move_to_end(key)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
