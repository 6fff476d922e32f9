"""Which repositories are monitored, what they are called now, and their workflows."""

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from actionsight.github.errors import CredentialError, GitHubError, MissingError
from actionsight.github.pagination import iter_pages
from actionsight.repositories import (
    follow_repository,
    followed_owners,
    hide_repository,
    refuse_selection,
    reopen_repository,
    resolve_selection,
    save_listed_at,
    unresolved_selections,
    update_repository,
)
from ingestion.github.concurrency import map_concurrently
from ingestion.github.loader import Batch
from ingestion.github.poll import Expected, RepositoryPoll
from ingestion.github.results import Counts
from ingestion.github.rows import UnreadablePayloadError, gone_row, repository_row, workflow_row
from ingestion.github.schema import REPOSITORIES, WORKFLOWS, Row
from ingestion.github.state.etags import Etag, save_etag, stored_etags
from ingestion.github.state.repositories import Repository, save_looked_at, save_states
from ingestion.github.state.workflows import unlisted_workflows
from ingestion.github.sync import Sync

logger = logging.getLogger(__name__)

# Also the chunk of one load: enough to make a load's own cost vanish, little enough to hold.
_ROWS_PER_LOAD = 5_000
# Runs tell of a new name and of new workflows; the rest may wait for so long, but for whether
# everybody may see what is public.
LOOK_EVERY = timedelta(hours=1)


@dataclass
class _Seen:
    """What GitHub says of a repository; None: the same as when its ETag was saved, or not asked.

    `seen_at`: when it said who may see it. `is_whole`: no workflow is missing that it has. `etags`:
    by listing, to be saved when the rows are stored.
    """

    repository: Row | None
    seen_at: datetime
    workflows: list[Row] | None = None
    is_whole: bool = False
    etags: dict[str, Etag] = field(default_factory=dict)


def resolve_selections(sync: Sync, names: Collection[str] | None = None) -> dict[str, str]:
    """Find GitHub's id for selections that have none; give what went wrong, by name.

    Args:
        names: only these; all unresolved ones when None.
    """
    wanted = None if names is None else {name.lower() for name in names}
    unresolved = [
        name
        for name in unresolved_selections(sync.connection, sync.shard.slots)
        if wanted is None or name in wanted
    ]
    refused: dict[str, str] = {}

    def ask(name: str) -> Row:
        client = sync.router.client(name, sync.priority("repository"))
        return repository_row(client.get(f"/repos/{name}").body)

    for name, outcome in map_concurrently(ask, unresolved):
        try:
            row = outcome.result()
        except Expected as error:
            refused[name] = _refuse(sync.connection, name, error)
            continue
        resolve_selection(
            sync.connection,
            name,
            row["repository_id"],
            _name(row, name),
            _visibility(row),
            sync.clock.now(),
        )
        logger.info("%s: found, GitHub's id is %d", _name(row, name), row["repository_id"])
    return refused


def follow_owners(sync: Sync) -> dict[str, str]:
    """Monitor the new repositories of owners of whom all are selected; give what went wrong."""
    refused: dict[str, str] = {}
    before = None if sync.is_watched else sync.clock.now() - LOOK_EVERY
    for owner in followed_owners(sync.connection, before, sync.shard.slots):
        name, began = f"{owner}/*", sync.clock.now()
        try:
            for payload in sync.router.repositories_of(owner, sync.priority("repository")):
                try:
                    row = repository_row(payload)
                except UnreadablePayloadError as error:
                    logger.warning("%s: a repository was left out: %s", name, error)
                    continue
                full_name = _name(row, owner)
                if follow_repository(
                    sync.connection,
                    owner,
                    row["repository_id"],
                    full_name,
                    _visibility(row),
                    began,
                ):
                    logger.info("%s: %s is new", name, full_name)
        except Expected as error:
            refused[name] = _refuse(sync.connection, name, error)
        else:
            save_listed_at(sync.connection, owner, began)
    return refused


def repositories_due(sync: Sync) -> list[Repository]:
    """The repositories that are to be looked at although no run tells of a change."""
    return [
        repository
        for repository in sync.repositories()
        if not sync.has_seen(repository)
        and (
            sync.is_watched
            or repository.looked_at is None
            or repository.unreachable_since is not None
            or repository.is_closed
            or repository.looked_at <= sync.clock.now() - LOOK_EVERY
        )
    ]


def repositories_unconfirmed(sync: Sync) -> list[Repository]:
    """The public repositories of which this sync has not heard yet that they still are."""
    return [
        repository
        for repository in sync.repositories()
        if repository.visibility == "public" and not sync.has_seen(repository)
    ]


def refresh_repositories(
    sync: Sync,
    counts: Counts,
    repositories: Collection[Repository],
    *,
    at_workflows: bool = True,
) -> None:
    """Load these repositories as GitHub shows them now, and their workflows."""
    etags = {
        listing: stored_etags(sync.connection, listing) for listing in ("repository", "workflows")
    }
    batch = Batch()
    polls: dict[int, RepositoryPoll] = {}
    seen: dict[int, _Seen] = {}

    def ask(poll: RepositoryPoll) -> _Seen:
        repository_id = poll.repository.repository_id
        known = {kind: known.get(repository_id) for kind, known in etags.items()}
        found = _ask(poll, known["repository"])
        if at_workflows:
            _ask_workflows(poll, known["workflows"], found)
        return found

    for poll, outcome in map_concurrently(
        ask, [sync.begin(repository, "repository") for repository in repositories]
    ):
        repository_id = poll.repository.repository_id
        polls[repository_id] = poll
        poll.row.load_ids += sync.recovered_load_ids
        try:
            found = outcome.result()
        except MissingError as error:
            hide_repository(sync.connection, repository_id, sync.clock.now())
            poll.fail(error)
            continue
        except Expected as error:
            poll.fail(error)
            continue
        seen[repository_id] = found
        _take(counts, poll, found, batch)
        if len(batch) >= _ROWS_PER_LOAD:
            _load(sync, batch, polls, seen, counts, is_whole=at_workflows)
    _load(sync, batch, polls, seen, counts, is_whole=at_workflows)


