"""What /repositories answers."""

from api.schemas import BOOLEAN, COUNT, ID, TEXT, TIME, URL, described, list_of, nullable, record

REPOSITORIES = list_of(
    record(
        {
            "repository_id": ID,
            "full_name": TEXT,
            "visibility": TEXT,
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
)
