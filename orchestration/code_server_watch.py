"""How often Dagster's webserver and daemon ask whether the code server is still the same."""

from dagster._grpc import server_watcher

# Ours changes when it is started anew, which takes it longer than that; Dagster's own second is a
# constant, and each time costs both sides.
SECONDS = 5


def watch_every_few_seconds() -> None:
    """Let this process ask so often, from its next workspace on."""
    server_watcher.WATCH_INTERVAL = SECONDS  # pyrefly: ignore[bad-assignment]