def _ask(poll: RepositoryPoll, known: Etag | None) -> _Seen:
    """Ask for a monitored repository, wherever it is now.

    Raises:
        MissingError: it is gone. GitHubError: it could not be had.
    """
    url = poll.path
    etag = _etag(known, url, poll)
    try:
        answer = poll.client.get(url, etag=etag)
        row = None if answer.is_unchanged else repository_row(answer.body)
    except MissingError:
        row = _by_id(poll)
        answer = None
    if row is not None and row["repository_id"] != poll.repository.repository_id:
        # The old name was given to another repository.
        row, answer = _by_id(poll), None
    seen = _Seen(row, poll.clock.now())
    if row is not None and answer is not None and answer.etag is not None:
        seen.etags["repository"] = (url, poll.client.token_key, answer.etag)
    return seen


def _by_id(poll: RepositoryPoll) -> Row:
    return repository_row(poll.client.get(f"/repositories/{poll.repository.repository_id}").body)


def _ask_workflows(poll: RepositoryPoll, known: Etag | None, seen: _Seen) -> None:
    name = poll.repository.full_name
    if seen.repository is not None:
        name = _name(seen.repository, name)
    url = f"/repos/{name}/actions/workflows"
    rows: dict[int, Row] = {}
    pages = iter_pages(poll.client, url, "workflows", etag=_etag(known, url, poll))
    try:
        for number, page in enumerate(pages):
            if page.is_unchanged:
                return
            for payload in page.payloads:
                try:
                    row = workflow_row(payload, poll.repository.repository_id)
                    rows[row["workflow_id"]] = row
                except UnreadablePayloadError as error:
                    poll.leave_out("workflow", payload, error)
            # The ETag of a first page says nothing of a second one.
            if number == 0 and page.etag is not None and not page.has_next:
                seen.etags["workflows"] = (url, poll.client.token_key, page.etag)
            # One that was left out, or that moved between two pages, is none that vanished.
            seen.is_whole = not page.has_next and len(rows) == page.total_count
    except MissingError as error:
        # The repository was there just now: it has no Actions.
        logger.debug("%s: %s", poll.repository.full_name, error)
    seen.workflows = list(rows.values())


def _etag(known: Etag | None, url: str, poll: RepositoryPoll) -> str | None:
    return known[2] if known and known[:2] == (url, poll.client.token_key) else None


def _take(counts: Counts, poll: RepositoryPoll, found: _Seen, batch: Batch) -> None:
    connection, repository_id = poll.connection, poll.repository.repository_id
    if found.repository is None:
        reopen_repository(connection, repository_id, found.seen_at)
    else:
        update_repository(
            connection,
            repository_id,
            _name(found.repository, poll.repository.full_name),
            _visibility(found.repository),
            found.seen_at,
        )
        batch.add(REPOSITORIES, found.repository)
        counts.see(REPOSITORIES.name)
    for workflow in found.workflows or ():
        batch.add(WORKFLOWS, workflow)
    if found.is_whole:
        listed = [workflow["workflow_id"] for workflow in found.workflows or ()]
        for workflow in unlisted_workflows(connection, repository_id, listed):
            batch.add(WORKFLOWS, gone_row(workflow, found.seen_at))
    counts.see(WORKFLOWS.name, len(found.workflows or ()))
    poll.row.seen = (found.repository is not None) + len(found.workflows or ())


def _load(
    sync: Sync,
    batch: Batch,
    polls: dict[int, RepositoryPoll],
    seen: dict[int, _Seen],
    counts: Counts,
    *,
    is_whole: bool,
) -> None:
    kept = sync.loader.load_and_credit("github_repositories", batch, polls, counts)
    save_states(
        sync.connection,
        {of: found.seen_at for of, found in seen.items() if of in kept},
    )
    for repository_id, poll in polls.items():
        if (found := seen.get(repository_id)) and repository_id in kept:
            if is_whole:
                save_looked_at(poll.connection, repository_id, poll.row.started_at)
            for kind, etag in found.etags.items():
                save_etag(poll.connection, repository_id, kind, etag, poll.clock.now())
        poll.finish()
    polls.clear()
    seen.clear()


def _refuse(connection: Connection[Any], name: str, error: Exception) -> str:
    if isinstance(error, MissingError):
        error = GitHubError(f"GitHub has no {name}, or this credential may not read it")
    if not isinstance(error, CredentialError):
        logger.warning("%s: %s", name, error)
    refuse_selection(connection, name, str(error))
    return str(error)


def _name(row: Row, otherwise: str) -> str:
    return str(row["full_name"] or otherwise)


def _visibility(row: Row) -> str:
    # Unknown is closed.
    return str(row["visibility"] or "private")
