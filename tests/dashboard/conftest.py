"""Fixtures: the page on the real application with seeded marts, in a real browser that reaches this
machine alone.

All of this folder share one server, one store and one browser. They live as long as the folder's
tests: Playwright's loop runs meanwhile, and other tests have loops of their own.
"""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from actionsight.database import connect
from actionsight.loopback import HOST
from actionsight.settings import ROOT
from api.dashboard import views
from github_standin.server.server import serving
from github_standin.world.world import World
from tests.api.client import app_of
from tests.api.marts import Marts, make_marts
from tests.api.sign_in.browser import CALLBACK, CLIENT_ID, CLIENT_SECRET, with_sign_in
from tests.dashboard.history import SPARE, VAULT, WIDGETS, seed
from tests.support.browser import MISSING, chromium, find_chromium
from tests.support.installation import settings_of
from tests.support.services import Databases
from tests.support.wsgi import served

AXE = ROOT / "dashboard/node_modules/axe-core/axe.min.js"
COLLECTOR = "ghp_of_the_collector"
OPERATOR_ID = 9_000
# An outsider, a reader, a maintainer and an operator.
ADA, RITA, MAX, OSCAR = "ada", "rita", "max", "oscar"
EVE = "eve"  # who comes and goes


@dataclass(frozen=True)
class Site:
    """An installation with a history, and its address."""

    root: str
    database_url: str


@pytest.fixture(scope="package")
def site(postgres_server: Databases) -> Iterator[Site]:
    if not views.is_built() or not AXE.exists():
        pytest.skip("the page is not built: npm's registry could not be reached")
    world = World()
    world.add_repository("acme/widgets", repository_id=WIDGETS)
    world.add_repository("acme/vault", repository_id=VAULT, visibility="private")
    world.add_repository("acme/spare", repository_id=SPARE, visibility="private")
    world.people.install("acme")
    world.people.add_user(ADA, user_id=1001)
    world.people.add_user(EVE, {"acme/vault": "read"}, user_id=1004)
    world.people.add_user(RITA, {"acme/vault": "read"}, user_id=1002)
    world.people.add_user(MAX, {"acme/vault": "maintain", "acme/spare": "maintain"}, user_id=1003)
    world.people.add_user(OSCAR, user_id=OPERATOR_ID)
    with (
        postgres_server.reused(make_marts) as database,
        serving(world, token=COLLECTOR) as github,
        socket.create_server((HOST, 0)) as listening,
    ):
        root = f"http://{HOST}:{listening.getsockname()[1]}"
        world.people.register_app(CLIENT_ID, CLIENT_SECRET, [root + CALLBACK])
        url = database.emptied()
        with connect(url, autocommit=True) as connection:
            seed(Marts(connection))
        settings = replace(
            with_sign_in(settings_of(url), github.url),
            public_url=root,
            github_token=COLLECTOR,
            operators=(OPERATOR_ID,),
        )
        with app_of(settings) as app, served(app, listening):
            yield Site(root, url)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip(MISSING)
    with chromium(path) as browser:
        yield browser


def sign_in(page: Page, login: str) -> None:
    """By the page's own button, and back to where it was."""
    page.get_by_role("button", name="Sign in with GitHub").first.click()
    page.get_by_role("button", name=f"Sign in as {login}").click()
    page.get_by_label("person and preferences").wait_for()


@pytest.fixture(scope="package")
def person(browser: Browser, site: Site) -> Callable[[str], BrowserContext]:
    """Somebody's browser, signed in once."""
    contexts: dict[str, BrowserContext] = {}

    def browser_of(login: str) -> BrowserContext:
        if login not in contexts:
            context = browser.new_context(
                viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
            )
            page = context.new_page()
            page.goto(f"{site.root}/app/")
            sign_in(page, login)
            page.close()
            contexts[login] = context
        return contexts[login]

    return browser_of


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
                and not request.is_navigation_request()  # to sign in
                else None
            ),
        )
        page.on(
            "response",
            lambda response: (
                complain(f"{response.status} {response.url}")
                # A viewer has one question under way per route: of a slow machine, the one of the
                # view before.
                if response.status >= 400 and response.status not in {429, *self.refused}
                else None
            ),
        )

    def open(self, path: str) -> Page:
        """Go to an address of the page, which goes on with its questions meanwhile."""
        self.page.goto(self.root + path)
        return self.page

    def open_whole(self, path: str) -> Page:
        """The same, until all of its first answers are there: for what is to be seen nowhere."""
        self.open(path)
        self.page.wait_for_load_state("networkidle")
        return self.page


@pytest.fixture
def tab_of(site: Site) -> Iterator[Callable[..., Watched]]:
    """A tab of somebody's browser; where it complained, the test fails."""
    opened: list[Watched] = []

    def open_in(context: BrowserContext, *refused: int) -> Watched:
        opened.append(Watched(context.new_page(), site.root, refused=set(refused)))
        return opened[-1]

    yield open_in
    for tab in opened:
        tab.page.close()
    assert [complaint for tab in opened for complaint in tab.complaints] == []


@pytest.fixture
def tab(tab_of: Callable[..., Watched], person: Callable[[str], BrowserContext]) -> Watched:
    """A tab of the outsider's."""
    return tab_of(person(ADA))


@pytest.fixture(scope="package")
def axe(site: Site) -> str:
    return AXE.read_text(encoding="utf-8")
