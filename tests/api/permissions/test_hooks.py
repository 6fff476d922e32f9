"""Webhooks that we make and remove at GitHub, as far as the credential may."""

from dataclasses import replace
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from actionsight.settings import Settings
from tests.api.client import app_of
from tests.api.permissions.installation import Caller, Installation, told

pytestmark = pytest.mark.integration

HOOKS = "/repos/octo/spare/hooks"


def test_a_webhook_is_made_once_and_removed_with_the_repository(
    installation: Installation, caller: Caller
) -> None:
    added: Any = caller.add("octo/spare").json
    assert added["webhook"] == {"status": "created", "reason": None}
    (hook,) = installation.hooks()
    assert hook.url == "http://127.0.0.1:8000/webhooks/github"
    assert (hook.events, hook.content_type, hook.active) == (
        ("workflow_run", "workflow_job", "repository"),
        "json",
        True,
    )
    assert hook.secret == "of the webhooks"
    assert installation.connection.execute("select hook_id from app.repositories").fetchall() == [
        (hook.id,)
    ]
    again: Any = caller.add("octo/spare").json
    assert again["webhook"] == {"status": "exists", "reason": None}
    assert len(installation.hooks()) == 1
    assert caller.delete(added["data"]["repository_id"]).status_code == 204
    assert installation.hooks() == []
    assert installation.connection.execute("select hook_id from app.repositories").fetchall() == [
        (None,)
    ]


def test_a_webhook_to_us_that_we_do_not_know_is_adopted_and_no_other(
    installation: Installation, operator: Caller
) -> None:
    """We may have ended between GitHub's 201 and our noting it."""
    repository = installation.world.repository_named("octo/spare")
    assert repository is not None
    mine, other = (
        installation.github._hooks.add(
            repository, {"config": {"url": url, "content_type": "json"}, "events": ["push"]}
        )
        for url in ("http://127.0.0.1:8000/webhooks/github", "http://127.0.0.1:9/other")
    )
    added: Any = operator.add("octo/spare").json
    assert added["webhook"] == {"status": "exists", "reason": None}
    assert installation.connection.execute("select hook_id from app.repositories").fetchall() == [
        (mine.id,)
    ]
    assert operator.delete(added["data"]["repository_id"]).status_code == 204
    assert [hook.id for hook in installation.hooks()] == [other.id]


def test_a_webhook_to_us_that_nobody_noted_is_removed_with_the_repository(
    installation: Installation, operator: Caller
) -> None:
    added: Any = operator.add("octo/spare").json
    installation.connection.execute("update app.repositories set hook_id = null")
    assert operator.delete(added["data"]["repository_id"]).status_code == 204
    assert installation.hooks() == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"github_webhook_secret": ()}, "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET"),
        ({"public_url": "http://actionsight.example"}, "ACTIONSIGHT_PUBLIC_URL"),
    ],
)
def test_without_what_a_webhook_takes_there_is_none_and_a_reason(
    installation: Installation, settings: Settings, changes: dict[str, Any], reason: str
) -> None:
    with app_of(replace(settings, **changes)) as app:
        operator = replace(installation, app=app).with_token(None)
        response = operator.client.post(
            "/repositories",
            json={"full_name": "octo/spare"},
            headers=dict(operator.headers),
            base_url="http://127.0.0.1:8000",
        )
    assert response.status_code == 201, response.text
    assert told(response)["webhook"]["status"] == "not_created"
    assert reason in told(response)["webhook"]["reason"]
    assert HOOKS not in installation.github.paths()


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_where_the_credential_may_not_administer_webhooks_there_is_none_and_a_reason(
    installation: Installation, caller: Caller, status: int
) -> None:
    def refuses(request: Request) -> Response | None:
        is_hook = request.path == HOOKS
        return Response('{"message": "no"}', status) if is_hook else None

    installation.github.fault = refuses
    response = caller.add("octo/spare")
    assert response.status_code == 201
    assert told(response)["webhook"]["status"] == "not_created"
    assert "GitHub" in told(response)["webhook"]["reason"]


@pytest.mark.parametrize("status", [403, 404, 500])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_webhook_that_cannot_be_removed_is_kept_in_mind_and_keeps_nobody_from_removing(
    installation: Installation, caller: Caller, status: int, method: str
) -> None:
    """A 404 says that it is gone, or that the credential may not see it any more."""
    added: Any = caller.add("octo/spare").json

    def refuses(request: Request) -> Response | None:
        is_hook = request.path.startswith(HOOKS) and request.method == method
        return Response('{"message": "no"}', status) if is_hook else None

    installation.github.fault = refuses
    assert caller.delete(added["data"]["repository_id"]).status_code == 204
    assert caller.visible() == set()
    (kept,) = installation.connection.execute("select hook_id is not null from app.repositories")
    assert kept == (True,)


def test_a_webhook_that_a_person_removed_at_github_is_forgotten(
    installation: Installation, caller: Caller
) -> None:
    added: Any = caller.add("octo/spare").json
    (hook,) = installation.hooks()
    installation.github._hooks.remove(hook)
    assert caller.delete(added["data"]["repository_id"]).status_code == 204
    assert installation.connection.execute("select hook_id from app.repositories").fetchall() == [
        (None,)
    ]
