"""GET /app/: how the page is served. What it shows, tests/dashboard asks in a browser."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from werkzeug.test import Client

from actionsight.settings import ROOT
from api.dashboard import views
from tests.api.client import ValidatingClient

pytestmark = pytest.mark.integration

SCRIPT = "index-3f9c.js"


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page as the build leaves it."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Actionsight</title>")
    (tmp_path / "assets" / SCRIPT).write_text("export {};")
    for suffix in (".br", ".gz"):
        (tmp_path / "assets" / f"{SCRIPT}{suffix}").write_text(f"as {suffix}")
    (tmp_path / "secret").write_text("no asset")
    monkeypatch.setattr(views, "BUNDLE", tmp_path)
    return tmp_path


def test_every_address_of_the_page_is_the_same_file_under_a_strict_policy(
    client: ValidatingClient, bundle: Path
) -> None:
    for path in (
        "/app/",
        "/app",
        "/app/runs/7?attempt=2",
        "/app/o/n.github.io/actions/runs/7?pr=1",
    ):
        page = client.get(path)
        assert page.status_code == 200 and page.data == (bundle / "index.html").read_bytes()
        assert page.headers["Cache-Control"] == "no-cache"
        assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src 'self';" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy and "nonce" not in policy


def test_assets_are_kept_for_a_year_and_nothing_else_is_an_asset(
    client: ValidatingClient, bundle: Path
) -> None:
    with client.get(f"/app/assets/{SCRIPT}") as script:
        assert script.status_code == 200 and script.mimetype == "text/javascript"
        assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Content-Encoding" not in script.headers
    for name in ("index-0000.js", "..%2Fsecret", "%2e%2e%2fsecret"):
        answer = client.get(f"/app/assets/{name}")
        assert answer.status_code == 404 or answer.data == (bundle / "index.html").read_bytes()


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", b"as .br"),
        ("gzip, br;q=0", "gzip", b"as .gz"),
        ("gzip;q=0", None, b"export {};"),
    ],
)
def test_assets_come_as_the_build_compressed_them_where_that_is_taken(
    client: ValidatingClient, bundle: Path, accepted: str, encoding: str | None, body: bytes
) -> None:
    # Our own client reads no compressed body.
    with Client(client.application).get(
        f"/app/assets/{SCRIPT}", headers={"Accept-Encoding": accepted}
    ) as script:
        assert script.headers.get("Content-Encoding") == encoding and script.data == body
        assert script.mimetype == "text/javascript" and "Accept-Encoding" in script.vary


def test_the_root_leads_to_the_page(client: ValidatingClient, bundle: Path) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/app/")


def test_without_a_build_the_page_says_what_builds_it(
    client: ValidatingClient, bundle: Path
) -> None:
    (bundle / "index.html").unlink()
    answer = client.get("/app/")
    assert answer.status_code == 503
    assert "make setup" in answer.text
    assert "Sign in with GitHub" in client.get("/").text, "one can still sign in"


PACKAGES = ("actionsight", "api", "github_standin", "ingestion", "orchestration")
WITHOUT_SETUP = """
import sys
sys.prefix = "/nowhere"
from api.dashboard import views
print(views.is_built(), views.BUNDLE)
"""


@pytest.mark.thorough
def test_a_released_package_carries_the_page_and_all_that_its_code_reads(tmp_path: Path) -> None:
    source, unpacked = tmp_path / "source", tmp_path / "unpacked"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "requirements", source / "requirements")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    bundle = source / "api" / "dashboard" / "bundle"
    (bundle / "assets").mkdir(parents=True)
    (bundle / "index.html").touch()
    (bundle / "assets" / SCRIPT).touch()
    expected = {
        str(path.relative_to(source))
        for name in PACKAGES
        for path in (source / name).rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    alone = ("--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            *alone,
            f"--wheel-dir={tmp_path}",
            source,
        ],
        check=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert set(archive.namelist()) >= expected
        archive.extractall(unpacked)
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_SETUP],
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.split() == ["True", str(unpacked / "api" / "dashboard" / "bundle")]
    # What it lacks, it says before it has left anything anywhere.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    up = subprocess.run(
        [sys.executable, "-m", "actionsight.cli.main", "up"],
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        cwd=elsewhere,
        check=False,
        capture_output=True,
        text=True,
    )
    assert up.returncode == 1 and "takes a checkout" in up.stderr
    assert not [*elsewhere.iterdir()] and not (unpacked / "var").exists()
