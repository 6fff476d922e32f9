"""What the page says when there is no answer, none yet, or another zone; and that it says what the
API says."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.dashboard.conftest import ADA, Site, Watched
from tests.dashboard.history import BUILD, MINE

pytestmark = pytest.mark.integration

AWAY = "The server is away."
BY_ITSELF = re.compile(r"by itself in \d+ s")
API = re.compile(
    r"//[^/]+/(me|installation|workflows|branches|changes|costs|stats|run|repositories)"
)


def test_a_server_that_is_away_leaves_what_it_said_and_is_asked_again(tab: Watched) -> None:
    page = tab.open("/app/explore")
    runs = page.get_by_role("region", name="Runs")
    expect(runs.get_by_role("row").nth(1)).to_be_visible()
    page.route(API, lambda route: route.abort())
    page.get_by_role("button", name="7d").click()
    expect(runs.get_by_role("alert")).to_contain_text(
        re.compile(f"{AWAY} Below is what it said at")
    )
    expect(runs.get_by_role("row").nth(1)).to_be_visible()
    # Whoever comes then is told so, too.
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text(AWAY)
    page.unroute(API)
    page.get_by_role("button", name="Ask again").click()
    expect(runs.get_by_role("row").nth(1)).to_be_visible()
    assert "period=7d" in page.url
    # Nobody knows what became of a change.
    tab.open("/app/repositories").get_by_label("Name of the token").fill("lost")
    page.route("**/tokens", lambda route: route.abort())
    page.get_by_role("button", name="Make one for 90 days").click()
    expect(page.get_by_role("status").first).to_contain_text("look whether it was done")


def test_nothing_is_monitored_or_the_history_is_still_to_come(tab: Watched) -> None:
    page = tab.page

    def without_data(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=json.dumps({**answer.json(), "data": []}))

    page.route("**/repositories?*", without_data)
    page.route("**/workflows?*", without_data)
    tab.open("/app/")
    workflows = page.get_by_role("region", name="Workflows")
    expect(workflows).to_contain_text("Nothing is monitored yet, or nothing that you may see")
    workflows.get_by_role("link", name="add a repository").click()
    expect(page.get_by_role("heading", name="Repositories")).to_be_visible()


def test_what_is_too_much_at_once_is_asked_again_before_anybody_is_told(tab: Watched) -> None:
    page, tries = tab.page, []
    tab.refused |= {429}
    problem = {"type": "/problems/too-expensive", "title": "Too many", "status": 429, "detail": ""}

    def busy_at_first(route: Route) -> None:
        tries.append(route.request.url)
        if len(tries) > 1:
            route.continue_()
        else:
            route.fulfill(
                status=429,
                content_type="application/problem+json",
                headers={"Retry-After": "1"},
                body=json.dumps(problem),
            )

    page.route("**/workflows?*", busy_at_first)
    workflows = tab.open("/app/").get_by_role("region", name="Workflows")
    expect(workflows.get_by_role("row").nth(1)).to_be_visible()
    assert len(tries) == 2 and len(set(tries)) == 1


def test_what_is_away_for_a_while_is_asked_again_when_it_said(
    browser: Browser, person: Callable[[str], BrowserContext], tab_of: Callable[..., Watched]
) -> None:
    context = browser.new_context(storage_state=person(ADA).storage_state())
    tab = tab_of(context, 503)
    page = tab.page
    page.clock.install()

    def away(route: Route) -> None:
        route.fulfill(
            status=503,
            content_type="application/problem+json",
            headers={"Retry-After": "30"},
            body=json.dumps(
                {"title": "Not ready", "status": 503, "detail": "The database is away."}
            ),
        )

    # Who looks is not known yet: nobody is sent to sign in for that.
    page.route("**/me", away)
    page.route("**/costs?*", away)
    tab.open("/app/costs")
    told = page.get_by_role("main")
    expect(told).to_contain_text("Not ready. The database is away.")
    expect(told).to_contain_text(BY_ITSELF)
    expect(page.get_by_role("button", name="Sign in with GitHub")).to_have_count(0)
    page.unroute("**/me")
    page.clock.fast_forward(31_000)
    by_day = page.get_by_role("region", name="By day")
    expect(by_day).to_contain_text(BY_ITSELF)
    page.unroute("**/costs?*")
    page.clock.fast_forward(31_000)
    expect(by_day.get_by_role("figure")).to_be_visible()
    context.close()


def test_the_newest_question_is_the_one_that_is_answered(tab: Watched) -> None:
    page, held = tab.page, list[Route]()
    tab.open("/app/repositories")
    tokens = page.get_by_role("region", name="Tokens")
    expect(tokens.get_by_label("Name of the token")).to_be_visible()
    # The list is asked for twice, by making two, and the older answer takes its time.
    page.route("**/tokens", lambda route: _hold_the_first_list(route, held))
    for name in ("older", "newer"):
        page.get_by_label("Name of the token").fill(name)
        page.get_by_role("button", name="Make one for 90 days").click()
        expect(page.get_by_text("Keep it:")).to_be_visible()
        expect(page.get_by_label("Name of the token")).to_have_value("")
    expect(tokens.get_by_role("row", name=re.compile("^newer"))).to_be_visible()
    assert len(held) == 1
    for name in ("older", "newer"):
        row = tokens.get_by_role("row", name=re.compile(f"^{name}"))
        row.get_by_role("button", name="revoke").click()
        expect(row).to_contain_text("revoked")


def _hold_the_first_list(route: Route, held: list[Route]) -> None:
    if route.request.method == "GET" and not held:
        held.append(route)
    else:
        route.continue_()


def test_a_number_that_an_answer_changed_flashes(
    browser: Browser, person: Callable[[str], BrowserContext], tab_of: Callable[..., Watched]
) -> None:
    context = browser.new_context(storage_state=person(ADA).storage_state())
    tab = tab_of(context)
    page = tab.page
    page.clock.install()
    row = tab.open("/app/").get_by_role("row", name=re.compile("^Build "))
    expect(row).to_be_visible()

    def with_more(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        for workflow in body["data"]:
            workflow["statistics"]["flaky_run_count"] += 4200
        headers = {**answer.headers, "etag": '"another"'}
        route.fulfill(response=answer, body=json.dumps(body), headers=headers)

    page.route("**/workflows?*", with_more)
    assert page.evaluate("document.getAnimations().length") == 0
    page.clock.fast_forward(61_000)
    expect(row).to_contain_text("4,200")
    assert page.evaluate("document.getAnimations().length") > 0
    context.close()


def test_times_are_of_the_viewers_zone_with_utc_beside_them(
    browser: Browser, site: Site, person: Callable[[str], BrowserContext], tab_of: Any
) -> None:
    zone = "Asia/Kolkata"
    state = person(ADA).storage_state()
    context = browser.new_context(storage_state=state, timezone_id=zone)
    tab = tab_of(context)
    page = tab.open(f"/app/runs/{MINE}")
    created = datetime.fromisoformat(
        page.request.get(f"{site.root}/runs/{MINE}").json()["data"]["created_at"]
    ).astimezone(UTC)
    shown = page.get_by_role("main").locator("time").first
    expect(shown).to_contain_text(f"{created.astimezone(ZoneInfo(zone)):%H:%M}")
    expect(shown).to_have_attribute("title", f"{created:%Y-%m-%d %H:%M:%S} UTC")
    page.get_by_label("person and preferences").click()
    page.get_by_label("Times in").select_option("UTC")
    expect(shown).to_contain_text(f"{created:%H:%M}")
    tab.open(f"/app/runs/{MINE}")
    expect(shown).to_contain_text(f"{created:%H:%M}")
    context.close()


def test_figures_are_those_of_the_api(tab: Watched) -> None:
    def told(path: str) -> Any:
        return tab.page.request.get(f"{tab.root}{path}").json()["data"]

    def row_of(page: Page, table: str, name: str) -> Any:
        return page.get_by_role("table", name=table).get_by_role(
            "row", name=re.compile(f"^{re.escape(name)}")
        )

    page = tab.open("/app/costs")
    for group in told("/costs?group_by=workflow&period=28d"):
        row = row_of(page, "Costs by workflow", group["workflow_name"])
        expect(row).to_contain_text(_money(group["estimated_cost_usd"]))
        expect(row).to_contain_text(f"{group['billable_minutes']} min")
    month = datetime.now(UTC).strftime("%Y-%m-01")
    so_far = told(f"/costs?from={month}")
    expect(page.locator(".sentence")).to_contain_text(_money(so_far["estimated_cost_usd"]))

    page = tab.open("/app/runners")
    [labels] = told("/runners?period=28d")
    row = row_of(page, "Runners by labels", "ubuntu-latest")
    expect(row).to_contain_text(_duration(labels["job_queue_p95_seconds"]))
    expect(row).to_contain_text(f"n {labels['job_queue_count']}")

    page = tab.open(f"/app/workflows/{BUILD}")
    statistics = told(f"/workflows/{BUILD}?period=28d")["statistics"]
    for label, text in {
        "success": _percent(statistics["success_rate"]),
        "p50": _duration(statistics["success_duration_p50_seconds"]),
        "p95": _duration(statistics["success_duration_p95_seconds"]),
        "cost": _money(statistics["estimated_cost_usd"]),
    }.items():
        number = page.locator("dl div").filter(
            has=page.get_by_role("button", name=f"What is {label}?", exact=True)
        )
        expect(number.locator("strong")).to_have_text(text)

    page = tab.open("/app/explore?sort=-duration_seconds")
    longest = told("/runs?period=28d&sort=-duration_seconds&limit=1")[0]
    first = page.get_by_role("table", name="Runs").get_by_role("row").nth(1)
    expect(first).to_contain_text(longest["display_title"])
    expect(first).to_contain_text(_duration(longest["duration_seconds"]))
    page.get_by_role("button", name="jobs", exact=True).click()
    expect(page.get_by_role("banner")).to_contain_text("as of")


def _money(usd: float) -> str:
    return f"${usd:.2f}"


def _percent(rate: float) -> str:
    return f"{rate * 100:.0f} %" if rate >= 0.1 else f"{rate * 100:.1f} %"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} m {whole % 60:02} s"
