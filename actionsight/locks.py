"""PostgreSQL's advisory locks: the numbers that all who take them have to agree on.

Any numbers that nobody else takes: "AS", and one each.
"""

# Held for each load by whoever collects: two loads at once would mix their rows.
LOADING_LOCK = 0x4153_0001
# Held for each batch by whoever writes webhooks into the raw tables: a drain, or a replay.
WEBHOOK_LOCK = 0x4153_0002
# Held by a collection as long as it lasts, by the loops that it goes through: their name for
# people, and the number. New runs and open ones are one matter, since one poll does both.
LOOP_LOCKS = {
    "head": ("poll", 0x4153_0003),
    "open": ("poll", 0x4153_0003),
    "sweep": ("sweep", 0x4153_0004),
    "backfill": ("backfill", 0x4153_0005),
}
# Held on Dagster's database by the process of a run as long as it works, with the run's own number.
RUN_LOCK = 0x4153_0006
