"""A client of the Dagster webserver's GraphQL: what `actionsight up` asks it."""

from typing import Any

import requests

from actionsight import loopback

LOCATION = "actionsight"

_LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError { __typename ... on PythonError { message } } } } } }
"""
_DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { required healthy } } } }"


class DagsterClient:
    """The webserver of this machine."""

    def __init__(self, port: int, host: str = loopback.HOST) -> None:
        self.url = loopback.root_of(host, port)

    def location_is_loaded(self) -> bool:
        """Whether the webserver serves and has loaded our code location."""
        answer = self._ask(_LOCATIONS)
        entries = answer.get("workspaceOrError", {}).get("locationEntries", [])
        return any(
            entry["name"] == LOCATION
            and (entry["locationOrLoadError"] or {}).get("__typename") == "RepositoryLocation"
            for entry in entries
        )

    def daemons_are_healthy(self) -> bool:
        """Whether every daemon that this installation needs has sent a heartbeat."""
        statuses = (
            self._ask(_DAEMONS).get("instance", {}).get("daemonHealth", {}).get("allDaemonStatuses")
        )
        return bool(statuses) and all(s["healthy"] for s in statuses if s["required"])

    def _ask(self, query: str) -> dict[str, Any]:
        try:
            answer = loopback.post(
                f"{self.url}/graphql",
                json={"query": query},
                headers=loopback.OUR_NAME,
                timeout=20,
            )
            data: dict[str, Any] | None = answer.json().get("data")
        except requests.RequestException:
            return {}
        return data or {}
