"""PostgreSQL, two Redis-compatible servers and the stand-in GitHub, for one machine.

They are used only where no address is configured. A server lives as long as somebody holds it:
several commands may share one, the last to leave ends it, and one that outlived a killed command
is adopted by the next.
"""

from actionsight.local.postgresql import PostgresqlServer
from actionsight.local.server import EmbeddedServer, EmbeddedServerError, free_port
from actionsight.local.sharing import hold
from actionsight.local.standin import DemoSettings, StandinServer, standin_status
from actionsight.local.valkey import ValkeyServer

__all__ = [
    "DemoSettings",
    "EmbeddedServer",
    "EmbeddedServerError",
    "PostgresqlServer",
    "StandinServer",
    "ValkeyServer",
    "free_port",
    "hold",
    "standin_status",
]
