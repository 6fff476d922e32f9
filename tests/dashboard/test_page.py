"""The page as people use it: by role and name, by keys, in both themes, wide and narrow."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.dashboard.conftest import Site, Watched
from tests.dashboard.history import BUILD, MINE

pytestmark = pytest.mark.integration

VIEWS = [
    "/app/",
    f"/app/workflows/{BUILD}",
    f"/app/runs/{MINE}",
    "/app/flaky",
    "/app/runners",
    "/app/costs",
    "/app/explore",
    "/app/explore?of=jobs",
    "/app/repositories",
]
AXE = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
NOW = datetime.now(UTC)
INSTANTS = f"from={NOW - timedelta(days=9):%Y-%m-%dT%H:%M:%SZ}&to={NOW:%Y-%m-%dT%H:%M:%SZ}"
DAY = f"{NOW - timedelta(days=2):%Y-%m-%d}"
QUERIES = [
    INSTANTS,
    f"{INSTANTS}&compare=none",
    f"from={DAY}&to={DAY}",
    f"from={DAY}",
    "period=7d&compare=none",
    "period=90d",
    "branch=@default&event=push",
    f"workflow={BUILD}&conclusion=failure",
    "repository=acme/widgets&actor=@me",
    "runner=ubuntu-latest&job_name=flaky",
    "is_flaky=true&attempts_at_least=2&q=here",
    "show=table",
]
PROBLEM = {"type": "/problems/fault", "title": "A fault", "status": 500, "detail": "It broke."}


def answer(page: Page, path: str) -> Any:
    """What the API tells the same person."""
    return page.request.get(path).json()


def test_the_overview_says_what_is_red_what_got_slower_and_leads_on(tab: Watched) -> None:
    page = tab.open("/app/")
    expect(page.locator(".sentence")).to_contain_text(re.compile(r"1 of 2 workflows\s+is red"))
    red = page.get_by_role("region", name="Red now")
    expect(red).to_contain_text(re.compile(r"red for (\d+ days|1 d \d+ h):\s+2 failures in a row"))
    expect(red.get_by_role("link", name=re.compile("last green"))).to_be_visible()
    [told] = [
        row["statistics"]
        for row in answer(page, f"{tab.root}/workflows?include=statistics&period=28d")["data"]
        if row["workflow_id"] == BUILD
    ]
    row = page.get_by_role("row", name=re.compile("^Build "))
    expect(row).to_contain_text(f"{round(told['success_rate'] * 100)} %")
    expect(row).to_contain_text(f"n {told['decisive_count']}")
    # What a number means opens beside it, with the call that gave it.
    page.get_by_role("button", name="What is in “Workflows”?").click()
    dialog = page.get_by_role("dialog", name="What the numbers are")
    # The same name means something else at other routes.
    meanings = {
        term["meaning"]
        for term in answer(page, f"{tab.root}/definitions")["data"]
        if term["name"] == "run_count" and "/workflows" in term["routes"]
    }
    [meaning] = meanings
    expect(dialog).to_contain_text(meaning)
    expect(dialog).to_contain_text("curl")
    page.keyboard.press("Escape")
    # The filter is in the address, and goes along; the way back leads through it.
    page.get_by_role("button", name="7d").click()
    expect(page).to_have_url(re.compile(r"period=7d"))
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/app/workflows/{BUILD}\?.*period=7d"))
    page.go_back()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("f")
    expect(page.get_by_role("heading", name="Flaky jobs")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()


def test_a_run_is_reached_by_githubs_address_and_shows_its_failures_in_context(
    tab: Watched,
) -> None:
    page = tab.open(f"/app/acme/widgets/actions/runs/{MINE}?pr=1")
    expect(page).to_have_url(f"{tab.root}/app/runs/{MINE}")
    expect(page.get_by_role("heading", name="Mine is red")).to_be_visible()
    told = answer(page, f"{tab.root}/runs/{MINE}/failures")["data"]
    cards = page.get_by_role("region", name="Failures in context").get_by_role("article")
    expect(cards).to_have_count(len(told))
    expect(cards.nth(0)).to_contain_text("Also red on the default branch")
    expect(cards.nth(1)).to_contain_text("It flaked in 1 of 1 run of the 28 days before")
    expect(cards.nth(2)).to_contain_text("No history")
    text = page.get_by_role("main").inner_text().lower()
    for verdict in ("your fault", "not yours", "safe to merge", "ignore", "you can"):
        assert verdict not in text
    grid = page.get_by_role("treegrid", name="Jobs of attempt 1")
    expect(grid.get_by_role("row")).to_have_count(1 + 4)
    lint = grid.get_by_role("row", name=re.compile("lint"))
    lint.focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("job=9003"))
    expect(grid.get_by_role("row", name=re.compile("pytest"))).to_contain_text("4 m 40 s")
    page.keyboard.press("ArrowLeft")
    expect(lint).to_have_attribute("aria-expanded", "false")
    # What one looks at stands in the address.
    page = tab.open(f"/app/runs/{MINE}?job=9000")
    expect(page.get_by_text("Failed in step 3: pytest")).to_be_visible()


def test_a_workflow_shows_every_run_and_since_when_it_is_slower(tab: Watched) -> None:
    page = tab.open(f"/app/workflows/{BUILD}")
    expect(page.locator(".sentence")).to_contain_text("Red on its default branch")
    runs = page.get_by_role("region", name=re.compile("^Every run"))
    expect(runs).to_contain_text("the median went from 10 m 00 s to 15 m 00 s")
    told = answer(page, f"{tab.root}/workflows/{BUILD}/timeline?period=28d")["data"]
    expect(runs).to_contain_text(f"{len(told['run_id'])} runs")
    # One tab stop, from which arrows go on; and where one points is the same link.
    runs.locator("svg a").focus()
    page.keyboard.press("ArrowLeft")
    focused = page.evaluate("document.activeElement.getAttribute('href')")
    assert focused == f"/app/runs/{told['run_id'][-2]}"
    runs.locator("svg .dots").first.hover(position={"x": 1, "y": 1}, force=True)
    expect(runs.locator("svg a")).to_have_count(1)
    # From one point to another: a range.
    box = runs.locator("svg[width]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 120, steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"from=\d{4}-.*to=\d{4}-"))
    # What is shown by day is shown of a part of a day too, compared with nothing.
    outcomes = page.get_by_role("region", name=re.compile("^Outcomes by day"))
    expect(outcomes.locator("svg").first).to_be_visible()
    with page.expect_response(lambda response: "/stats?from=" in response.url) as asked:
        page.reload()
    assert asked.value.ok
    expect(outcomes.locator("svg").first).to_be_visible()
    tab.open(f"/app/workflows/{BUILD}")
    expect(runs.locator("svg .dots").first).to_be_visible()
    page.keyboard.press("t")
    expect(page.get_by_role("table", name="Every run")).to_be_visible()
    page.get_by_role("button", name="test (linux)").click()
    expect(page.get_by_role("table", name="Steps of test (linux)")).to_contain_text("pytest")


def test_a_flaky_job_opens_to_its_evidence(tab: Watched) -> None:
    page = tab.open("/app/flaky")
    [told] = answer(page, f"{tab.root}/flaky-jobs?period=28d")["data"]
    row = page.get_by_role("row", name=re.compile("^flaky"))
    expect(row).to_contain_text(f"{told['occurrence_count']} of {told['executed_run_count']}")
    page.get_by_role("button", name="flaky", exact=True).click()
    evidence = page.get_by_role("table", name="Evidence for flaky")
    expect(evidence).to_contain_text("Flaked here")
    expect(evidence).to_contain_text("pytest")


@pytest.mark.parametrize(
    "views",
    [
        pytest.param({"light": VIEWS[:1], "dark": VIEWS[2:3]}, id="two"),
        pytest.param({"light": VIEWS, "dark": VIEWS}, id="all", marks=pytest.mark.thorough),
    ],
)
def test_views_are_accessible_and_as_wide_as_the_window(
    tab: Watched, axe: str, views: dict[Any, list[str]]
) -> None:
    page, faults = tab.page, []
    for theme, paths in views.items():
        page.emulate_media(color_scheme=theme)
        for path in paths:
            tab.open_whole(path)
            page.evaluate(axe)
            found = page.evaluate(AXE)
            faults += [
                (path, theme, fault["id"], [node["html"] for node in fault["nodes"]][:2])
                for fault in found["violations"]
            ]
            page.set_viewport_size({"width": 360, "height": 740})
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > 360:
                faults.append((path, theme, "wide", [str(width)]))
            page.set_viewport_size({"width": 1280, "height": 800})
    assert not faults, json.dumps(faults, indent=1)


@pytest.mark.parametrize(
    ("views", "queries"),
    [
        # Those that ask by day, whose panels have refused a part of one.
        pytest.param([VIEWS[0], VIEWS[1], VIEWS[4]], QUERIES[:1], id="some"),
        pytest.param(VIEWS, QUERIES, id="all", marks=pytest.mark.thorough),
    ],
)
def test_whatever_the_address_asks_is_answered(
    tab: Watched, views: list[str], queries: list[str]
) -> None:
    for path in views:
        for query in queries:
            tab.open_whole(f"{path}{'&' if '?' in path else '?'}{query}")


@pytest.mark.thorough
def test_every_number_says_what_it_is(tab: Watched) -> None:
    page = tab.page
    for path in VIEWS:
        tab.open_whole(path)
        for info in page.get_by_role("button", name=re.compile("^What is ")).all():
            info.click()
            dialog = page.get_by_role("dialog", name="What the numbers are")
            expect(dialog).to_be_visible()
            for term in dialog.locator("section").all():
                expect(term.get_by_role("paragraph").first).not_to_be_empty()
            page.keyboard.press("Escape")
            expect(dialog).to_have_count(0)


def test_a_search_leads_to_runs_by_a_part_of_their_title(tab: Watched) -> None:
    page = tab.open("/app/")
    page.get_by_label("Search, or paste a GitHub address").fill("Flaked here")
    found = page.get_by_role("listbox", name="Found").get_by_role("option")
    expect(found.last).to_have_text(re.compile("runs with “Flaked here” in their title"))
    expect(found.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    runs = page.get_by_role("table", name="Runs").get_by_role("row")
    expect(runs).to_have_count(2)
    expect(runs.last).to_contain_text("Flaked here")


@pytest.mark.thorough
def test_one_gets_everywhere_by_keys_alone(tab: Watched) -> None:
    page = tab.open("/app/")
    keys = page.keyboard
    expect(page.get_by_role("row", name=re.compile("^Build "))).to_be_visible()
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    # From a search to a run, into a job, and back.
    keys.press("/")
    expect(page.get_by_role("combobox", name=re.compile("^Search"))).to_be_focused()
    keys.type(f"https://github.com/acme/widgets/actions/runs/{MINE}")
    found = page.get_by_role("listbox", name="Found").get_by_role("option")
    expect(found.first).to_have_attribute("aria-selected", "true")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Mine is red")).to_be_visible()
    grid = page.get_by_role("treegrid").first
    expect(grid.get_by_role("row").nth(1)).to_be_visible()
    keys.press("j")
    expect(grid.get_by_role("row").nth(1)).to_be_focused()
    keys.press("ArrowRight")
    expect(grid.get_by_role("row").nth(1)).to_have_attribute("aria-expanded", "true")
    keys.press("Alt+ArrowLeft")
    # Every view by two keys; what a number means, and closed again.
    for key, heading in {
        "o": "Overview",
        "f": "Flaky jobs",
        "r": "Runners",
        "c": "Costs",
        "e": "Explore",
        "m": "Repositories",
    }.items():
        keys.press("g")
        keys.press(key)
        expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
    keys.press("g")
    keys.press("f")
    info = page.get_by_role("button", name="What is in “By evidence”?")
    _tab_to(page, info)
    keys.press("Enter")
    expect(page.get_by_role("dialog", name="What the numbers are")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(info).to_be_focused()
    keys.press("c")
    expect(page).to_have_url(re.compile("compare=none"))
    _tab_to(page, page.get_by_role("button", name="flaky", exact=True))
    keys.press("Enter")
    expect(page.get_by_role("table", name="Evidence for flaky")).to_be_visible()


def _tab_to(page: Page, what: Locator) -> None:
    """By Tab, as who has no pointer comes there."""
    expect(what).to_be_visible()
    for _ in range(60):
        if what.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {what}")


def test_each_panel_fails_for_itself_and_says_how(tab: Watched) -> None:
    page = tab.page
    tab.refused |= {401, 404, 429, 503}

    def refuse(status: int, **members: object) -> Any:
        def fulfil(route: Route) -> None:
            route.fulfill(
                status=status,
                content_type="application/problem+json",
                headers={"Retry-After": "30"},
                body=json.dumps({**PROBLEM, "status": status, **members}),
            )

        return fulfil

    page.route("**/changes?*", refuse(429, title="Too many requests"))
    missing = [{"name": "cache", "remedy": "Start it."}]
    page.route("**/runners/now*", refuse(503, title="Not ready", missing=missing))
    tab.open("/app/")
    changed = page.get_by_role("region", name="What changed")
    expect(changed.get_by_role("alert")).to_contain_text("Too many requests")
    expect(changed).to_contain_text(re.compile(r"by itself in \d+ s"))
    waiting = page.get_by_role("region", name="Waiting now")
    expect(waiting.get_by_role("alert")).to_contain_text("cache: Start it.")
    expect(page.get_by_role("row", name=re.compile("^Build"))).to_be_visible()
    page.unroute("**/runners/now*")
    waiting.get_by_role("button", name="Ask again").click()
    expect(waiting).to_contain_text("No job waits or runs.")
    tab.open("/app/runs/4711")
    expect(page.get_by_role("alert").first).to_contain_text("the two cannot be told apart")
    tab.open("/app/explore?branch=nowhere")
    expect(page.get_by_text("Nothing matches this filter.")).to_be_visible()
    page.get_by_role("button", name="without branch: nowhere").click()
    expect(page.get_by_role("table", name="Runs")).to_be_visible()
    tab.open(f"/app/explore?workflow={BUILD}")
    page.get_by_role("button", name="Remove workflow: Build").click()
    expect(page).to_have_url(f"{tab.root}/app/explore")
    # The session ends meanwhile: the filter stays, and the way back in.
    page.route("**/runs?*", refuse(401))
    page.get_by_role("button", name="7d").click()
    ended = page.get_by_role("alert").filter(has_text="Your session ended")
    expect(ended.get_by_role("button", name="Sign in with GitHub")).to_be_visible()
    assert "period=7d" in page.url


def test_whoever_is_not_signed_in_is_shown_the_way_in_alone(
    browser: Browser, site: Site, tab_of: Callable[..., Watched]
) -> None:
    context = browser.new_context()
    page = tab_of(context, 401).open_whole("/app/flaky?period=7d")
    expect(page.get_by_role("main").get_by_role("button")).to_have_text(["Sign in with GitHub"])
    assert page.locator("input[name=next]").get_attribute("value") == "/app/flaky?period=7d"
    assert "acme" not in page.content()
