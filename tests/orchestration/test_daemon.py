"""What Dagster's daemon does while nothing happens."""

from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance

from actionsight.settings import ROOT
from orchestration.definitions import defs

pytestmark = pytest.mark.unit


def test_no_daemon_looks_around_for_what_we_do_not_have(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    for elsewhere in ("storage", "run_launcher"):
        del config[elsewhere]
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config))
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        daemons = set(instance.get_required_daemon_types())
    assert daemons == {
        *("SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR", "MONITORING"),
        *("BACKFILL", "FRESHNESS_DAEMON"),
    }
    assert not any(spec.automation_condition for spec in defs.resolve_all_asset_specs()), (
        "an automation condition needs the asset daemon: auto_materialize in dagster.yaml"
    )
