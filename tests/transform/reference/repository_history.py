"""Visibility and default branch of repositories, by the time at which each was valid."""

from collections.abc import Iterable
from datetime import datetime

from tests.transform.reference.raw import Row
from tests.transform.reference.rows import grouped

VALID = ("visibility", "default_branch")


def repository_history(observations: Iterable[Row], repositories: Iterable[Row]) -> list[Row]:
    """The periods; the first of a repository begins with its creation, where that is known."""
    created = {row["repository_id"]: row["created_at"] for row in repositories}
    periods: list[Row] = []
    for (repository_id,), seen in grouped(observations, "repository_id").items():
        own: list[Row] = []
        for (observed_at,), states in sorted(grouped(seen, "observed_at").items()):
            state = _one_of(states)
            if not own or any(own[-1][name] != value for name, value in state.items()):
                key = {"repository_id": repository_id, "valid_from": observed_at}
                own.append({**key, **state})
        own[0]["valid_from"] = created.get(repository_id) or own[0]["valid_from"]
        periods += own
    return periods


def _one_of(states: list[Row]) -> Row:
    """Of states that are told of one moment always the same one, rather one that tells all."""
    told = [{name: state[name] for name in VALID} for state in states]
    return max(told, key=lambda state: [value or "" for value in state.values()])


class History:
    """What was valid when. The first period reaches back without bound."""

    def __init__(self, periods: Iterable[Row]) -> None:
        self._periods = grouped(periods, "repository_id")

    def visibility(self, repository_id: int, time: datetime) -> str | None:
        """None where nothing is known of the repository."""
        return self._at(repository_id, time).get("visibility")

    def default_branch(self, repository_id: int, time: datetime) -> str | None:
        """None where nothing is known of the repository."""
        return self._at(repository_id, time).get("default_branch")

    def _at(self, repository_id: int, time: datetime) -> Row:
        periods = self._periods.get((repository_id,), [])
        begun = [period for period in periods[1:] if period["valid_from"] <= time]
        return [*periods[:1], *begun][-1] if periods else {}
