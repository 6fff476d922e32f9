"""Take the pictures in `docs/pictures`, of a demonstration of their own: `make pictures`."""

import shutil
import sys
import tempfile
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page

from actionsight.settings import ROOT
from github_standin import INVENTED
from tests.end_to_end.demonstration import Demonstration
from tests.support.browser import MISSING, chromium, find_chromium

FOLDER = ROOT / "docs" / "pictures"
WHO = "standin-developer"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTH, HEIGHT = 1200, 660
MOST_BYTES = 150_000
PATIENCE_SECONDS = 300


def main() -> int:
    """Write a picture of each of the four main views in each theme; 1 where no browser is."""
    program = find_chromium()
    if program is None:
        print(MISSING)  # noqa: T201
        return 1
    FOLDER.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="actionsight-pictures-"))
    folder.chmod(0o711)  # PostgreSQL's user has to get through
    try:
        demonstration = Demonstration(folder / "data")
        with demonstration.up(), chromium(program) as browser:
            wait_until_full(demonstration)
            for theme in THEMES:
                for picture in take(browser, demonstration, theme):
                    size = picture.stat().st_size
                    print(f"{picture.relative_to(ROOT)}: {size:,} bytes")  # noqa: T201
                    assert size <= MOST_BYTES
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def wait_until_full(demonstration: Demonstration) -> None:
    """Until everything is collected and built, changes of level last."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            if any(change["since"] for change in demonstration.ask("/changes")["data"]):
                return
        except urllib.error.HTTPError as error:
            assert error.code == 503, error  # the marts are not built yet
        time.sleep(1)
    raise AssertionError("no change of level was found")


def take(
    browser: Browser, demonstration: Demonstration, theme: Literal["light", "dark"]
) -> Iterator[Path]:
    """The pictures of one theme, each written."""
    root = f"http://127.0.0.1:{demonstration.api_port}"
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=theme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(f"{root}/app/")
    page.get_by_role("button", name="Sign in with GitHub").click()
    page.get_by_role("button", name=f"Sign in as {WHO}").click()
    page.get_by_role("heading", name="Overview").wait_for()
    for name, path in views(demonstration).items():
        page.goto(root + path)
        show(page, name)
        picture = FOLDER / f"{name}-{theme}.png"
        page.screenshot(path=picture)
        yield picture
    context.close()


def views(demonstration: Demonstration) -> dict[str, str]:
    """Where each view is looked at."""
    found = demonstration.ask(f"/workflows?repository={INVENTED}")["data"]
    workflows = {of["name"]: of["workflow_id"] for of in found}
    [run, *_] = demonstration.ask(f"/runs?workflow={workflows['Browser tests']}&actor={WHO}")[
        "data"
    ]
    return {
        "overview": "/app/",
        "workflow": f"/app/workflows/{workflows['CI']}",
        "run": f"/app/runs/{run['run_id']}",
        "flaky": "/app/flaky",
    }


def show(page: Page, name: str) -> None:
    """Wait for all answers, and open what is folded and worth a look."""
    page.wait_for_load_state("networkidle")
    if name == "flaky":
        page.get_by_role("button", name="phones / payments").click()
        page.get_by_role("table", name="Evidence for phones / payments").wait_for()


if __name__ == "__main__":
    sys.exit(main())
