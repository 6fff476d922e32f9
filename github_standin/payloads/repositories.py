"""Bodies of accounts and repositories, as GitHub's published schemas want them.

*api* is the address under which the stand-in itself is reached, so that a client that follows an
address in a body comes back to it; pages for people point to github.com.
"""

import base64
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from github_standin.world.model import Account, Repository

Body = dict[str, Any]

WEB = "https://github.com"

_REPOSITORY_PATHS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}

_ACCOUNT_PATHS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}


def timestamp(moment: datetime | None) -> str | None:
    """`2025-09-04T17:25:47Z`, or None."""
    if moment is None:
        return None
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def node_id(kind: str, *parts: int) -> str:
    """An opaque id: the same for the same thing, and of no meaning to a client."""
    text = ":".join((kind, *map(str, parts)))
    return f"{kind}_{base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}"


def account_body(account: Account, api: str) -> Body:
    """Schema `simple-user`."""
    url = f"{api}/users/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("U", account.id),
        "avatar_url": f"https://avatars.githubusercontent.com/u/{account.id}?v=4",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{WEB}/{account.login}",
        **{key: url + path for key, path in _ACCOUNT_PATHS.items()},
        "type": account.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def user_body(account: Account, name: str | None, api: str, created_at: datetime) -> Body:
    """Schema `public-user`."""
    return account_body(account, api) | {
        "name": name,
        "company": None,
        "blog": None,
        "location": None,
        "email": None,
        "hireable": None,
        "bio": None,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": timestamp(created_at),
        "updated_at": timestamp(created_at),
    }


@lru_cache(maxsize=2_048)
def account_json(account: Account, api: str) -> orjson.Fragment:
    """`account_body`, written out."""
    return orjson.Fragment(orjson.dumps(account_body(account, api)))


def organization_body(account: Account, api: str) -> Body:
    """Schema `organization-simple`, as events carry it."""
    url = f"{api}/orgs/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("O", account.id),
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{account.id}?v=4",
        "description": None,
    }


def repository_body(repository: Repository, api: str) -> Body:
    """Schema `minimal-repository`, as it stands within a run."""
    url = f"{api}/repos/{repository.full_name}"
    return {
        "id": repository.id,
        "node_id": node_id("R", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.visibility != "public",
        "owner": account_body(repository.owner, api),
        "html_url": f"{WEB}/{repository.full_name}",
        "description": repository.description,
        "fork": repository.fork,
        "url": url,
        **{key: url + path for key, path in _REPOSITORY_PATHS.items()},
    }


def repository_json(repository: Repository, api: str) -> orjson.Fragment:
    """`repository_body`, written out: every run of a listing holds it, mostly the same one."""
    return _repository_json(_values(repository), api)


_REST_ONLY = ("temp_clone_token", "network_count", "subscribers_count")
_REPOSITORY_FIELDS = tuple(field.name for field in fields(Repository))


def _values(repository: Repository) -> tuple[Any, ...]:
    return tuple(getattr(repository, name) for name in _REPOSITORY_FIELDS)


@lru_cache(maxsize=2_048)
def _repository_json(values: tuple[Any, ...], api: str) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(repository_body(Repository(*values), api)))


def full_repository_body(repository: Repository, api: str, pushed_at: datetime) -> Body:
    """Schema `full-repository`, but for `permissions`: they are of the one who asks."""
    web = f"{WEB}/{repository.full_name}"
    zeros = ("forks", "stargazers", "watchers", "open_issues", "network", "subscribers")
    return repository_body(repository, api) | {
        "git_url": f"git://github.com/{repository.full_name}.git",
        "ssh_url": f"git@github.com:{repository.full_name}.git",
        "clone_url": f"{web}.git",
        "svn_url": web,
        "homepage": None,
        "language": None,
        "license": None,
        "mirror_url": None,
        "size": 0,
        **{f"{name}_count": 0 for name in zeros},
        "forks": 0,
        "open_issues": 0,
        "watchers": 0,
        "default_branch": repository.default_branch,
        "visibility": repository.visibility,
        "archived": repository.archived,
        "disabled": repository.disabled,
        "topics": [],
        "is_template": False,
        "allow_forking": True,
        "web_commit_signoff_required": False,
        "has_issues": True,
        "has_projects": True,
        "has_wiki": False,
        "has_pages": False,
        "has_downloads": True,
        "has_discussions": False,
        "temp_clone_token": None,
        "created_at": timestamp(repository.created_at),
        "updated_at": timestamp(pushed_at),
        "pushed_at": timestamp(pushed_at),
    }


def event_repository_json(repository: Repository, api: str, pushed_at: datetime) -> orjson.Fragment:
    """The repository as events carry it, written out: all events of a run hold the same one."""
    return _event_repository_json(_values(repository), api, pushed_at)


@lru_cache(maxsize=256)
def _event_repository_json(
    values: tuple[Any, ...], api: str, pushed_at: datetime
) -> orjson.Fragment:
    body = full_repository_body(Repository(*values), api, pushed_at)
    shown = {key: value for key, value in body.items() if key not in _REST_ONLY}
    return orjson.Fragment(orjson.dumps(shown | {"custom_properties": {}}))
