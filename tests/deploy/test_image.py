"""The image: small, of nothing but what it needs, and of nobody's rights."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from actionsight.settings import ROOT

pytestmark = pytest.mark.unit

CONTAINERFILE = ROOT / "deploy" / "Containerfile"
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent))


@pytest.mark.skipif(HADOLINT is None, reason="make .venv/deploy-installed brings hadolint")
def test_a_linter_has_nothing_to_say() -> None:
    linted = subprocess.run(
        [str(HADOLINT), CONTAINERFILE], capture_output=True, text=True, check=False
    )
    assert (linted.returncode, linted.stdout) == (0, "")


def test_it_runs_as_nobody_who_may_change_it() -> None:
    last_stage = CONTAINERFILE.read_text().rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.+)$", last_stage, re.MULTILINE) == ["10001:10001"]
    assert "--chown" not in last_stage
    assert "ENTRYPOINT" not in last_stage, "a run of Dagster's is another program in this image"


def test_it_is_made_of_everything_that_runs_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    let_in = {line[1:] for line in lines if line.startswith("!")}
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert {pattern.rstrip("*") for pattern in packages["packages"]["find"]["include"]} <= let_in
    assert {path.name for path in ROOT.glob("*.yml")} | {"dagster.yaml", "transform"} <= let_in
    assert all((ROOT / name).exists() for name in let_in)
    assert not let_in & {".env", ".git", "deploy", "tests", "var"}


def test_what_make_is_asked_for_is_there() -> None:
    asked = re.findall(r"\.venv/[\w/.-]+", CONTAINERFILE.read_text())
    targets = [name for name in asked if name.endswith(("-installed", "manifest.json"))]
    assert len(targets) == 4
    for target in targets:
        dry = subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert dry.returncode == 0, dry.stderr
