"""What /stats answers."""

from api.pagination import NEXT_SCHEMA
from api.parameters import Schema
from api.schemas import DAY, FILTER, ID, described, nullable, record
from api.schemas import TEXT as TEXT_SCHEMA
from api.stats.metrics import metric_schemas

STATISTICS = metric_schemas()

KEYS: dict[str, Schema] = {
    "repository_id": ID,
    "workflow_id": ID,
    "day": described(DAY, "UTC day on which the run was created."),
    "week": described(DAY, "Monday of the ISO week."),
    "month": described(DAY, "First day of the month."),
    "head_branch": described(nullable(TEXT_SCHEMA), "Null: the runs that have none."),
    "event": nullable(TEXT_SCHEMA),
}

GROUPED = record(
    {
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "description": "The keys that `group_by` names (with a workflow's its repository's)"
                ", and all terms.",
                "properties": {**KEYS, **STATISTICS},
                "required": list(STATISTICS),
                "additionalProperties": False,
            },
        },
        "next": NEXT_SCHEMA,
        "filter": FILTER,
    }
)
