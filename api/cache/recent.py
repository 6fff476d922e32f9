"""Values of the cache that this process met a moment ago, as far as they fit into its megabytes."""

import threading
from collections import OrderedDict

MOST_BYTES = 16 * 1024 * 1024
# One that is larger would push many out.
LARGEST_BYTES = MOST_BYTES // 16


class Recent:
    """By key those that were asked for last; safe to share between threads. A key names all that
    its value depends on, so that none is ever another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def find(self, key: str) -> bytes | None:
        """The value of a key."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def keep(self, key: str, value: bytes) -> None:
        """Keep a value, and let go of others for it."""
        if len(value) > LARGEST_BYTES:
            return
        with self._lock:
            if key in self._values:
                return
            self._values[key] = value
            self._bytes += len(value)
            while self._bytes > MOST_BYTES:
                _, oldest = self._values.popitem(last=False)
                self._bytes -= len(oldest)
