"""Hooks that clients make in a repository: who may, how they are shown, and that they send."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from github_standin.server.server import Server, serving
from github_standin.webhooks.deliveries import signatures
from github_standin.world.model import make_job
from github_standin.world.world import World
from tests.github_standin.client import MONDAY, Clock, links
from tests.github_standin.receiver import Receiver, receiving
from tests.github_standin.schemas import error_validator, payload_validator, validator
from tests.github_standin.world_with_people import WorldWithPeople

pytestmark = pytest.mark.unit

HOOKS = "/repos/{owner}/{repo}/hooks"
ONE = f"{HOOKS}/{{hook_id}}"
DELIVERIES = f"{ONE}/deliveries"
URL = "http://127.0.0.1:8000/webhooks/github"
SECRET = "a secret of the hook"


def asked(url: str = URL, **fields: Any) -> dict[str, Any]:
    config = {"url": url, "content_type": "json", "secret": SECRET}
    return {"config": config, "events": ["workflow_job", "workflow_run"], **fields}


@pytest.fixture
def github() -> WorldWithPeople:
    return WorldWithPeople(token="collector's")


@pytest.fixture
def ada(github: WorldWithPeople) -> str:
    return github.token(github.ada)


def made(github: WorldWithPeople, token: str, **fields: Any) -> Any:
    answer = github.ask(token, "/repos/octo/app/hooks", "POST", asked(**fields))
    assert answer.status_code == 201, answer.get_json()
    body = answer.get_json()
    assert answer.headers["Location"] == body["url"]
    validator(HOOKS, "post").validate(body)
    return body


def test_an_admin_makes_reads_changes_and_deletes_a_hook(github: WorldWithPeople, ada: str) -> None:
    hook = made(github, ada)
    path = f"/repos/octo/app/hooks/{hook['id']}"
    assert hook["config"] == {
        "url": URL,
        "content_type": "json",
        "insecure_ssl": "0",
        "secret": "********",
    }
    assert (hook["active"], hook["events"]) == (True, ["workflow_job", "workflow_run"])

    listed = github.ask(ada, "/repos/octo/app/hooks").get_json()
    validator(HOOKS).validate(listed)
    assert listed == [hook]
    one = github.ask(ada, path).get_json()
    validator(ONE).validate(one)
    assert one == hook

    github.clock.now += timedelta(hours=1)
    change = {"active": False, "add_events": ["repository"], "remove_events": ["workflow_run"]}
    changed = github.ask(ada, path, "PATCH", change).get_json()
    validator(ONE, "patch").validate(changed)
    assert (changed["active"], changed["events"]) == (False, ["workflow_job", "repository"])
    assert changed["config"] == hook["config"]
    assert changed["updated_at"] > changed["created_at"] == hook["created_at"]

    assert github.ask(ada, f"{path}/pings", "POST").status_code == 204
    assert github.ask(ada, path, "DELETE").status_code == 204
    assert [github.ask(ada, path, of).status_code for of in ("GET", "DELETE")] == [404, 404]
    assert github.ask(ada, "/repos/octo/app/hooks").get_json() == []


def test_no_answer_tells_the_secret(github: WorldWithPeople, ada: str) -> None:
    hook = made(github, ada)
    path = f"/repos/octo/app/hooks/{hook['id']}"
    for url in ("/repos/octo/app/hooks", path, f"{path}/config"):
        assert SECRET not in github.ask(ada, url).get_data(as_text=True)


def test_settings_are_changed_one_by_one_and_keep_the_secret(
    github: WorldWithPeople, ada: str
) -> None:
    path = f"/repos/octo/app/hooks/{made(github, ada)['id']}/config"
    config = github.ask(ada, path, "PATCH", {"content_type": "form"}).get_json()
    validator(f"{ONE}/config", "patch").validate(config)
    assert (config["content_type"], config["secret"], config["url"]) == ("form", "********", URL)
    read = github.ask(ada, path).get_json()
    validator(f"{ONE}/config").validate(read)
    assert read == config


def test_a_changed_config_without_a_secret_removes_it(github: WorldWithPeople, ada: str) -> None:
    path = f"/repos/octo/app/hooks/{made(github, ada)['id']}"
    assert "secret" in github.ask(ada, path, "PATCH", {"active": True}).get_json()["config"]
    changed = github.ask(ada, path, "PATCH", {"config": {"url": f"{URL}/2"}}).get_json()
    assert changed["config"]["url"] == f"{URL}/2"
    assert "secret" not in changed["config"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"config": {}},
        {"config": {"url": "ftp://127.0.0.1"}},
        {"config": {"url": 5}},
        {"config": {"url": URL, "content_type": "xml"}},
        {"config": {"url": URL, "secret": 5}},
        {"config": {"url": URL, "insecure_ssl": "2"}},
        {"config": [URL]},
        {"name": "email"},
        {"events": []},
        {"events": ["installation"]},
        {"events": "push"},
        {"events": [["push"]]},
        {"active": "yes"},
    ],
)
def test_what_makes_no_sense_is_refused(
    github: WorldWithPeople, ada: str, wrong: dict[str, Any]
) -> None:
    answer = github.ask(ada, "/repos/octo/app/hooks", "POST", asked() | wrong)
    assert answer.status_code == 422
    error_validator().validate(answer.get_json())
    assert github.ask(ada, "/repos/octo/app/hooks").get_json() == []


def test_defaults_are_githubs(github: WorldWithPeople, ada: str) -> None:
    body = {"config": {"url": URL}}
    hook = github.ask(ada, "/repos/octo/app/hooks", "POST", body).get_json()
    assert hook["events"] == ["push"]
    assert hook["config"] == {"url": URL, "content_type": "form", "insecure_ssl": "0"}


def test_an_address_has_one_hook_for_an_event_and_an_event_twenty(
    github: WorldWithPeople, ada: str
) -> None:
    made(github, ada)
    again = github.ask(ada, "/repos/octo/app/hooks", "POST", asked(events=["workflow_job"]))
    assert again.status_code == 422
    assert "already exists" in again.get_json()["message"]
    made(github, ada, events=["repository"])
    for number in range(19):
        made(github, ada, url=f"{URL}/{number}")
    many = github.ask(ada, "/repos/octo/app/hooks", "POST", asked(url=f"{URL}/20"))
    assert (many.status_code, "20 hooks" in many.get_json()["message"]) == (422, True)
    assert set(links(github.ask(ada, "/repos/octo/app/hooks?per_page=15"))) == {"next", "last"}


def statuses(github: WorldWithPeople, token: str, name: str) -> list[int]:
    """How reading and making hooks is answered."""
    path = f"/repos/{name}/hooks"
    return [
        github.ask(token, path).status_code,
        github.ask(token, path, "POST", asked()).status_code,
    ]


def test_hooks_are_for_admins(github: WorldWithPeople) -> None:
    github.people.set_role(github.ben, "octo/app", "maintain")
    assert statuses(github, github.token(github.ben), "octo/app") == [404, 404]
    assert statuses(github, github.token(github.eve), "octo/secret") == [404, 404]
    assert statuses(github, github.token(github.ada), "octo/secret") == [200, 201]


def test_a_person_needs_an_app_that_was_granted_hooks(github: WorldWithPeople, ada: str) -> None:
    github.installation.permissions["repository_hooks"] = "read"
    assert statuses(github, ada, "octo/app") == [200, 403]
    del github.installation.permissions["repository_hooks"]
    refused = github.ask(ada, "/repos/octo/app/hooks")
    assert refused.get_json()["message"] == "Resource not accessible by integration"
    github.people.uninstall(github.installation)
    assert statuses(github, ada, "octo/app") == [403, 403]


def test_the_collectors_credential_administers_hooks_where_it_may(github: WorldWithPeople) -> None:
    assert statuses(github, "collector's", "octo/hidden") == [403, 403]
    refused = github.ask("collector's", "/repos/octo/app/hooks").get_json()
    assert refused["message"] == "Resource not accessible by personal access token"
    github.server.administers_hooks = True
    assert statuses(github, "collector's", "octo/hidden") == [200, 201]


def test_a_hook_belongs_to_its_repository(github: WorldWithPeople, ada: str) -> None:
    hook = made(github, ada)
    assert github.ask(ada, f"/repos/octo/secret/hooks/{hook['id']}").status_code == 404


# What they send


class Scene:
    """A server over two repositories, whose clock the test moves, and a receiver."""

    def __init__(self, server: Server, clock: Clock, receiver: Receiver) -> None:
        self.server, self.clock, self.receiver = server, clock, receiver
        self.url = f"{server.url}/repos/octo/app/hooks"

    def ask(self, method: str, path: str = "", body: Any = None) -> Any:
        answer = requests.request(method, self.url + path, json=body, timeout=5)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def told(self, count: int) -> list[tuple[str, str | None]]:
        """Event and action of the first *count* deliveries, in no certain order."""
        received = self.receiver.wait_for(count)
        return sorted(
            (of.headers["x-github-event"], json.loads(of.body).get("action")) for of in received
        )

    def until_answered(self, number: int) -> Any:
        """The hook's last response, as soon as there is one."""
        waiting = threading.Event()
        for _ in range(1_000):
            last = self.ask("GET", f"/{number}")["last_response"]
            if last["status"] != "unused":
                return last
            waiting.wait(0.01)
        raise AssertionError("nothing was sent")


