"""The checks of the marts that no query of dbt's makes: some scopes computed again, constraints."""

from collections.abc import Callable
from typing import Any

import pytest
from dagster import (
    AssetCheckSeverity,
    AssetKey,
    AssetSelection,
    DagsterInstance,
    ExecuteInProcessResult,
    materialize,
)
from dagster_dbt import DbtProject

from actionsight.database import connect
from orchestration.definitions import defs
from orchestration.modelling import drift
from orchestration.modelling.assets import marts
from orchestration.modelling.constraints import constraints_hold
from tests.orchestration.factories import commit_a_load
from tests.support.dbt_project import Project

pytestmark = pytest.mark.integration

WORKFLOWS = AssetKey(["marts", "workflows"])


def judged(result: ExecuteInProcessResult) -> dict[AssetKey, tuple[bool, dict[str, Any]]]:
    """Whether each mart passed, and what is said of it."""
    return {
        each.asset_key: (each.passed, {name: said.value for name, said in each.metadata.items()})
        for each in result.get_asset_check_evaluations()
    }


def look(instance: DagsterInstance) -> dict[AssetKey, tuple[bool, dict[str, Any]]]:
    checks = AssetSelection.checks(constraints_hold)
    return judged(materialize([constraints_hold], selection=checks, instance=instance))


def test_a_row_that_differs_is_told_of_and_made_right(
    dbt_database_url: str, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "WAIT_SECONDS", 1)
    check_drift = defs.resolve_job_def("check_drift")
    commit_a_load(dbt_database_url, "1", workflow_id=1)
    waits = check_drift.execute_in_process(instance=instance)
    assert waits.success
    assert judged(waits) == {}, "a load waits for its build"

    Project().run()
    with connect(dbt_database_url, autocommit=True) as connection:
        name = "select name from marts.workflows"
        before = connection.execute(name).fetchall()
        connection.execute("update marts.workflows set name = 'another'")

        found = judged(check_drift.execute_in_process(instance=instance))

        assert len(found) == len(marts())
        assert [key for key, (passed, _) in found.items() if not passed] == [WORKFLOWS]
        undisturbed = {"scopes": 1, "rows_that_differed": 1, "was_disturbed_by_a_build": False}
        assert found[WORKFLOWS] == (False, undisturbed)
        assert connection.execute(name).fetchall() == before

        connection.execute("update marts.workflows set name = 'another'")
        with monkeypatch.context() as patch:
            patch.setattr(drift.dbt_runner, "rows_written", and_a_load_comes(dbt_database_url))
            disturbed = check_drift.execute_in_process(instance=instance)
    evaluations = {each.asset_key: each for each in disturbed.get_asset_check_evaluations()}
    assert evaluations[WORKFLOWS].severity == AssetCheckSeverity.WARN
    assert not evaluations[WORKFLOWS].passed


def and_a_load_comes(database_url: str) -> Callable[..., dict[str, int]]:
    """The look of the check, at the end of which a load is there that it may have seen or not."""
    look_again = drift.dbt_runner.rows_written

    def rows_written(*selection: str, project: DbtProject) -> dict[str, int]:
        rows = look_again(*selection, project=project)
        commit_a_load(database_url, "2", workflow_id=2)
        return rows

    return rows_written


def test_a_constraint_that_is_not_there_is_missed(
    dbt_database_url: str, instance: DagsterInstance
) -> None:
    found = look(instance)
    assert len(found) == len(marts())
    assert all(passed for passed, _ in found.values())
    with connect(dbt_database_url, autocommit=True) as connection:
        connection.execute("alter table marts.workflows drop constraint workflows_pkey cascade")
        connection.execute("alter table marts.workflows alter column is_stub drop not null")
        connection.execute("alter table marts.jobs add constraint more check (false) not valid")

    found = look(instance)

    passed, said = found[WORKFLOWS]
    assert (passed, said["lacking"]) == (False, "1 primary key, not null of is_stub")
    # Keys of others went with it.
    runs = found[AssetKey(["marts", "workflow_runs"])]
    assert (runs[0], runs[1]["lacking"]) == (False, "1 foreign key")
    assert found[AssetKey(["marts", "repositories"])][0]
