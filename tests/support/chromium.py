"""A real browser, driven by its own protocol (Chrome DevTools) over a websocket on loopback."""

import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from actionsight import loopback

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
TIMEOUT_SECONDS = 30
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
_PORT_FILE = "DevToolsActivePort"


def find_chromium() -> str | None:
    """The program, if this machine has one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab. What it shows is asked by expressions in JavaScript."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    def command(self, method: str, **parameters: Any) -> Any:
        """Give a command of the protocol; gives its result.

        Raises:
            AssertionError: the browser refused it.
        """
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=TIMEOUT_SECONDS))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def open(self, url: str) -> None:
        """Go to an address, and wait until it is there."""
        self.command("Page.navigate", url=url)
        self.wait_until_at(url)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page; of a promise, what it comes to.

        Raises:
            AssertionError: it threw.
        """
        answer = self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_until_at(self, url: str) -> None:
        """Wait until the browser has come to an address, and all of its page is there."""
        here = f"location.href === {json.dumps(url)}"
        self.wait_until(f"{here} && document.readyState === 'complete'")

    def wait_until(self, condition: str) -> None:
        """Wait until an expression is true in whatever page is there by then.

        Raises:
            AssertionError: it is not, after a while; says where the browser is.
        """
        end = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < end:
            answer = self.command("Runtime.evaluate", expression=condition, returnByValue=True)
            if answer["result"].get("value") is True:
                return
            time.sleep(0.05)
        where = self.evaluate("location.href + ' ' + document.documentElement.innerText")
        raise AssertionError(f"{condition} is not true at {where}")

    def cookies(self) -> dict[str, dict[str, Any]]:
        """All cookies of the browser by name, with their attributes."""
        found = self.command("Network.getAllCookies")["cookies"]
        return {cookie["name"]: cookie for cookie in found}


@contextmanager
def browsing(program: str) -> Generator[Page]:
    """A browser without a window and with nothing stored, that reaches this machine alone."""
    with tempfile.TemporaryDirectory(prefix="actionsight-chromium-") as folder:
        process = subprocess.Popen(
            [
                program,
                "--headless=new",
                *ARGUMENTS,
                "--remote-debugging-port=0",
                f"--user-data-dir={folder}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = _port(Path(folder) / _PORT_FILE, process)
            with connect(_page_address(port), max_size=None, proxy=None) as connection:
                page = Page(connection)
                page.command("Page.enable")
                yield page
                page.command("Browser.close")
            process.wait(timeout=TIMEOUT_SECONDS)
        finally:
            process.kill()
            process.wait()


def _port(path: Path, process: "subprocess.Popen[bytes]") -> int:
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
        if len(lines) == 2:
            return int(lines[0])
        time.sleep(0.05)
    raise AssertionError(f"the browser did not start (exit code {process.poll()})")


def _page_address(port: int) -> str:
    targets = loopback.get(f"http://{loopback.HOST}:{port}/json/list").json()
    (address,) = [of["webSocketDebuggerUrl"] for of in targets if of["type"] == "page"]
    return str(address)
