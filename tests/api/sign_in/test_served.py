"""Under the real server: a sign-in may begin in one process and come back to another."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from actionsight.settings import Settings
from github_standin.world.world import World
from tests.api.sign_in.browser import CALLBACK, CLIENT_ID, CLIENT_SECRET, parameters
from tests.support.granian import served
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

PEOPLE = 12


def test_people_sign_in_and_out_and_the_servers_log_keeps_their_secrets(
    settings: Settings, world: World, tmp_path: Path
) -> None:
    root = f"http://127.0.0.1:{free_port()}"  # as behind a proxy: not the port that is served
    world.people.register_app(CLIENT_ID, CLIENT_SECRET, [root + CALLBACK])
    log_file = tmp_path / "granian.log"
    secrets = [CLIENT_SECRET]
    environment = replace(settings, public_url=root).environment()
    with served("api.wsgi:app", environment, log_file) as port:
        own = f"http://127.0.0.1:{port}"
        for number in range(PEOPLE):
            login = f"person-{number}"
            world.people.add_user(login, user_id=7000 + number)
            with requests.Session() as browser:
                browser.trust_env = False
                begun = browser.post(
                    f"{own}/login", headers={"Origin": root}, allow_redirects=False, timeout=20
                )
                chosen = browser.post(
                    begun.headers["Location"],
                    data={"login": login},
                    allow_redirects=False,
                    timeout=20,
                )
                back = urlsplit(chosen.headers["Location"])
                ended = browser.get(
                    f"{own}{back.path}?{back.query}", allow_redirects=False, timeout=20
                )
                assert (ended.status_code, ended.headers["Location"]) == (303, f"{root}/me")
                me = browser.get(f"{own}/me", timeout=20).json()
                assert (me["login"], me["id"]) == (login, 7000 + number)
                headers = {"Origin": root, me["csrf_header"]: me["csrf_token"]}
                secrets += [
                    *filter(None, browser.cookies.values()),
                    *parameters(back.geturl()).values(),
                ]
                assert browser.post(f"{own}/logout", headers=headers, timeout=20).status_code == 204
                assert browser.get(f"{own}/me", timeout=20).status_code == 401
    log = log_file.read_text(encoding="utf-8")
    for secret in (*secrets, "ghu_", "ghr_"):
        assert secret not in log
