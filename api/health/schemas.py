"""What /readyz answers."""

from api.schemas import COUNT, TIME, described, nullable, record

READINESS = record(
    {
        "status": {"const": "ready"},
        "as_of": described(
            nullable(TIME),
            "Up to when the numbers of all monitored repositories can be trusted; null: not known.",
        ),
        "newest_observation_at": described(
            nullable(TIME),
            "When something new was last seen of any of them, by a webhook or a poll; null: never.",
        ),
        "event_buffer": described(
            record(
                {
                    "status": {"enum": ["ok", "unavailable", "not_configured"]},
                    "event_count": described(
                        nullable(COUNT), "Webhooks that wait to be drained; null unless `ok`."
                    ),
                    "oldest_event_age_seconds": described(
                        nullable({"type": "number", "minimum": 0}),
                        "How long the first of them has waited; null when none does.",
                    ),
                }
            ),
            "The buffer of received webhooks.",
        ),
    }
)
