"""What `actionsight up` asks of the Dagster webserver, over its GraphQL address."""

from typing import Any

import requests

from actionsight import loopback

LOCATION = "actionsight"
_REPOSITORY = "__repository__"

_LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError { __typename ... on PythonError { message } } } } } }
"""
_DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { required healthy } } } }"
_LAUNCH = """
mutation ($selector: JobOrPipelineSelector!) {
  launchRun(executionParams: {selector: $selector, runConfigData: {}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""


class DagsterPages:
    """The webserver on loopback at `port`."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{loopback.HOST}:{port}"

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

    def launch(self, job_name: str) -> str | None:
        """Ask for a run of a job; gives its id, or None when Dagster refuses."""
        selector = {
            "repositoryLocationName": LOCATION,
            "repositoryName": _REPOSITORY,
            "jobName": job_name,
        }
        launched = self._ask(_LAUNCH, selector=selector).get("launchRun", {})
        run_id: str | None = launched.get("run", {}).get("runId")
        return run_id

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        try:
            answer = loopback.post(
                f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=20
            )
            data: dict[str, Any] | None = answer.json().get("data")
        except requests.RequestException:
            return {}
        return data or {}
