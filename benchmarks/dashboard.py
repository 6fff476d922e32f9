"""How long a person waits for the page, in a real browser.

    .venv/bin/python -m benchmarks.dashboard [--rounds 5] [--folder DIR]

Everything as in production: granian with two workers, embedded PostgreSQL and Valkey, a person who
signed in. The API is warm, the browser is not: each round has a new one, which has nothing stored.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page

from actionsight import api_server
from actionsight.database import connect
from actionsight.local import ValkeyServer, hold
from actionsight.local.valkey import CACHE
from actionsight.loopback import HOST
from benchmarks.store import generated_store
from github_standin.server.server import serving
from github_standin.world.world import World
from tests.api.sign_in.browser import CALLBACK, CLIENT_ID, CLIENT_SECRET, with_sign_in
from tests.support.browser import MISSING, chromium, find_chromium
from tests.support.generated_marts import Size
from tests.support.granian import served
from tests.support.installation import settings_of
from tests.support.ports import free_port

# The first workflow has a third of all runs, some 5,000; the newest run has 256 jobs.
SIZE = Size(42_000, workflows=40, repositories=6, days=90)
TWO_FRAMES = """() => new Promise((tell) =>
    requestAnimationFrame(() => requestAnimationFrame(() => tell(performance.now()))))"""
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
SCRIPTS = """() => performance.getEntriesByType('resource')
    .filter((entry) => entry.name.endsWith('.js'))
    .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""


@dataclass(frozen=True)
class Site:
    """The page over a made-up history, and a person whom the stand-in knows."""

    root: str
    login: str
    newest_run: int


def main() -> None:
    """Measure, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keeps the history for the next time")
    arguments = parser.parse_args()
    program = find_chromium()
    if program is None:
        parser.error(MISSING)
    with site(arguments.folder) as measured, chromium(program) as browser:
        _measure(measured, browser, arguments.rounds)


@contextmanager
def site(folder: Path | None) -> Generator[Site]:
    """All servers, until the context ends."""
    with ExitStack() as stack:
        own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="actionsight-page-")))
        own.chmod(0o755)
        url = stack.enter_context(generated_store(folder or own / "store", SIZE))
        cache_url = stack.enter_context(hold(ValkeyServer(own / "cache", "the cache", CACHE)))
        world = World()
        world.people.add_user("ada", user_id=1001)
        github = stack.enter_context(serving(world))
        with connect(url, autocommit=True) as connection:
            connection.execute(
                "update app.repositories set visibility = 'public', visibility_seen_at = now(), "
                "observed_until = now(), newest_observation_at = now()"
            )
            [[newest_run]] = connection.execute("select max(run_id) from marts.workflow_runs")
        port = free_port()
        root = f"http://{HOST}:{port}"
        world.people.register_app(CLIENT_ID, CLIENT_SECRET, [root + CALLBACK])
        settings = replace(
            with_sign_in(settings_of(url, cache_url=cache_url), github.url), public_url=root
        )
        stack.enter_context(
            served(api_server.APPLICATION, settings.environment(), own / "api.log", port)
        )
        yield Site(root, "ada", newest_run)


def _measure(of: Site, browser: Browser, rounds: int) -> None:
    person = browser.new_context()
    page = person.new_page()
    page.goto(f"{of.root}/app/")
    page.get_by_role("button", name="Sign in with GitHub").click()
    page.get_by_role("button", name=f"Sign in as {of.login}").click()
    page.get_by_role("heading", name="Overview").wait_for()
    state = person.storage_state()
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        context = browser.new_context(storage_state=state, viewport={"width": 1280, "height": 800})
        times = _one_round(of, context)
        context.close()
        if number:  # the first warms the API
            for name, value in times.items():
                found.setdefault(name, []).append(value)
    print(f"load {os.getloadavg()[0]:.1f}, {rounds} rounds\n")
    for name, values in found.items():
        middle, unit = statistics.median(values), "kB" if "kB" in name else "s"
        print(f"{name:<45} {middle:6.2f} {unit} ({min(values):.2f} to {max(values):.2f})")


def _one_round(of: Site, context: BrowserContext) -> dict[str, float]:
    page = context.new_page()
    workflows = page.get_by_role("table", name="Workflows").get_by_role("row")
    overview = _drawn(page, f"{of.root}/app/", workflows.nth(1))
    times = {
        "first contentful paint": page.evaluate(FIRST_PAINT) / 1000,
        "Overview, until its table of workflows": overview,
        "script of the first load, kB as sent": page.evaluate(SCRIPTS) / 1000,
    }
    grid = page.get_by_role("treegrid").get_by_role("row")
    times["run with 256 jobs, drawn"] = _drawn(
        page, f"{of.root}/app/runs/{of.newest_run}", grid.nth(256)
    )
    dots = page.get_by_role("region", name="Every run").locator("svg .dots")
    times["workflow with 5,000 runs, drawn"] = _drawn(
        page, f"{of.root}/app/workflows/1?period=90d", dots.first
    )
    page.close()
    return times


def _drawn(page: Page, address: str, what: Locator) -> float:
    """Seconds from navigation to two frames after something is there."""
    page.goto(address, wait_until="commit")
    what.wait_for(state="attached")
    return float(page.evaluate(TWO_FRAMES)) / 1000


if __name__ == "__main__":
    main()
