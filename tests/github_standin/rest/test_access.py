"""What a person's token reaches, and what the collector's does."""

import pytest

from github_standin.world.people import Role, User
from tests.github_standin.client import links
from tests.github_standin.schemas import error_validator, validator
from tests.github_standin.world_with_people import WorldWithPeople

pytestmark = pytest.mark.unit

INSTALLATIONS = "/user/installations"
REPOSITORIES = "/user/installations/{installation_id}/repositories"


@pytest.fixture
def github() -> WorldWithPeople:
    return WorldWithPeople(token="collector's")


def reached(github: WorldWithPeople, token: str | None) -> set[str]:
    """Which repositories exist for the one with this token, by name and by id alike."""
    found = set()
    for repository in github.world.repositories.values():
        named = github.ask(token, f"/repos/{repository.full_name}")
        runs = github.ask(token, f"/repositories/{repository.id}/actions/runs")
        assert named.status_code == runs.status_code
        if named.status_code == 200:
            found.add(repository.name)
        else:
            assert named.get_json()["message"] == "Not Found"
    return found


def test_a_person_reaches_what_is_public_and_what_they_and_the_app_reach(
    github: WorldWithPeople,
) -> None:
    assert reached(github, github.token(github.ada)) == {"app", "secret"}
    assert reached(github, github.token(github.ben)) == {"app", "secret"}
    assert reached(github, github.token(github.eve)) == {"app"}
    assert reached(github, "collector's") == {"app", "secret", "hidden"}


def test_a_right_that_is_taken_away_is_gone_at_once(github: WorldWithPeople) -> None:
    token = github.token(github.ben)
    github.people.set_role(github.ben, "octo/secret", "none")
    assert reached(github, token) == {"app"}
    github.world.privatize_repository(github.app)
    assert reached(github, token) == set()


def test_a_suspended_installation_reaches_nothing(github: WorldWithPeople) -> None:
    token = github.token(github.ada)
    github.people.suspend(github.installation)
    assert reached(github, token) == {"app"}
    github.people.unsuspend(github.installation)
    assert reached(github, token) == {"app", "secret"}
    github.people.unchoose(github.installation, github.secret)
    github.people.choose(github.installation, github.hidden)
    assert reached(github, token) == {"app", "hidden"}
    github.people.uninstall(github.installation)
    assert reached(github, token) == {"app"}


def test_an_installation_on_all_reaches_what_the_account_gets_later(
    github: WorldWithPeople,
) -> None:
    github.people.uninstall(github.installation)
    installation = github.people.install("octo")
    github.world.add_repository("octo/new", visibility="private")
    github.world.add_repository("others/own", visibility="private")
    github.people.set_role(github.ada, "octo/new", "triage")
    github.people.set_role(github.ada, "others/own", "admin")
    token = github.token(github.ada)
    assert reached(github, token) == {"app", "secret", "hidden", "new"}
    github.people.unchoose(installation, github.hidden)
    assert reached(github, token) == {"app", "secret", "new"}


def test_a_renamed_repository_is_hidden_under_both_names(github: WorldWithPeople) -> None:
    github.world.rename_repository(github.secret, "octo/moved")
    eve, ben = github.token(github.eve), github.token(github.ben)
    assert github.ask(eve, "/repos/octo/secret").status_code == 404
    assert github.ask(eve, "/repos/octo/moved").status_code == 404
    assert github.ask(ben, "/repos/octo/secret").status_code == 301
    assert github.ask(ben, "/repos/octo/moved").status_code == 200


def test_with_a_configured_token_unknown_ones_and_none_are_refused(github: WorldWithPeople) -> None:
    for wrong in ("ghu_unknown", "ghr_unknown", "something"):
        answer = github.ask(wrong, "/repos/octo/app")
        assert (answer.status_code, answer.get_json()["message"]) == (401, "Bad credentials")
        error_validator().validate(answer.get_json())
    assert github.ask(None, "/repos/octo/app").status_code == 401


def test_where_no_token_is_configured_nobody_counts_as_the_collector_but_no_user_does() -> None:
    github = WorldWithPeople()
    assert reached(github, None) == {"app", "secret", "hidden"}
    assert reached(github, "whatever") == {"app", "secret", "hidden"}
    assert reached(github, github.token(github.eve)) == {"app"}
    assert github.ask("ghu_unknown", "/repos/octo/app").status_code == 401


def test_each_token_has_its_own_answers_limits_and_etags() -> None:
    github = WorldWithPeople(rate_limit=2)
    ada, ben = github.token(github.ada), github.token(github.ben)
    path = "/repos/octo/secret"
    first = github.ask(ada, path)
    assert github.ask(ada, path, If_None_Match=first.headers["ETag"]).status_code == 304
    other = github.ask(ben, path, If_None_Match=first.headers["ETag"])
    assert (other.status_code, other.headers["X-RateLimit-Used"]) == (200, "1")
    assert github.ask(ada, path).headers["X-RateLimit-Remaining"] == "0"
    assert github.ask(ada, path).status_code == 403
    assert github.ask(ben, path).status_code == 200


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("none", {"pull"}),
        ("read", {"pull"}),
        ("triage", {"pull", "triage"}),
        ("write", {"pull", "triage", "push"}),
        ("maintain", {"pull", "triage", "push", "maintain"}),
        ("admin", {"pull", "triage", "push", "maintain", "admin"}),
    ],
)
def test_a_repository_says_what_the_one_who_asks_may_do(
    github: WorldWithPeople, role: Role, may: set[str]
) -> None:
    user = github.people.add_user("cy", {"octo/app": role})
    body = github.ask(github.token(user), "/repos/octo/app").get_json()
    validator("/repos/{owner}/{repo}").validate(body)
    assert {name for name, has in body["permissions"].items() if has} == may


