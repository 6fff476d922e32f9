"""What the receiver took and refused, counted by event and by reason."""

from enum import Enum

from prometheus_client import CollectorRegistry, Counter

from actionsight.webhook_events import COUNTED_EVENTS

# Any event of another name is counted as this, since the signature does not cover the name: nobody
# shall be able to make up counters.
OTHER = "other"


class RefusalReason(Enum):
    """Why a delivery was refused."""

    NOT_CONFIGURED = "not_configured"
    LENGTH_MISSING = "length_missing"
    TOO_LARGE = "too_large"
    LENGTH_WRONG = "length_wrong"
    CONTENT_TYPE_WRONG = "content_type_wrong"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_WRONG = "signature_wrong"
    HEADERS_UNUSABLE = "headers_unusable"
    BUSY = "busy"
    BUFFER_UNAVAILABLE = "buffer_unavailable"
    BUFFER_FULL = "buffer_full"
    DISK_FULL = "disk_full"


class WebhookCounters:
    """Two counters in a registry, each there from the start, so that a first one is an increase."""

    def __init__(self, registry: CollectorRegistry) -> None:
        accepted = Counter(
            "actionsight_webhook_deliveries",
            "Deliveries of GitHub that were accepted and buffered. Where none comes although "
            "workflows run, look at the webhook's recent deliveries at GitHub.",
            ("event",),
            registry=registry,
        )
        refused = Counter(
            "actionsight_webhook_refusals",
            "Deliveries that were refused. signature_wrong: the secret at GitHub is another one; "
            "busy: too many bodies come too slowly; buffer_unavailable: Redis is away; "
            "buffer_full: nothing drains it, or ACTIONSIGHT_EVENT_BUFFER_MB is too little; "
            "disk_full: see ACTIONSIGHT_DISK_GB.",
            ("reason",),
            registry=registry,
        )
        self._accepted = {
            event: accepted.labels(event) for event in sorted({*COUNTED_EVENTS, OTHER})
        }
        self._refused = {reason: refused.labels(reason.value) for reason in RefusalReason}

    def accept(self, event: str) -> None:
        """Count a buffered delivery."""
        self._accepted.get(event, self._accepted[OTHER]).inc()

    def refuse(self, reason: RefusalReason) -> None:
        """Count a refused delivery."""
        self._refused[reason].inc()