@pytest.fixture
def scene() -> Iterator[Scene]:
    clock = Clock(MONDAY - timedelta(hours=1))
    world = World(clock)
    for name in ("octo/app", "octo/other"):
        workflow = world.add_workflow(world.add_repository(name))
        world.add_run(workflow, MONDAY, [make_job("build", MONDAY)])
    with receiving() as receiver, serving(world, administers_hooks=True) as server:
        yield Scene(server, clock, receiver)


def test_a_hook_is_pinged_and_then_told_of_its_repository_with_its_secret(scene: Scene) -> None:
    hook = scene.ask("POST", body=asked(scene.receiver.url, events=["workflow_run"]))
    [ping] = scene.receiver.wait_for(1)
    payload = json.loads(ping.body)
    payload_validator("ping", None).validate(payload)
    assert (payload["hook_id"], payload["hook"]["events"]) == (hook["id"], ["workflow_run"])
    assert SECRET not in ping.body.decode()
    assert scene.until_answered(hook["id"]) == {
        "code": 202,
        "status": "active",
        "message": "Accepted",
    }

    scene.clock.now = MONDAY + timedelta(hours=1)
    runs = [("workflow_run", action) for action in ("completed", "in_progress", "requested")]
    assert scene.told(4) == [("ping", None), *runs]
    for received in scene.receiver.requests:
        signed = signatures(SECRET, received.body)["X-Hub-Signature-256"]
        assert received.headers["x-hub-signature-256"] == signed
        assert received.headers["x-github-hook-id"] == str(hook["id"])
        told = json.loads(received.body)
        assert told["repository"]["full_name"] == "octo/app"
        assert told["repository"]["url"].startswith(scene.server.url)
        assert "installation" not in told


