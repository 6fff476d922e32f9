"""Payloads of webhook events, as GitHub's published schemas want them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from github_standin.payloads.actions import job_body, run_body, workflow_body
from github_standin.payloads.hooks import hook_body
from github_standin.payloads.people import app_event_body
from github_standin.payloads.repositories import (
    Body,
    account_body,
    account_json,
    event_repository_json,
    node_id,
    organization_body,
)
from github_standin.world.hooks import HookSettings
from github_standin.world.model import Account, Change, Repository, account
from github_standin.world.timeline import (
    AppEvent,
    Event,
    JobEvent,
    RepositoryEvent,
    RunEvent,
)
from github_standin.world.world import World


def event_body(world: World, event: Event, api: str) -> Body:
    """The payload of *event*, as the world stood when it happened."""
    if isinstance(event, RepositoryEvent):
        return _change_body(world, event, api)
    if isinstance(event, AppEvent):
        return app_event_body(event.change, world.people.app, api)
    run, attempt, moment = event.run, event.attempt, event.moment
    later = [change for change in world.changes if change.moment > moment]
    repository = _as_it_was(world.repositories[run.repository_id], later)
    common = _envelope(repository, attempt.triggering_actor, run.created_at, api)
    if isinstance(event, RunEvent):
        if run.head_repository is not None and run.head_repository.id == repository.id:
            run = replace(run, head_repository=repository)
        workflow = world.workflows.get(run.workflow_id)
        return {
            "action": event.action,
            "workflow_run": run_body(run, attempt, repository, api, moment),
            "workflow": workflow and workflow_body(workflow, repository, api),
            **common,
        }
    return {"action": event.action, "workflow_job": _job(event, repository, api), **common}


def ping_body(hook: HookSettings, repository: Repository, api: str) -> Body:
    """The payload that a new hook of *repository* gets first."""
    body = hook_body(hook, repository, api)
    common = _envelope(repository, account("octocat"), repository.created_at, api)
    return {"zen": "Keep it logically awesome.", "hook_id": hook.id, "hook": body, **common}


def _job(event: JobEvent, repository: Repository, api: str) -> Body:
    return job_body(
        event.job,
        event.run,
        event.attempt,
        repository,
        api,
        event.moment,
        event.state,
    )


def _change_body(world: World, event: RepositoryEvent, api: str) -> Body:
    change = event.change
    later = [other for other in world.changes if other.number > change.number]
    repository = _as_it_was(world.repositories[change.repository_id], later)
    body: Body = {"action": change.action}
    if change.action == "renamed":
        name = change.before["full_name"].partition("/")[2]
        body["changes"] = {"repository": {"name": {"from": name}}}
    if change.action == "transferred":
        body["changes"] = {"owner": {"from": _owner(change.before["owner"], api)}}
    if change.action == "edited":
        body["changes"] = {"default_branch": {"from": change.before["default_branch"]}}
    return body | _envelope(repository, account("octocat"), change.moment, api)


def _owner(owner: Account, api: str) -> Body:
    if owner.type == "Organization":
        return {"organization": organization_body(owner, api)}
    return {"user": account_body(owner, api)}


def _as_it_was(repository: Repository, later: Iterable[Change]) -> Repository:
    """*repository* before the changes *later*, which are in the order in which they were made."""
    first: dict[str, Any] = {}
    for change in later:
        if change.repository_id == repository.id:
            first = {**change.before, **first}
    return replace(repository, **first) if first else repository


def _envelope(repository: Repository, sender: Account, pushed_at: datetime, api: str) -> Body:
    envelope: Body = {"repository": event_repository_json(repository, api, pushed_at)}
    if repository.owner.type == "Organization":
        envelope["organization"] = organization_body(repository.owner, api)
    return envelope | {"sender": account_json(sender, api)}


def installation_body(installation_id: int) -> Body:
    """What the payload of an App's hook tells of the installation."""
    return {"id": installation_id, "node_id": node_id("MDIz", installation_id)}
