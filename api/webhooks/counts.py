"""What this process has received, counted: accepted by event, refused by reason."""

import threading
from collections import Counter
from enum import Enum

# The events that mean something here. Any other name is counted as `OTHER`, since the signature
# does not cover the name: nobody shall be able to make up counters.
EVENTS = frozenset(
    {
        "check_run",
        "github_app_authorization",
        "installation",
        "installation_repositories",
        "installation_target",
        "meta",
        "ping",
        "repository",
        "workflow_job",
        "workflow_run",
    }
)
OTHER = "other"


class Reason(Enum):
    """Why a delivery was refused."""

    NOT_CONFIGURED = "not_configured"
    LENGTH_MISSING = "length_missing"
    TOO_LARGE = "too_large"
    LENGTH_WRONG = "length_wrong"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_WRONG = "signature_wrong"
    HEADERS_UNUSABLE = "headers_unusable"
    BUFFER_UNAVAILABLE = "buffer_unavailable"


class Counts:
    """Counters since the process began; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accepted: Counter[str] = Counter()
        self._refused: Counter[Reason] = Counter()

    def accept(self, event: str) -> None:
        """Count a buffered delivery."""
        with self._lock:
            self._accepted[event if event in EVENTS else OTHER] += 1

    def refuse(self, reason: Reason) -> None:
        """Count a refused delivery."""
        with self._lock:
            self._refused[reason] += 1

    def accepted(self) -> dict[str, int]:
        """Buffered deliveries by event."""
        with self._lock:
            return dict(self._accepted)

    def refused(self) -> dict[str, int]:
        """Refused deliveries by reason."""
        with self._lock:
            return {reason.value: count for reason, count in self._refused.items()}
