"""Fixtures: the page on the real application with seeded marts, in a real browser that reaches this
machine alone.

They live as long as a module: Playwright's loop runs meanwhile, and other tests have loops of their
own.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from actionsight.database import connect
from actionsight.loopback import HOST
from actionsight.settings import ROOT
from api.dashboard import views
from github_standin.server.server import serving
from github_standin.world.world import World
from tests.api.client import app_of
from tests.api.marts import Marts, make_marts
from tests.api.sign_in.browser import CALLBACK, CLIENT_ID, CLIENT_SECRET, with_sign_in
from tests.api.sign_in.test_browser import served
from tests.dashboard.history import seed
from tests.support.chromium import ARGUMENTS, find_chromium
from tests.support.installation import settings_of
from tests.support.services import Databases

# Of a machine that does much else.
PATIENCE_MILLISECONDS = 20_000
AXE = ROOT / "dashboard/node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def site(postgres_server: Databases) -> Iterator[str]:
    """The address of an installation with a history; Ada may sign in."""
    if not views.is_built() or not AXE.exists():
        pytest.skip("the page is not built: npm's registry could not be reached")
    world = World()
    world.people.add_user("ada", user_id=1001)
    with (
        postgres_server.reused(make_marts) as database,
        serving(world) as github,
        socket.create_server((HOST, 0)) as listening,
    ):
        root = f"http://{HOST}:{listening.getsockname()[1]}"
        world.people.register_app(CLIENT_ID, CLIENT_SECRET, [root + CALLBACK])
        url = database.emptied()
        with connect(url, autocommit=True) as connection:
            seed(Marts(connection))
        settings = replace(with_sign_in(settings_of(url), github.url), public_url=root)
        with app_of(settings) as app, served(app, listening):
            yield root


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    program = find_chromium()
    if program is None:
        pytest.skip("no chromium on this machine (Debian and Ubuntu: the package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, site: str) -> BrowserContext:
    """Ada's browser, by the page's own button."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{site}/app/")
    page.get_by_role("button", name="Sign in with GitHub").click()
    page.get_by_role("button", name="Sign in as ada").click()
    page.get_by_role("heading", name="Overview").wait_for()
    page.close()
    return context


@dataclass
class Watched:
    """A tab whose page may neither complain nor ask anybody else.

    Attributes:
        refused: statuses of failure that the test provokes.
    """

    page: Page
    root: str
    complaints: list[str] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        page, complain = self.page, self.complaints.append
        page.on("pageerror", lambda error: complain(str(error)))
        # A violation of the policy is an error, too; a status is judged below.
        page.on(
            "console",
            lambda message: (
                complain(message.text)
                if message.type in ("error", "warning")
                and not message.text.startswith("Failed to load resource")
                else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                complain(request.url)
                if urlsplit(request.url).netloc not in ("", urlsplit(self.root).netloc)
                else None
            ),
        )
        page.on(
            "response",
            lambda response: (
                complain(f"{response.status} {response.url}")
                if response.status >= 400 and response.status not in self.refused
                else None
            ),
        )

    def open(self, path: str) -> Page:
        """Go to an address of the page, until its first answers are there."""
        self.page.goto(self.root + path)
        self.page.wait_for_load_state("networkidle")
        return self.page


@pytest.fixture
def tab(signed_in: BrowserContext, site: str) -> Iterator[Watched]:
    page = signed_in.new_page()
    watched = Watched(page, site)
    yield watched
    page.close()
    assert watched.complaints == []


@pytest.fixture(scope="module")
def axe(site: str) -> str:
    return AXE.read_text(encoding="utf-8")
