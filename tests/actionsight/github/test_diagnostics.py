"""What `actionsight doctor` says of GitHub's credentials."""

import dataclasses
import json
from collections.abc import Sequence

import pytest
from click.testing import CliRunner
from werkzeug.wrappers import Response

from actionsight.findings import Finding
from actionsight.github import diagnostics
from actionsight.github.diagnostics import check
from actionsight.settings import Settings
from github_standin.server.server import Server
from github_standin.world.world import World
from ingestion.github.__main__ import cli
from tests.actionsight.github.conftest import MakeRouter
from tests.actionsight.github.factories import REPOSITORY, TOKEN, Faults

pytestmark = pytest.mark.integration


def findings(
    make_router: MakeRouter, settings: Settings, names: Sequence[str] = (REPOSITORY,)
) -> dict[str, Finding]:
    return {finding.subject: finding for finding in check(make_router(settings), names)}


def limit(**headers: str) -> Response:
    body = {"resources": {"core": {"limit": 60, "remaining": 7, "reset": 1_790_000_000}}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(json.dumps(body), headers=named, content_type="application/json")


def test_a_classic_token_tells_its_scopes_and_its_end(
    make_router: MakeRouter, asked: Settings, faults: Faults
) -> None:
    ends = {"GitHub_Authentication_Token_Expiration": "2026-01-02 00:00:00 UTC"}
    faults.answers = [limit(X_OAuth_Scopes="repo, read:org", **ends)]
    found = findings(make_router, asked)["GitHub"]
    assert found.says == (
        "answers with a classic token (scopes: repo, read:org), which ends on 2026-01-02: make a "
        "new one; 7 of 60 requests left until 14:13 UTC"
    )
    assert found.is_warning


def test_an_enterprise_server_without_limits_says_so(
    make_router: MakeRouter, asked: Settings, faults: Faults
) -> None:
    faults.answers = [Response('{"message": "Rate limiting is not enabled."}', status=404)]
    assert findings(make_router, asked)["GitHub"].says == "answers with a token; its limits are off"


def test_with_a_refused_token_nothing_else_is_asked(
    make_router: MakeRouter, asked: Settings, server: Server
) -> None:
    found = findings(make_router, dataclasses.replace(asked, github_token="ghp_wrong"))
    assert list(found) == ["GitHub"]
    assert "make a new one" in found["GitHub"].says
    assert len(server.requests) == 1


def test_an_app_tells_its_permissions_and_each_installation(
    make_router: MakeRouter, app: Settings, world: World
) -> None:
    world.people.install("octo", ["octo/lib"])
    world.people.suspend(world.people.install("free"))
    world.people.install("hub", permissions={"metadata": "read"})
    names = ["octo/lib", "octo/app", "octo/*"]
    found = findings(make_router, app, names)
    assert "asks as actions-app; permissions" in found["GitHub App"].says
    assert not found["GitHub App"].is_wrong
    octo = found["GitHub App on octo"]
    assert "reads selected repositories; 5,000 of 5,000 requests left" in octo.says
    assert not octo.is_wrong
    assert found["GitHub App on free"].is_warning
    assert "may not read actions: its owner has to accept" in found["GitHub App on hub"].says
    assert found["GitHub App on hub"].is_wrong
    assert found["GitHub reads octo/app"].is_wrong
    assert "the runs of 1 monitored repositories (of 3" in found["GitHub reads"].says


def test_an_app_that_anybody_can_install_is_a_warning(
    make_router: MakeRouter, app: Settings, world: World
) -> None:
    subject = "GitHub App for strangers"
    assert subject not in findings(make_router, app)
    registered = world.people.app
    assert registered is not None
    world.people.app = dataclasses.replace(registered, is_public=True)
    assert findings(make_router, app)[subject].is_warning


def test_an_app_with_a_wrong_key_says_what_to_check(
    make_router: MakeRouter, app: Settings, other_key: str
) -> None:
    found = findings(make_router, dataclasses.replace(app, github_app_private_key=other_key))
    assert list(found) == ["GitHub App"]
    assert "ACTIONSIGHT_GITHUB_APP_PRIVATE_KEY" in found["GitHub App"].says


def test_the_command_prints_a_line_of_json_for_each_finding(
    asked: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in asked.environment().items():
        monkeypatch.setenv(name, value)
    printed = CliRunner().invoke(cli, ["--quiet", "check", REPOSITORY])
    assert printed.exit_code == 0, printed.output
    found = [Finding(**json.loads(line)) for line in printed.output.splitlines()]
    assert [finding.subject for finding in found] == ["GitHub", "GitHub reads"]
    assert TOKEN not in printed.output


def test_a_github_that_takes_its_time_is_not_asked_for_ever(
    make_router: MakeRouter, asked: Settings, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, "MOST_SECONDS", -1)
    found = check(make_router(asked), [REPOSITORY])
    assert "took more than" in next(finding.says for finding in found if finding.is_wrong)
    assert server.paths() == ["/rate_limit"]
