"""The checks of the marts that no query of dbt's makes: some scopes computed again, constraints."""

from typing import Any

import pytest
from dagster import AssetKey, AssetSelection, DagsterInstance, ExecuteInProcessResult, materialize

from actionsight.database import connect
from orchestration.definitions import defs
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
    dbt_database_url: str, instance: DagsterInstance
) -> None:
    check_drift = defs.resolve_job_def("check_drift")
    commit_a_load(dbt_database_url, "1", workflow_id=1)
    waits = check_drift.execute_in_process(instance=instance)
    assert waits.success
    assert judged(waits) == {}, "a load waits for its build"

    Project().run()
    found = judged(check_drift.execute_in_process(instance=instance))
    assert len(found) == len(marts())
    assert all(passed for passed, _ in found.values())
    with connect(dbt_database_url, autocommit=True) as connection:
        name = "select name from marts.workflows"
        before = connection.execute(name).fetchall()
        connection.execute("update marts.workflows set name = 'another'")

        found = judged(check_drift.execute_in_process(instance=instance))

        assert [key for key, (passed, _) in found.items() if not passed] == [WORKFLOWS]
        assert found[WORKFLOWS] == (False, {"scopes": 1, "rows_that_differed": 1})
        assert connection.execute(name).fetchall() == before


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
