"""A GitHub App is the collector's only credential: whoever may add a repository still can."""

from dataclasses import replace
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from actionsight.settings import Settings
from github_standin.world.people import APP_ID, User
from github_standin.world.world import World
from tests.api.permissions.installation import (
    ODD_INSTALLATIONS,
    OPERATOR_ID,
    ROOT,
    Caller,
    Installation,
    answering,
    told,
)
from tests.github_standin.keys import keys

pytestmark = pytest.mark.integration

CREATED = {"status": "created", "reason": None}
INSTALLATIONS = "/app/installations"


@pytest.fixture
def world(world: World) -> World:
    """Its App signs; and there is a public repository where it is not installed."""
    app = world.people.app
    assert app is not None
    world.people.app = replace(app, public_key=keys()[1])
    world.add_repository("acme/library", visibility="public")
    return world


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(
        settings,
        github_token=None,
        github_app_id=str(APP_ID),
        github_app_private_key=keys()[0],
    )


@pytest.fixture(params=["maintainer", "maintainer's token", "operator", "command line"])
def who(request: pytest.FixtureRequest, installation: Installation) -> Caller:
    if request.param == "command line":
        return installation.with_token(None)
    roles = {"octo/spare": "maintain", "octo/open": "admin"}
    is_operator = request.param == "operator"
    user = installation.person(
        "who", {} if is_operator else roles, OPERATOR_ID if is_operator else None
    )
    caller = installation.signed_in(user)
    return installation.with_token(user) if request.param.endswith("token") else caller


def test_who_may_adds_and_removes_what_is_private_and_public_with_a_webhook(
    installation: Installation, who: Caller
) -> None:
    for name in ("octo/spare", "octo/open"):
        added = who.add(name)
        assert added.status_code == 201, added.text
        assert told(added)["webhook"] == CREATED
        repository_id = installation.identity(name)
        assert who.visible() == {repository_id}
        assert who.delete(repository_id).status_code == 204
        assert installation.github._hooks.of(installation.world.repositories[repository_id]) == []


def test_an_operator_adds_a_public_repository_where_the_app_is_not_installed(
    installation: Installation, operator: Caller
) -> None:
    added = operator.add("acme/library")
    assert (added.status_code, told(added)["webhook"]["status"]) == (201, "not_created")


def test_what_the_app_does_not_reach_is_not_added(
    installation: Installation, operator: Caller, caller: Caller
) -> None:
    installation.world.people.unchoose(
        installation.organisation,
        installation.world.repositories[installation.identity("octo/spare")],
    )
    assert operator.add("octo/spare").status_code == 404
    assert caller.add("octo/spare").status_code == 404
    installation.world.people.uninstall(installation.organisation)
    installation.app.extensions["collector"]._router._cached_until = float("-inf")
    assert operator.add("octo/open").status_code == 404, "nobody could collect it"


def test_an_installation_without_an_owner_is_passed_over(
    installation: Installation, operator: Caller
) -> None:
    installation.github.fault = answering(
        installation, INSTALLATIONS, lambda body: body.extend(ODD_INSTALLATIONS)
    )
    assert operator.add("octo/spare").status_code == 201


def test_a_token_that_ended_early_is_renewed_and_one_that_lives_is_kept(
    installation: Installation, operator: Caller
) -> None:
    made = f"{INSTALLATIONS}/{installation.organisation.id}/access_tokens"
    assert operator.add("octo/spare").status_code == 201
    assert operator.add("octo/open").status_code == 201
    assert (installation.asked(made), installation.asked(INSTALLATIONS)) == (1, 1)
    installation.world.people.expire_installation_tokens(installation.organisation)
    assert operator.add("octo/closed").status_code == 201
    assert installation.asked(made) == 2


def test_where_the_app_delivers_itself_no_webhook_is_made_and_the_answer_says_so(
    installation: Installation, operator: Caller
) -> None:
    app = installation.world.people.app
    assert app is not None
    installation.world.people.app = replace(app, webhook_url=f"{ROOT}/webhooks/github")
    webhook = told(operator.add("octo/spare"))["webhook"]
    assert webhook == {"status": "exists", "reason": "The GitHub App delivers by its own webhook."}
    assert installation.hooks() == []
    elsewhere = told(operator.add("acme/library"))["webhook"]
    assert elsewhere["status"] == "not_created", "the App is not installed there"


@pytest.mark.parametrize("status", [401, 500])
def test_an_app_that_github_refuses_or_that_cannot_be_asked_is_a_503(
    installation: Installation, caller: Caller, ada: User, status: int
) -> None:
    def refuses(request: Request) -> Response | None:
        is_app = request.path.startswith("/app/")
        return Response('{"message": "no"}', status) if is_app else None

    installation.github.fault = refuses
    answer: Any = caller.add("octo/spare")
    assert answer.status_code == 503
    assert installation.selections() == {}
