"""What Dagster's daemon does while nothing happens."""

from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance
from sqlalchemy import Engine, event

from actionsight.settings import ROOT
from orchestration.daemon import ABOUT_TABLES, remember_tables
from orchestration.definitions import defs


@pytest.mark.integration
def test_the_catalog_is_asked_once(
    postgresql_instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for storage, question in ABOUT_TABLES:
        monkeypatch.setattr(storage, question, getattr(storage, question))  # as it is, afterwards
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    remember_tables()
    event.listen(Engine, "before_cursor_execute", note)
    try:
        for _ in range(2):
            asked.clear()
            assert not postgresql_instance.all_instigator_state()
            assert postgresql_instance.get_instigator_state("origin", "selector") is None
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert any("instigators" in statement for statement in asked)
    assert not any("pg_catalog" in statement for statement in asked)


@pytest.mark.unit
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
