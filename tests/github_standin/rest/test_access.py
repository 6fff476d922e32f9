"""What a person's token reaches, and what the collector's does."""

import pytest

from github_standin.world.people import Role, User
from tests.github_standin.client import links
from tests.github_standin.schemas import error_validator, validator
from tests.github_standin.world_with_people import Peopled

pytestmark = pytest.mark.unit

INSTALLATIONS = "/user/installations"
REPOSITORIES = "/user/installations/{installation_id}/repositories"


@pytest.fixture
def peopled() -> Peopled:
    return Peopled(token="collector's")


def reached(peopled: Peopled, token: str | None) -> set[str]:
    """Which repositories exist for the one with this token, by name and by id alike."""
    found = set()
    for repository in peopled.world.repositories.values():
        named = peopled.ask(token, f"/repos/{repository.full_name}")
        runs = peopled.ask(token, f"/repositories/{repository.id}/actions/runs")
        assert named.status_code == runs.status_code
        if named.status_code == 200:
            found.add(repository.name)
        else:
            assert named.get_json()["message"] == "Not Found"
    return found


def test_a_person_reaches_what_is_public_and_what_they_and_the_app_reach(peopled: Peopled) -> None:
    assert reached(peopled, peopled.token(peopled.ada)) == {"app", "secret"}
    assert reached(peopled, peopled.token(peopled.ben)) == {"app", "secret"}
    assert reached(peopled, peopled.token(peopled.eve)) == {"app"}
    assert reached(peopled, "collector's") == {"app", "secret", "hidden"}


def test_a_right_that_is_taken_away_is_gone_at_once(peopled: Peopled) -> None:
    token = peopled.token(peopled.ben)
    peopled.people.set_role(peopled.ben, "octo/secret", "none")
    assert reached(peopled, token) == {"app"}
    peopled.world.privatize_repository(peopled.app)
    assert reached(peopled, token) == set()


def test_a_suspended_installation_reaches_nothing(peopled: Peopled) -> None:
    token = peopled.token(peopled.ada)
    peopled.people.suspend(peopled.installation)
    assert reached(peopled, token) == {"app"}
    peopled.people.unsuspend(peopled.installation)
    assert reached(peopled, token) == {"app", "secret"}
    peopled.people.unchoose(peopled.installation, peopled.secret)
    peopled.people.choose(peopled.installation, peopled.hidden)
    assert reached(peopled, token) == {"app", "hidden"}
    peopled.people.uninstall(peopled.installation)
    assert reached(peopled, token) == {"app"}


def test_an_installation_on_all_reaches_what_the_account_gets_later(peopled: Peopled) -> None:
    peopled.people.uninstall(peopled.installation)
    installation = peopled.people.install("octo")
    peopled.world.add_repository("octo/new", visibility="private")
    peopled.world.add_repository("others/own", visibility="private")
    peopled.people.set_role(peopled.ada, "octo/new", "triage")
    peopled.people.set_role(peopled.ada, "others/own", "admin")
    token = peopled.token(peopled.ada)
    assert reached(peopled, token) == {"app", "secret", "hidden", "new"}
    peopled.people.unchoose(installation, peopled.hidden)
    assert reached(peopled, token) == {"app", "secret", "new"}


def test_a_renamed_repository_is_hidden_under_both_names(peopled: Peopled) -> None:
    peopled.world.rename_repository(peopled.secret, "octo/moved")
    eve, ben = peopled.token(peopled.eve), peopled.token(peopled.ben)
    assert peopled.ask(eve, "/repos/octo/secret").status_code == 404
    assert peopled.ask(eve, "/repos/octo/moved").status_code == 404
    assert peopled.ask(ben, "/repos/octo/secret").status_code == 301
    assert peopled.ask(ben, "/repos/octo/moved").status_code == 200


def test_with_a_configured_token_unknown_ones_and_none_are_refused(peopled: Peopled) -> None:
    for wrong in ("ghu_unknown", "ghr_unknown", "something"):
        answer = peopled.ask(wrong, "/repos/octo/app")
        assert (answer.status_code, answer.get_json()["message"]) == (401, "Bad credentials")
        error_validator().validate(answer.get_json())
    assert peopled.ask(None, "/repos/octo/app").status_code == 401


def test_where_no_token_is_configured_nobody_counts_as_the_collector_but_no_user_does() -> None:
    peopled = Peopled()
    assert reached(peopled, None) == {"app", "secret", "hidden"}
    assert reached(peopled, "whatever") == {"app", "secret", "hidden"}
    assert reached(peopled, peopled.token(peopled.eve)) == {"app"}
    assert peopled.ask("ghu_unknown", "/repos/octo/app").status_code == 401


def test_each_token_has_its_own_answers_limits_and_etags() -> None:
    peopled = Peopled(rate_limit=2)
    ada, ben = peopled.token(peopled.ada), peopled.token(peopled.ben)
    path = "/repos/octo/secret"
    first = peopled.ask(ada, path)
    assert peopled.ask(ada, path, If_None_Match=first.headers["ETag"]).status_code == 304
    other = peopled.ask(ben, path, If_None_Match=first.headers["ETag"])
    assert (other.status_code, other.headers["X-RateLimit-Used"]) == (200, "1")
    assert peopled.ask(ada, path).headers["X-RateLimit-Remaining"] == "0"
    assert peopled.ask(ada, path).status_code == 403
    assert peopled.ask(ben, path).status_code == 200


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
    peopled: Peopled, role: Role, may: set[str]
) -> None:
    user = peopled.people.add_user("cy", {"octo/app": role})
    body = peopled.ask(peopled.token(user), "/repos/octo/app").get_json()
    validator("/repos/{owner}/{repo}").validate(body)
    assert {name for name, has in body["permissions"].items() if has} == may