def test_a_change_of_secret_and_events_counts_from_then_on(scene: Scene) -> None:
    hook = scene.ask("POST", body=asked(scene.receiver.url, events=["workflow_job"]))
    scene.receiver.wait_for(1)
    scene.ask("PATCH", f"/{hook['id']}/config", {"secret": "another"})
    scene.ask("PATCH", f"/{hook['id']}", {"events": ["repository"]})
    [app, _] = scene.server.world.repositories.values()
    scene.clock.now = MONDAY - timedelta(minutes=1)
    scene.server.world.archive_repository(app)
    [_, archived] = scene.receiver.wait_for(2)
    assert archived.headers["x-github-event"] == "repository"
    signed = signatures("another", archived.body)["X-Hub-Signature-256"]
    assert archived.headers["x-hub-signature-256"] == signed


def test_every_ping_is_another_delivery_and_an_inactive_hook_gets_none(scene: Scene) -> None:
    hook = scene.ask("POST", body=asked(scene.receiver.url))
    scene.ask("POST", f"/{hook['id']}/pings")
    pings = scene.receiver.wait_for(2)
    assert len({of.headers["x-github-delivery"] for of in pings}) == 2
    scene.ask("PATCH", f"/{hook['id']}", {"active": False})
    scene.ask("POST", f"/{hook['id']}/pings")
    scene.ask("PATCH", f"/{hook['id']}", {"active": True})
    scene.ask("POST", f"/{hook['id']}/pings")
    assert scene.told(3) == [("ping", None)] * 3
    scene.ask("DELETE", f"/{hook['id']}")
    assert len(scene.receiver.requests) == 3


