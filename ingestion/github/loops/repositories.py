"""Stage 1: which repositories are monitored, what they are called now, and their workflows."""

import logging
from collections.abc import Collection

from ingestion.github import state
from ingestion.github.cycle import Cycle, Tally
from ingestion.github.loading import Batch
from ingestion.github.rest.endpoints import items
from ingestion.github.rest.errors import STOPPING, GitHubError, MissingError
from ingestion.github.rows import UnreadablePayloadError, repository_row, workflow_row
from ingestion.github.schema import REPOSITORIES, WORKFLOWS, Row
from ingestion.github.state import Poll, Repository

logger = logging.getLogger(__name__)

# Also the chunk of one load: enough to make a load's own cost vanish, little enough to hold.
_ROWS_PER_LOAD = 5_000


def resolve(cycle: Cycle, names: Collection[str] | None = None) -> dict[str, str]:
    """Find GitHub's id for selections that have none; give what went wrong, by name.

    Args:
        names: only these; all unresolved ones when None.
    """
    wanted = None if names is None else {name.lower() for name in names}
    refused = {}
    for name in state.unresolved_selections(cycle.connection):
        if wanted is not None and name not in wanted:
            continue
        try:
            row = repository_row(cycle.client.get(f"/repos/{name}").body)
        except (GitHubError, UnreadablePayloadError) as error:
            if isinstance(error, STOPPING):
                raise
            if isinstance(error, MissingError):
                error = GitHubError(f"GitHub has no {name}, or this credential may not read it")
            refused[name] = str(error)
            state.refuse_selection(cycle.connection, name, str(error))
            logger.warning("%s: %s", name, error)
            continue
        state.resolve_selection(
            cycle.connection, name, row["repository_id"], _name(row, name), _visibility(row)
        )
        logger.info("%s: found, GitHub's id is %d", _name(row, name), row["repository_id"])
    return refused


def collect_repositories(cycle: Cycle, tally: Tally) -> None:
    """Resolve selections, then load repository and workflows of every monitored repository."""
    tally.refused = resolve(cycle, cycle.only or None)
    batch = Batch()
    polls: dict[int, Poll] = {}
    for repository in cycle.repositories():
        poll = polls[repository.repository_id] = cycle.poll(repository, "repository")
        poll.load_ids += cycle.healed_load_ids
        with cycle.fetching(repository, poll):
            row = _repository(cycle, repository)
            state.update_repository(
                cycle.connection,
                repository.repository_id,
                _name(row, repository.full_name),
                _visibility(row),
            )
            batch.add(REPOSITORIES, row)
            workflows = [
                workflow_row(payload, repository.repository_id)
                for payload in items(
                    cycle.client,
                    f"/repos/{_name(row, repository.full_name)}/actions/workflows",
                    "workflows",
                )
            ]
            for workflow in workflows:
                batch.add(WORKFLOWS, workflow)
            poll.seen = 1 + len(workflows)
            tally.see(REPOSITORIES.name)
            tally.see(WORKFLOWS.name, len(workflows))
        if len(batch) >= _ROWS_PER_LOAD:
            _load(cycle, batch, polls, tally)
    _load(cycle, batch, polls, tally)


def _load(cycle: Cycle, batch: Batch, polls: dict[int, Poll], tally: Tally) -> None:
    cycle.load("github_repositories", batch, polls, tally)
    for poll in polls.values():
        cycle.finish(poll)
    polls.clear()


def _repository(cycle: Cycle, repository: Repository) -> Row:
    """The row of a monitored repository, wherever it is now.

    Raises:
        MissingError: it is gone, or its name belongs to another one.
    """
    try:
        row = repository_row(cycle.client.get(f"/repos/{repository.full_name}").body)
        if row["repository_id"] == repository.repository_id:
            return row
        # The old name was given to another repository: ask by id for the new name.
        row = repository_row(cycle.client.get(f"/repositories/{repository.repository_id}").body)
    except MissingError:
        state.hide_repository(cycle.connection, repository.repository_id)
        raise
    return row


def _name(row: Row, otherwise: str) -> str:
    return str(row["full_name"] or otherwise)


def _visibility(row: Row) -> str:
    # Unknown is closed.
    return str(row["visibility"] or "private")
