"""A delivery as the raw tables keep it: its text is such that PostgreSQL takes it."""

from dataclasses import dataclass
from datetime import datetime

from actionsight.event_buffer import Event
from ingestion.github.rows import clean_text

# GitHub's are 36 characters; what is far longer fits no index.
LONGEST_ID = 200
LONGEST_NAME = 100


@dataclass(frozen=True)
class Delivery:
    """One delivery of one event; `body` is compressed, header names are in lower case."""

    delivery_id: str
    event: str
    received_at: datetime
    headers: dict[str, str]
    body: bytes


def from_event(event: Event) -> Delivery:
    """The delivery that the receiver buffered.

    Headers are not signed and may hold anything: a delivery whose id is no id goes by its place in
    the buffer, which is unique too.
    """
    headers = {clean_text(name): clean_text(str(text)) for name, text in event.headers.items()}
    delivery_id = clean_text(event.delivery_id).strip()
    if not delivery_id or len(delivery_id) > LONGEST_ID:
        delivery_id = f"entry {event.entry_id}"
    name = clean_text(event.name).strip()[:LONGEST_NAME]
    return Delivery(delivery_id, name or "unknown", event.received_at, headers, event.body)
