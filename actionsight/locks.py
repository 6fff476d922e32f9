"""PostgreSQL's advisory locks: the numbers that all who take them have to agree on.

Any numbers that nobody else takes: "AS", and one each.
"""

# Held by whoever collects: two collections would mix their rows.
COLLECTION_LOCK = 0x4153_0001
# Held for each batch by whoever writes webhooks into the raw tables: a drain, or a replay.
WEBHOOK_LOCK = 0x4153_0002
