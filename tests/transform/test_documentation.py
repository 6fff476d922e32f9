"""`make docs` tells of every mart what it is, where its columns come from, and its keys."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from actionsight.settings import ROOT
from tests.transform.test_manifest import MARTS, layer_of

pytestmark = pytest.mark.integration
# What goes through lateral or recursive subqueries cannot be traced.
UNTRACED = {
    "int_github__jobs",
    "int_github__workflow_run_attempts",
    "branch_health_intervals",
    "collection_health_by_day",
    "workflow_statistics_by_day",
}


@pytest.mark.thorough
def test_the_documentation_is_of_every_mart(history_database_url: str, tmp_path: Path) -> None:
    folders = [f"DOCS={tmp_path / 'docs'}", f"DBT_DOCS={tmp_path / 'dbt'}"]
    names = {"DBT_TARGET_PATH", "DBT_LOG_PATH"}
    environment = {name: value for name, value in os.environ.items() if name not in names}
    subprocess.run(["make", "docs", *folders], cwd=ROOT, env=environment, check=True)

    site, columns = (
        (tmp_path / "docs" / name).read_text() for name in ("index.html", "columns.html")
    )
    assert [mart["name"] for mart in MARTS if mart["unique_id"] not in site] == []
    assert "window.colibriTelemetry = false" in columns
    assert not list((tmp_path / "dbt/columns").glob("*errors*"))
    report = json.loads((tmp_path / "dbt/columns/colibri-manifest.json").read_text())
    traced = {(edge["target"], edge["targetColumn"]) for edge in report["lineage"]["edges"]}
    all_columns = [(mart["unique_id"], column) for mart in MARTS for column in mart["columns"]]
    # Counts come from no column.
    of_others = {each for each in all_columns if each[0].split(".")[-1] not in UNTRACED}
    assert len(traced & of_others) > 0.9 * len(of_others)
    keys = (tmp_path / "docs/keys.md").read_text()
    lines = re.findall(r'^ *"(\w+)" .*-- ?.* "(\w+)": ', keys, re.MULTILINE)
    shown = [mart for mart in MARTS if layer_of(mart) == "marts"]
    foreign = [key for mart in shown for key in mart["constraints"] if key["type"] == "foreign_key"]
    assert len(lines) == len(foreign)