def test_the_collector_pulls_only_unless_it_administers_hooks() -> None:
    for administers in (False, True):
        peopled = Peopled(administers_hooks=administers)
        permissions = peopled.ask(None, "/repos/octo/app").get_json()["permissions"]
        assert (permissions["pull"], permissions["admin"]) == (True, administers)


def test_an_owner_administers_their_repository(peopled: Peopled) -> None:
    zoe = peopled.people.add_user("zoe")
    own = peopled.world.add_repository("zoe/app", owner=zoe.account, visibility="private")
    peopled.people.install(zoe.account)
    body = peopled.ask(peopled.token(zoe), f"/repos/{own.full_name}").get_json()
    assert body["permissions"]["admin"]


def listed(peopled: Peopled, user: User) -> dict[int, list[str]]:
    """What `/user/installations` and its repositories list, checked against the schemas."""
    token = peopled.token(user)
    body = peopled.ask(token, INSTALLATIONS).get_json()
    validator(INSTALLATIONS).validate(body)
    found = {}
    for installation in body["installations"]:
        path = REPOSITORIES.format(installation_id=installation["id"])
        repositories = peopled.ask(token, path).get_json()
        validator(REPOSITORIES).validate(repositories)
        names = [of["name"] for of in repositories["repositories"]]
        assert repositories["total_count"] == len(names)
        found[installation["id"]] = names
    assert body["total_count"] == len(found)
    return found


def test_only_what_a_person_was_given_is_listed_not_what_is_merely_public(
    peopled: Peopled,
) -> None:
    number = peopled.installation.id
    assert listed(peopled, peopled.ada) == {number: ["app", "secret"]}
    assert listed(peopled, peopled.ben) == {number: ["secret"]}
    assert listed(peopled, peopled.eve) == {}
    path = REPOSITORIES.format(installation_id=number)
    assert peopled.ask(peopled.token(peopled.eve), path).status_code == 404
    assert (
        peopled.ask(peopled.token(peopled.ada), REPOSITORIES.format(installation_id=1)).status_code
        == 404
    )


def test_a_listed_repository_says_what_the_person_may_do(peopled: Peopled) -> None:
    path = REPOSITORIES.format(installation_id=peopled.installation.id)
    [row] = peopled.ask(peopled.token(peopled.ben), path).get_json()["repositories"]
    assert (row["id"], row["private"]) == (peopled.secret.id, True)
    assert row["permissions"] == {
        "admin": False,
        "maintain": False,
        "push": False,
        "triage": False,
        "pull": True,
    }


def test_a_suspended_installation_is_listed_as_such_and_its_repositories_are_refused(
    peopled: Peopled,
) -> None:
    peopled.people.suspend(peopled.installation)
    token = peopled.token(peopled.ada)
    body = peopled.ask(token, INSTALLATIONS).get_json()
    validator(INSTALLATIONS).validate(body)
    [installation] = body["installations"]
    assert installation["suspended_at"] == "2025-09-08T12:00:00Z"
    path = REPOSITORIES.format(installation_id=installation["id"])
    assert peopled.ask(token, path).status_code == 403


def test_many_repositories_are_listed_by_pages(peopled: Peopled) -> None:
    peopled.people.uninstall(peopled.installation)
    installation = peopled.people.install("octo")
    for number in range(120):
        peopled.world.add_repository(f"octo/r{number}", visibility="private")
        peopled.people.set_role(peopled.eve, f"octo/r{number}", "read")
    token = peopled.token(peopled.eve)
    path = f"{REPOSITORIES.format(installation_id=installation.id)}?per_page=100"
    first = peopled.ask(token, path)
    assert set(links(first)) == {"next", "last"}
    second = peopled.ask(token, links(first)["next"])
    rows = [*first.get_json()["repositories"], *second.get_json()["repositories"]]
    assert len({row["id"] for row in rows}) == first.get_json()["total_count"] == 120
    assert "next" not in links(second)


def test_installations_are_for_tokens_of_the_app(peopled: Peopled) -> None:
    answer = peopled.ask("collector's", INSTALLATIONS)
    assert answer.status_code == 403
    error_validator().validate(answer.get_json())


def test_a_person_is_shown_to_themselves_and_to_others(peopled: Peopled) -> None:
    ada = peopled.ask(peopled.token(peopled.ada), "/user").get_json()
    validator("/user").validate(ada)
    assert (ada["id"], ada["name"]) == (peopled.ada.account.id, "Ada <3")
    for login, kind in (("ADA", "User"), ("octo", "Organization"), ("github-standin", "User")):
        body = peopled.ask("collector's", f"/users/{login}").get_json()
        validator("/users/{username}").validate(body)
        assert (body["login"], body["type"]) == (login.lower(), kind)
    assert peopled.ask("collector's", "/users/nobody").status_code == 404
    assert peopled.ask("collector's", "/user").get_json()["login"] == "github-standin"