def test_the_collector_pulls_only_unless_it_administers_hooks() -> None:
    for administers in (False, True):
        github = WorldWithPeople(administers_hooks=administers)
        permissions = github.ask(None, "/repos/octo/app").get_json()["permissions"]
        assert (permissions["pull"], permissions["admin"]) == (True, administers)


def test_an_owner_administers_their_repository(github: WorldWithPeople) -> None:
    zoe = github.people.add_user("zoe")
    own = github.world.add_repository("zoe/app", owner=zoe.account, visibility="private")
    github.people.install(zoe.account)
    body = github.ask(github.token(zoe), f"/repos/{own.full_name}").get_json()
    assert body["permissions"]["admin"]


def listed(github: WorldWithPeople, user: User) -> dict[int, list[str]]:
    """What `/user/installations` and its repositories list, checked against the schemas."""
    token = github.token(user)
    body = github.ask(token, INSTALLATIONS).get_json()
    validator(INSTALLATIONS).validate(body)
    found = {}
    for installation in body["installations"]:
        path = REPOSITORIES.format(installation_id=installation["id"])
        repositories = github.ask(token, path).get_json()
        validator(REPOSITORIES).validate(repositories)
        names = [of["name"] for of in repositories["repositories"]]
        assert repositories["total_count"] == len(names)
        found[installation["id"]] = names
    assert body["total_count"] == len(found)
    return found


def test_only_what_a_person_was_given_is_listed_not_what_is_merely_public(
    github: WorldWithPeople,
) -> None:
    number = github.installation.id
    assert listed(github, github.ada) == {number: ["app", "secret"]}
    assert listed(github, github.ben) == {number: ["secret"]}
    assert listed(github, github.eve) == {}
    path = REPOSITORIES.format(installation_id=number)
    assert github.ask(github.token(github.eve), path).status_code == 404
    assert (
        github.ask(github.token(github.ada), REPOSITORIES.format(installation_id=1)).status_code
        == 404
    )


def test_a_listed_repository_says_what_the_person_may_do(github: WorldWithPeople) -> None:
    path = REPOSITORIES.format(installation_id=github.installation.id)
    [row] = github.ask(github.token(github.ben), path).get_json()["repositories"]
    assert (row["id"], row["private"]) == (github.secret.id, True)
    assert row["permissions"] == {
        "admin": False,
        "maintain": False,
        "push": False,
        "triage": False,
        "pull": True,
    }


def test_a_suspended_installation_is_listed_as_such_and_its_repositories_are_refused(
    github: WorldWithPeople,
) -> None:
    github.people.suspend(github.installation)
    token = github.token(github.ada)
    body = github.ask(token, INSTALLATIONS).get_json()
    validator(INSTALLATIONS).validate(body)
    [installation] = body["installations"]
    assert installation["suspended_at"] == "2025-09-08T12:00:00Z"
    path = REPOSITORIES.format(installation_id=installation["id"])
    assert github.ask(token, path).status_code == 403


def test_many_repositories_are_listed_by_pages(github: WorldWithPeople) -> None:
    github.people.uninstall(github.installation)
    installation = github.people.install("octo")
    for number in range(120):
        github.world.add_repository(f"octo/r{number}", visibility="private")
        github.people.set_role(github.eve, f"octo/r{number}", "read")
    token = github.token(github.eve)
    path = f"{REPOSITORIES.format(installation_id=installation.id)}?per_page=100"
    first = github.ask(token, path)
    assert set(links(first)) == {"next", "last"}
    second = github.ask(token, links(first)["next"])
    rows = [*first.get_json()["repositories"], *second.get_json()["repositories"]]
    assert len({row["id"] for row in rows}) == first.get_json()["total_count"] == 120
    assert "next" not in links(second)


def test_installations_are_for_tokens_of_the_app(github: WorldWithPeople) -> None:
    answer = github.ask("collector's", INSTALLATIONS)
    assert answer.status_code == 403
    error_validator().validate(answer.get_json())


def test_a_person_is_shown_to_themselves_and_to_others(github: WorldWithPeople) -> None:
    ada = github.ask(github.token(github.ada), "/user").get_json()
    validator("/user").validate(ada)
    assert (ada["id"], ada["name"]) == (github.ada.account.id, "Ada <3")
    for login, kind in (("ADA", "User"), ("octo", "Organization"), ("github-standin", "User")):
        body = github.ask("collector's", f"/users/{login}").get_json()
        validator("/users/{username}").validate(body)
        assert (body["login"], body["type"]) == (login.lower(), kind)
    assert github.ask("collector's", "/users/nobody").status_code == 404
    assert github.ask("collector's", "/user").get_json()["login"] == "github-standin"
