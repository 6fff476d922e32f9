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
                    "status": described(
                        {"enum": ["ok", "full", "unavailable", "not_configured"]},
                        "`full`: webhooks are refused until a drain has made room.",
                    ),
                    "event_count": described(
                        nullable(COUNT),
                        "Webhooks that wait to be drained; null unless `ok` or `full`.",
                    ),
                    "oldest_event_age_seconds": described(
                        nullable({"type": "number", "minimum": 0}),
                        "How long the first of them has waited; null when none does.",
                    ),
                    "memory_bytes": described(
                        nullable(COUNT), "Memory that its Redis uses; null: not known."
                    ),
                    "memory_limit_bytes": described(
                        nullable(COUNT),
                        "Memory that it may use; at 90 % of it webhooks are refused. null: as much "
                        "as there is.",
                    ),
                }
            ),
            "The buffer of received webhooks.",
        ),
    }
)