def test_a_refusal_is_shown_as_the_last_response(scene: Scene) -> None:
    scene.receiver.status = 401
    hook = scene.ask("POST", body=asked(scene.receiver.url))
    last = scene.until_answered(hook["id"])
    assert last == {"code": 401, "status": "invalid_response", "message": "Unauthorized"}


def until_listed(scene: Scene, number: int, count: int) -> Any:
    """The hook's deliveries, as soon as they are so many."""
    waiting = threading.Event()
    for _ in range(1_000):
        listed = scene.ask("GET", f"/{number}/deliveries")
        if len(listed) == count:
            return listed
        waiting.wait(0.01)
    raise AssertionError(listed)


def test_deliveries_are_listed_newest_first_and_one_that_is_made_again_keeps_its_guid(
    scene: Scene,
) -> None:
    scene.receiver.status = 503
    hook = scene.ask("POST", body=asked(scene.receiver.url, events=["workflow_run"]))
    until_listed(scene, hook["id"], 1)
    scene.clock.now = MONDAY + timedelta(hours=1)
    failed = until_listed(scene, hook["id"], 4)
    validator(DELIVERIES).validate(failed)
    assert [of["id"] for of in failed] == sorted((of["id"] for of in failed), reverse=True)
    assert {of["event"] for of in failed[:3]} == {"workflow_run"}
    assert {(of["status_code"], of["status"], of["redelivery"]) for of in failed} == {
        (503, "Invalid HTTP Response: 503", False)
    }

    scene.receiver.status = None
    attempt = failed[1]
    scene.ask("POST", f"/{hook['id']}/deliveries/{attempt['id']}/attempts")
    [again, *rest] = until_listed(scene, hook["id"], 5)
    assert rest == failed
    assert (again["status_code"], again["status"]) == (0, "failed to connect")
    assert (again["guid"], again["redelivery"]) == (attempt["guid"], True)
    last = scene.receiver.requests[-1]
    assert last.headers["x-github-delivery"] == attempt["guid"]
    signed = signatures(SECRET, last.body)["X-Hub-Signature-256"]
    assert last.headers["x-hub-signature-256"] == signed


def test_pages_of_deliveries_follow_cursors_and_three_days_are_kept(scene: Scene) -> None:
    hook = scene.ask("POST", body=asked(scene.receiver.url))
    scene.clock.now = MONDAY + timedelta(hours=1)
    listed = until_listed(scene, hook["id"], 7)
    url: str | None = f"{scene.url}/{hook['id']}/deliveries?per_page=3"
    pages: list[Any] = []
    while url is not None:
        answer = requests.get(url, timeout=5)
        pages.append(answer.json())
        url = answer.links.get("next", {}).get("url")
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [of for page in pages for of in page] == listed
    wrong = requests.get(f"{scene.url}/{hook['id']}/deliveries?cursor=7", timeout=5)
    assert wrong.status_code == 422
    scene.clock.now += timedelta(days=3, minutes=1)
    assert scene.ask("GET", f"/{hook['id']}/deliveries") == []
    gone = f"{scene.url}/{hook['id']}/deliveries/{listed[0]['id']}/attempts"
    assert requests.post(gone, timeout=5).status_code == 404


def test_deliveries_are_for_who_administers_hooks(github: WorldWithPeople, ada: str) -> None:
    hook = made(github, ada)
    path = f"/repos/octo/app/hooks/{hook['id']}/deliveries"
    assert github.ask("collector's", path).status_code == 403
    github.installation.permissions["repository_hooks"] = "read"
    assert github.ask(ada, f"{path}/1/attempts", "POST").status_code == 403
    assert github.ask(ada, "/orgs/octo/hooks/1/deliveries").status_code == 403
    assert github.ask("collector's", "/orgs/octo/hooks/1/deliveries").status_code == 403
