"""What /workflows answers."""

from api.parameters import Schema
from api.schemas import ID, TEXT, TIME, URL, described, list_of, nullable, one, record
from api.stats.schemas import STATISTICS

_WORKFLOW: dict[str, Schema] = {
    "workflow_id": ID,
    "repository_id": ID,
    "repository_full_name": TEXT,
    "name": TEXT,
    "path": nullable(TEXT),
    "state": described(
        nullable(TEXT), "GitHub's state; null for a workflow that is known by its runs alone."
    ),
    "html_url": nullable(URL),
    "created_at": nullable(TIME),
    "updated_at": nullable(TIME),
    "deleted_at": nullable(TIME),
    "gone_at": described(
        nullable(TIME), "Since when its repository lists it no more; its state was the last seen."
    ),
    "latest_run_id": described(nullable(ID), "The run created last; null: no run is known."),
    "latest_run_attempt": described(nullable(ID), "Its newest attempt."),
    "latest_run_status": nullable(TEXT),
    "latest_run_conclusion": nullable(TEXT),
    "latest_run_event": nullable(TEXT),
    "latest_run_head_branch": nullable(TEXT),
    "latest_run_created_at": nullable(TIME),
    "latest_run_html_url": nullable(URL),
}

WORKFLOWS = list_of(record(_WORKFLOW))
WORKFLOW = one(record({**_WORKFLOW, "statistics": record(STATISTICS)}))
