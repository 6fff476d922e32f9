"""What /repositories answers."""

from api.pagination import NEXT_SCHEMA
from api.parameters import Schema
from api.schemas import BOOLEAN, COUNT, ID, TEXT, TIME, URL, described, list_of, nullable, record

STATES = ("waiting", "collecting", "collected", "trouble")

_REPOSITORY = record(
    {
        "repository_id": ID,
        "full_name": TEXT,
        "visibility": TEXT,
        "state": {
            "type": "string",
            "enum": list(STATES),
            "description": "How its collection does: it waits for its first one, that one is under "
            "way, it has been collected, or `trouble` says why it fails.",
        },
        "default_branch": nullable(TEXT),
        "is_archived": {**BOOLEAN, "type": ["boolean", "null"]},
        "html_url": nullable(URL),
        "workflow_count": COUNT,
        "run_count": COUNT,
        "jobs_listed": described(COUNT, "Jobs as listed under all attempts."),
        "added_at": TIME,
        "backfilled_from": described(
            nullable(TIME), "The history of runs is complete from here on; null: not yet known."
        ),
        "observed_until": described(
            nullable(TIME), "Up to when its numbers can be trusted; null: not yet known."
        ),
        "newest_observation_at": described(
            nullable(TIME),
            "When something new was last seen of it, by a webhook or a poll; null: not yet.",
        ),
        "trouble": described(nullable(TEXT), "Why its collection fails; null: it is well."),
        "trouble_since": nullable(TIME),
    }
)

REPOSITORIES = list_of(_REPOSITORY)

ADDED = record(
    {
        "data": _REPOSITORY,
        "webhook": record(
            {
                "status": {"type": "string", "enum": ["created", "exists", "not_created"]},
                "reason": described(nullable(TEXT), "Why there is none; null: there is one."),
            }
        ),
    }
)

AVAILABLE = record(
    {
        "data": {
            "type": "array",
            "items": record(
                {
                    "repository_id": ID,
                    "full_name": TEXT,
                    "visibility": TEXT,
                    "html_url": nullable(URL),
                    "role": described(TEXT, "What the viewer may do there, by GitHub's names."),
                }
            ),
        },
        "next": NEXT_SCHEMA,
        "install_url": described(
            URL, "Where the App is given more repositories, so that they appear here."
        ),
    }
)

NAME: Schema = {
    "type": "object",
    "properties": {
        "full_name": {
            "type": "string",
            "description": "`owner/name`, in any case.",
            "examples": ["octocat/hello-world"],
        }
    },
    "required": ["full_name"],
    "additionalProperties": False,
}
