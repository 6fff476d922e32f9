"""The rules and the board are made of metrics that there are, and Prometheus takes them."""

import json
import shutil
import subprocess

import pytest

from monitoring.__main__ import FOLDER, files
from monitoring.alerts import ALERTS
from monitoring.board import ROWS
from monitoring.metrics import help_texts, names_in

pytestmark = pytest.mark.unit


def test_the_files_are_as_the_table_of_metrics_has_it() -> None:
    for path, text in files().items():
        assert path.read_text(encoding="utf-8") == text, "run `python -m monitoring`"


def test_only_metrics_that_there_are_are_asked_for() -> None:
    asked = [alert.expression for alert in ALERTS]
    asked += [panel.expression for panels in ROWS.values() for panel in panels]
    named = {name for expression in asked for name in names_in(expression)}
    assert named <= help_texts().keys()
    # Whatever is `…_up` has an alert, and so do webhooks that are lost or late.
    alerting = {name for alert in ALERTS for name in names_in(alert.expression)}
    assert {name for name in help_texts() if name.endswith("_up")} <= alerting


def test_the_board_asks_each_panels_question_of_the_chosen_source() -> None:
    board = json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))
    [variable] = board["templating"]["list"]
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len(panels) == sum(map(len, ROWS.values()))
    for panel in panels:
        assert panel["datasource"]["uid"] == f"${{{variable['name']}}}"
        assert panel["description"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool here")
def test_prometheus_takes_the_rules() -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", FOLDER / "alerts.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
