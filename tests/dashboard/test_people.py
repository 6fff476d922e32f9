"""Who looks at the page: what is theirs, how they come and go, and what they may change."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from actionsight import loopback
from actionsight.database import connect
from tests.api.client import bearer
from tests.dashboard.conftest import ADA, EVE, MAX, OSCAR, RITA, Site, Watched, sign_in
from tests.dashboard.history import HIDDEN, SPARE

pytestmark = pytest.mark.integration

Person = Callable[[str], BrowserContext]
TabOf = Callable[..., Watched]
SEARCH = "Search, or paste a GitHub address"
ENDED = "Your session ended"


@pytest.mark.parametrize(
    ("login", "sees_vault"), [(ADA, False), (RITA, True), (MAX, True), (OSCAR, True)]
)
def test_everybody_sees_what_is_theirs(
    tab_of: TabOf, person: Person, login: str, sees_vault: bool
) -> None:
    tab = tab_of(person(login), *([] if sees_vault else [404]))
    page = tab.open_whole("/app/")
    workflows = page.get_by_role("table", name="Workflows", exact=True)
    expect(workflows.get_by_role("row", name=re.compile("^Build"))).to_be_visible()
    expect(workflows.get_by_role("row", name=re.compile("^Secret build"))).to_have_count(
        int(sees_vault)
    )
    page.get_by_label(SEARCH).fill("Secret")
    found = page.get_by_role("listbox", name="Found").get_by_role("option")
    expect(found.first).to_contain_text("Secret build" if sees_vault else "Nothing of this name")
    seen = [page.content()]
    seen += [
        tab.open_whole(path).content() for path in ("/app/explore?of=jobs", "/app/repositories")
    ]
    expect(page.get_by_role("region", name="Selections")).to_have_count(int(login == OSCAR))
    assert all(("acme/vault" in each or "hidden job" in each) == sees_vault for each in seen[1:])
    assert ("acme/vault" in seen[0]) == sees_vault
    tab.open(f"/app/runs/{HIDDEN}")
    told = "Hidden change" if sees_vault else "the two cannot be told apart"
    expect(page.get_by_role("main")).to_contain_text(told)
    assert sees_vault or "Hidden" not in page.content()


def test_one_signs_out_and_a_session_ends_meanwhile(
    browser: Browser, tab_of: TabOf, site: Site
) -> None:
    here, there = (tab_of(browser.new_context(), 401) for _ in range(2))
    for tab in (here, there):
        sign_in(tab.open("/app/costs"), EVE)
    # The one ends the other's.
    page = here.open("/app/repositories")
    sessions = page.get_by_role("table", name="Sessions")
    expect(sessions).to_contain_text("this one")
    sessions.get_by_role("button", name="end").click()
    expect(page.get_by_role("status").first).to_contain_text("The session is ended.")
    # Of several questions at once the last one is refused, too.
    with there.page.expect_response(lambda response: "group_by=workflow" in response.url) as last:
        there.page.get_by_role("button", name="7d").click()
    last.value.finished()
    ended = there.page.get_by_role("alert").filter(has_text=ENDED)
    expect(ended).to_be_visible()
    sign_in(there.page, EVE)
    expect(there.page).to_have_url(f"{site.root}/app/costs?period=7d")
    expect(there.page.get_by_role("heading", name="Costs")).to_be_visible()
    # Who leaves by themselves leaves nothing behind.
    page.get_by_label("person and preferences").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in with GitHub")).to_be_visible()
    assert "acme" not in page.content() and ENDED not in page.content()
    assert page.request.get(f"{site.root}/me").status == 401
    for tab in (here, there):
        tab.page.context.close()


def test_a_repository_is_added_its_history_comes_and_it_is_removed(
    tab_of: TabOf, person: Person, site: Site
) -> None:
    tab = tab_of(person(MAX))
    page = tab.page
    page.clock.install()
    tab.open("/app/repositories")
    monitored = page.get_by_role("table", name="Monitored repositories")
    spare = monitored.get_by_role("row", name=re.compile("^acme.spare"))
    expect(page.get_by_role("region", name="Add")).to_contain_text("You may add acme/spare.")
    page.get_by_label("Repository to add").fill("acme/spare")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("acme/spare is added")
    expect(spare).to_contain_text("waiting")
    # The page asks again by itself.
    _progress(site, windows=4, completed=1)
    page.clock.fast_forward(11_000)
    expect(spare).to_contain_text("25 %")
    expect(spare.get_by_role("progressbar")).to_have_attribute("value", "1")
    overview = tab.open("/app/?repository=acme/spare").get_by_role("region", name="Workflows")
    expect(overview).to_contain_text("The history of acme/spare is coming")
    _progress(site, windows=4, completed=4)
    tab.open("/app/repositories")
    expect(spare).to_contain_text("on")
    expect(spare.get_by_role("progressbar")).to_have_count(0)
    page.get_by_role("button", name="Remove acme/spare").click()
    page.get_by_role("dialog", name="Remove acme/spare?").get_by_role(
        "button", name="Remove"
    ).click()
    expect(page.get_by_role("status").first).to_contain_text("its data stays")
    expect(spare).to_have_count(0)


def test_who_may_not_change_something_is_told_so(tab_of: TabOf, person: Person) -> None:
    page = tab_of(person(RITA), 403, 404).open("/app/repositories")
    expect(page.get_by_role("region", name="Add")).to_contain_text("none that you may add")
    page.get_by_label("Repository to add").fill("acme/spare")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text(
        "GitHub shows you no repository acme/spare"
    )
    # What GitHub does not list as theirs to decide offers nothing before one looks into it.
    remove = page.get_by_role("button", name="Remove acme/vault")
    row = page.get_by_role("row", name=re.compile("^acme.vault"))
    expect(row).to_be_visible()
    expect(remove).to_have_count(0)
    row.get_by_role("button", name="collection").click()
    expect(page.get_by_role("main")).to_contain_text("Polls find its runs")
    remove.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status").first).to_contain_text(
        "Only who administers or maintains acme/vault"
    )
    expect(row).to_be_visible()


def test_a_token_is_shown_once_opens_the_api_and_is_revoked(
    tab_of: TabOf, person: Person, site: Site
) -> None:
    tab = tab_of(person(RITA))
    page = tab.open("/app/repositories")
    page.get_by_label("Name of the token").fill("nightly report")
    page.get_by_role("button", name="Make one for 90 days").click()
    token = page.get_by_text("Keep it:").locator("code").inner_text()

    def ask() -> Any:
        return loopback.get(f"{site.root}/repositories", headers=bearer(token))

    assert {row["full_name"] for row in ask().json()["data"]} == {"acme/widgets", "acme/vault"}
    row = page.get_by_role("row", name=re.compile("^nightly report"))
    expect(row).to_contain_text("read")
    tab.open("/app/repositories")
    expect(row).to_be_visible()
    assert token not in page.content()
    page.set_viewport_size({"width": 360, "height": 740})  # a phone shows all that one may do
    row.get_by_role("button", name="revoke").click()
    expect(row).to_contain_text("revoked")
    assert ask().status_code == 401


def _progress(site: Site, windows: int, completed: int) -> None:
    """As collection notes it."""
    with connect(site.database_url, autocommit=True) as connection:
        connection.execute(
            """
            update app.repositories set
                visibility_seen_at = now(), backfilled_from = now() - interval '9 days',
                backfill_windows = %s, backfill_windows_completed = %s,
                observed_until = case when %s then now() end
            where repository_id = %s
            """,
            [windows, completed, windows == completed, SPARE],
        )
