"""The lock of what builds the page serves every machine, by whichever registry it has."""

import json

import pytest

from actionsight.settings import ROOT

pytestmark = pytest.mark.unit


def test_the_lock_has_every_platform_and_names_no_registry() -> None:
    text = (ROOT / "dashboard/package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    del packages[""]
    for path, package in packages.items():
        assert package["version"] and package["integrity"].startswith("sha512-"), path
        assert "resolved" not in package and not package.get("hasInstallScript"), path
    for platform in ("linux-x64-gnu", "linux-arm64-gnu", "linux-x64-musl", "darwin-arm64"):
        assert f"node_modules/@rolldown/binding-{platform}" in packages, platform
