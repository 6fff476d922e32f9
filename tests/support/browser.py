"""Debian's chromium, driven by Playwright, which reaches this machine alone."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = [
    "--no-sandbox",  # root cannot have one; it only sees pages of this machine
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
# Of a machine that does much else.
PATIENCE_MILLISECONDS = 20_000


MISSING = "no chromium on this machine (Debian and Ubuntu: the package chromium)"


def find_chromium() -> str | None:
    """The program, if this machine has one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium(program: str) -> Generator[Browser]:
    """A browser without a window.

    No loop of asyncio can run in this thread meanwhile: Playwright's does.
    """
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()
