"""GET and POST /repositories, GET /repositories/available, DELETE /repositories/{repository_id}."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request
from pydantic import Field

from actionsight.github.errors import RefusedError
from actionsight.repositories import save_hook
from api.auth.access import current_principal
from api.auth.authentication import Principal
from api.bodies import read_json
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.collector import current_collector
from api.current import current_settings
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.errors import Problem, not_found, text_for_answer
from api.filters import DEFAULT_DAYS, OfRepositories, Range, read_range, visible_repositories
from api.freshness import read_freshness
from api.github import MANAGING, Installed, Repository
from api.pagination import Page, PageParameters, read_page
from api.parameters import Parameters, YesOrNo
from api.records import list_of
from api.repositories.github import (
    as_collector,
    installed_for,
    is_installed_owner,
    repository_as_seen_by,
)
from api.repositories.hooks import Hook, ensure_hook, remove_hooks
from api.repositories.purges import RequestedPurge, check_operator, request_purge
from api.repositories.queries import (
    MonitoredRepository,
    add_repository,
    find_repository,
    is_selected_owner,
    list_health,
    list_repositories,
    monitored_ids,
    read_as_built,
    remove_repository,
)
from api.repositories.records import (
    AddedRepository,
    AvailableRepositories,
    CollectionHealth,
    NewRepository,
)
from api.repositories.records import Repository as RepositoryRecord
from api.responses import (
    JSON,
    Body,
    body_response,
    json_response,
    list_body,
    tag_of,
    tagged_response,
    to_json,
)

blueprint = Blueprint("repositories", __name__)

_AWAY = "GitHub cannot be asked, or the database is away."


class RepositoriesQuery(PageParameters, OfRepositories):
    """What GET /repositories may be asked."""


class HealthQuery(PageParameters, Range):
    """What GET /repositories/{repository_id}/health may be asked."""


class RemovalQuery(Parameters):
    """What DELETE /repositories/{repository_id} may be asked."""

    purge: YesOrNo = Field(
        False,
        description="Whether all its data is to be deleted, too, which is answered by 202; for "
        "operators.",
    )


@blueprint.get("/repositories")
@endpoint(
    "Monitored repositories, how far their collection has come, and what troubles it.",
    tag="repositories",
    query=RepositoriesQuery,
    answer=list_of(RepositoryRecord),
    is_list=True,
)
def get_repositories(query: RepositoriesQuery) -> Response:
    """In the order of their names."""
    principal, asked = current_principal(), query.repository

    def read(connection: Connection, is_built: bool) -> tuple[Any, ...]:
        repository_ids = visible_repositories(connection, principal, asked)
        applied: dict[str, Any] = {"repository": list(repository_ids)} if asked else {}
        page = read_page(query, "/repositories", applied)
        rows = list_repositories(connection, repository_ids, page, is_built=is_built)
        return page, rows, applied, read_freshness(connection, repository_ids)

    page, rows, applied, freshness = read_as_built(read)
    shown, token = page.cut(rows, lambda row: (row["full_name"].lower(), row["repository_id"]))
    # It tells how collection is doing, which changes with every poll: not worth caching.
    body = list_body(shown, token, applied=applied)
    return tagged_response(tag_of(body), body, freshness)


@blueprint.get("/repositories/<id:repository_id>")
@endpoint(
    "One monitored repository, how far its collection has come, and its webhook.",
    tag="repositories",
    answer=AddedRepository,
)
def get_repository(repository_id: int) -> Response:
    """As in the list; `webhook` says whether GitHub tells of its runs as they happen."""
    with current_database().snapshot() as connection:
        repository_ids = visible_repositories(connection, current_principal(), (repository_id,))
        known = find_repository(connection, repository_id)
        freshness = read_freshness(connection, repository_ids)
    if known is None:
        raise not_found(f"Repository {repository_id}")
    body = Body(to_json(_shown(repository_ids, known.full_name, _as_it_is(known))))
    return tagged_response(tag_of(body), body, freshness)


@blueprint.get("/repositories/<id:repository_id>/health")
@endpoint(
    "How a repository was observed, by day.",
    tag="repositories",
    query=HealthQuery,
    answer=list_of(CollectionHealth),
    is_list=True,
)
def get_collection_health(query: HealthQuery, repository_id: int) -> Response:
    """What webhooks, polls or both saw of its attempts and jobs, and what polls corrected. A day
    without anything is not there."""
    route = "/repositories/{repository_id}/health"
    with current_database().reading("collection_health_by_day") as connection:
        repository_ids = visible_repositories(connection, current_principal(), (repository_id,))
        values: dict[str, Any] = {}
        applied: dict[str, Any] = {}
        read_range(query, values, applied, DEFAULT_DAYS)
        page = read_page(query, route, {"repository_id": repository_id, **applied})
        key = CacheKey(route, applied, repository_ids, page)

        def compute() -> Body:
            rows = list_health(connection, repository_id, values, page)
            shown, token = page.cut_by_keys(rows)
            return list_body(shown, token, applied=applied)

        return cached_response(connection, key, compute)


@blueprint.get("/repositories/available")
@endpoint(
    "Repositories that the viewer may add to what is monitored.",
    tag="repositories",
    query=PageParameters,
    answer=AvailableRepositories,
    is_list=True,
    has_freshness=False,
    failures={HTTPStatus.SERVICE_UNAVAILABLE: _AWAY},
)
def get_available(query: PageParameters) -> Response:
    """Those that the App reaches, that are not monitored yet, and that the viewer administers or
    maintains; operators may add any. In the order of their names. A token of the command line is
    nobody at GitHub, so it has no list; it may add whatever the collector can read."""
    settings, principal = current_settings(), current_principal()
    page = read_page(query, "/repositories/available", {})
    installed = _installed(principal)
    with current_database().writing() as connection:
        monitored = monitored_ids(connection)
    decided = {
        each.repository_id: each
        for each in installed.repositories
        if principal.is_operator or each.role in MANAGING
    }
    removable = monitored if principal.is_operator else monitored & decided.keys()
    found = sorted(
        (each.full_name.lower(), each.repository_id, each)
        for each in decided.values()
        if each.repository_id not in monitored
    )
    rest = [each for *key, each in found if page.after is None or tuple(key) > page.after]
    shown, token = page.cut(
        [each._asdict() for each in rest[: page.limit + 1]],
        lambda row: (row["full_name"].lower(), row["repository_id"]),
    )
    slug = installed.app_slug
    path = f"/apps/{slug}/installations/new" if slug else "/settings/installations"
    return body_response(
        list_body(
            shown,
            token,
            applied={},
            install_url=settings.github_url + path,
            removable_ids=sorted(removable),
        )
    )


@blueprint.post("/repositories")
@endpoint(
    "Monitors a repository from now on.",
    tag="repositories",
    body={JSON: NewRepository},
    answer=AddedRepository,
    status=HTTPStatus.CREATED,
    other_status=HTTPStatus.OK,
    has_freshness=False,
    failures={
        HTTPStatus.BAD_REQUEST: "The body is no JSON with a `full_name` of the form `owner/name`.",
        HTTPStatus.FORBIDDEN: "GitHub shows the repository to the viewer, who neither administers "
        "nor maintains it, or it belongs to an owner that only operators may add; or what protects "
        "writes by cookie is missing; or the owner of the token has to sign in again.",
        HTTPStatus.NOT_FOUND: "GitHub shows the viewer no such repository.",
        HTTPStatus.CONFLICT: "The collector's credential cannot read the repository.",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not JSON.",
        HTTPStatus.SERVICE_UNAVAILABLE: _AWAY,
    },
)
def post_repository() -> Response:
    """GitHub is asked at once whether the viewer administers or maintains it; operators may add
    whatever the collector can read. Its collection begins within seconds. A 200 instead of a 201:
    it was monitored already. `webhook` says whether GitHub tells of its runs as they happen."""
    principal = current_principal()
    full_name = read_json(request, NewRepository).full_name
    repository = repository_as_seen_by(principal, full_name)
    if repository is None:
        raise Problem(
            HTTPStatus.NOT_FOUND, f"GitHub shows you no repository {text_for_answer(full_name)}."
        )
    with current_database().writing() as connection:
        known = find_repository(connection, repository.repository_id)
    is_known = known is not None and known.is_monitored
    if not principal.is_operator and repository.role not in MANAGING:
        if known and is_known and known.repository_id in principal.repository_ids:
            return _added(repository, _as_it_is(known), HTTPStatus.OK)
        raise _not_managing(repository.full_name)
    if not is_known:
        _check_owner(principal, repository)
        _check_collector(principal, repository)
        with current_database().writing() as connection:
            add_repository(connection, principal, repository)
    hook = ensure_hook(current_settings(), current_collector(), repository.full_name)
    if hook.hook_id is not None:
        with current_database().writing() as connection:
            save_hook(connection, repository.repository_id, hook.hook_id)
    return _added(repository, hook, HTTPStatus.OK if is_known else HTTPStatus.CREATED)


@blueprint.delete("/repositories/<id:repository_id>")
@endpoint(
    "Monitors a repository no longer.",
    tag="repositories",
    query=RemovalQuery,
    answer=RequestedPurge,
    status=HTTPStatus.ACCEPTED,
    other_status=HTTPStatus.NO_CONTENT,
    has_freshness=False,
    failures={
        HTTPStatus.FORBIDDEN: "The viewer neither administers nor maintains the repository, or is "
        "no operator and asks for `purge`; or what protects writes by cookie is missing; or the "
        "owner of the token has to sign in again.",
        HTTPStatus.CONFLICT: "It was added again at this moment.",
        HTTPStatus.SERVICE_UNAVAILABLE: _AWAY,
    },
)
def delete_repository(query: RemovalQuery, repository_id: int) -> Response:
    """Who may add it may remove it. Its collection stops, our webhook there is removed, and no
    answer shows it any more: a 204. Its data stays until an operator has it deleted, with `purge`
    (a 202) or later by `DELETE /repositories/{repository_id}/data`."""
    principal, purges = current_principal(), query.purge
    if purges:
        check_operator(principal, repository_id)
    known = _find(principal, repository_id, purges)
    _check_managing(principal, known)
    if known.is_monitored:
        with current_database().writing() as connection:
            remove_repository(connection, principal, known)
    is_clean = remove_hooks(current_settings(), current_collector(), known.full_name, known.hook_id)
    if known.hook_id is not None and is_clean:
        with current_database().writing() as connection:
            save_hook(connection, known.repository_id, None)
    if purges:
        return request_purge(principal, known)
    return Response(status=HTTPStatus.NO_CONTENT)


def _installed(principal: Principal) -> Installed:
    if principal.user_id is None:
        return Installed([], None)
    try:
        return installed_for(principal)
    except RefusedError:
        return Installed([], None)


def _added(repository: Repository, hook: Hook, status: HTTPStatus) -> Response:
    body = _shown((repository.repository_id,), repository.full_name, hook, of_primary=True)
    response = json_response(body, status.value)
    response.headers["Location"] = f"/repositories/{repository.repository_id}"
    return response


def _shown(
    repository_ids: tuple[int, ...], full_name: str, hook: Hook, *, of_primary: bool = False
) -> dict[str, Any]:
    rows = read_as_built(
        lambda connection, is_built: list_repositories(
            connection, repository_ids, Page(limit=1, after=None, query=b""), is_built=is_built
        ),
        of_primary=of_primary,
    )
    if not rows:
        raise not_found(f"Repository {full_name}")  # removed again meanwhile
    return {"data": rows[0], "webhook": {"status": hook.status, "reason": hook.reason}}


def _as_it_is(known: MonitoredRepository) -> Hook:
    if known.hook_id is not None:
        return Hook("exists")
    return Hook("not_created", "Whoever administers or maintains it can ask for one.")


def _check_owner(principal: Principal, repository: Repository) -> None:
    """Strangers must not have their own repositories collected at the installation's cost."""
    if principal.is_operator:
        return
    owner = repository.full_name.partition("/")[0]
    with current_database().writing() as connection:
        if is_selected_owner(connection, owner):
            return
    if not is_installed_owner(principal, owner):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"No repository of {owner} is followed here, and the GitHub App is not installed "
            "there. Install it, or ask an operator to add the repository.",
        )


def _check_collector(principal: Principal, repository: Repository) -> None:
    if principal.is_operator:
        return  # asked as the collector already
    read = as_collector(repository.full_name)
    if read is None or read.repository_id != repository.repository_id:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"The collector cannot read {repository.full_name}: its credential needs Metadata and "
            "Actions, read-only, there.",
        )


def _find(principal: Principal, repository_id: int, purges: bool) -> MonitoredRepository:
    with current_database().writing() as connection:
        known = find_repository(connection, repository_id)
    if known is None or not (purges or repository_id in principal.repository_ids):
        raise not_found(f"Repository {repository_id}")
    return known


def _check_managing(principal: Principal, known: MonitoredRepository) -> None:
    if principal.is_operator:
        return
    repository = repository_as_seen_by(principal, known.full_name)
    if repository is None or repository.repository_id != known.repository_id:
        raise not_found(f"Repository {known.repository_id}")
    if repository.role not in MANAGING:
        raise _not_managing(known.full_name)


def _not_managing(full_name: str) -> Problem:
    return Problem(
        HTTPStatus.FORBIDDEN,
        f"Only who administers or maintains {full_name} at GitHub may decide whether it is "
        "monitored.",
    )
