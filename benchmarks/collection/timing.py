"""Where the time of a collection goes: stopwatches around functions of other modules."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any


class Stopwatches:
    """Seconds and calls by label; time that threads spend at once is added up."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def put_on(self, owner: type, name: str, label: Callable[..., str] | str) -> None:
        """Time every call of a method from now on.

        Args:
            label: what to count it under; or what makes that of the arguments.
        """
        method = getattr(owner, name)

        @wraps(method)
        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*arguments, **options)
            finally:
                seconds = time.perf_counter() - began
                key = label if isinstance(label, str) else label(*arguments, **options)
                with self._lock:
                    self.seconds[key] += seconds
                    self.calls[key] += 1

        setattr(owner, name, timed)

    def slowest(self) -> list[tuple[str, float]]:
        """Labels and seconds, the most first."""
        return sorted(self.seconds.items(), key=lambda each: each[1], reverse=True)
