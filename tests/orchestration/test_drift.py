"""The check that computes some scopes of the marts again."""

from pathlib import Path

import pytest
from dagster import DagsterInstance

from actionsight.database import connect
from orchestration.modelling.drift import check_drift
from tests.orchestration.factories import commit_a_load
from tests.support.dbt_project import Project

pytestmark = pytest.mark.integration


def test_a_row_that_differs_is_told_of_and_made_right(
    dbt_database_url: str, instance: DagsterInstance, tmp_path: Path
) -> None:
    commit_a_load(dbt_database_url, "1", workflow_id=1)
    Project().run()
    assert check_drift.execute_in_process(instance=instance).success
    with connect(dbt_database_url, autocommit=True) as connection:
        name = "select name from marts.workflows"
        before = connection.execute(name).fetchall()
        connection.execute("update marts.workflows set name = 'another'")

        result = check_drift.execute_in_process(instance=instance, raise_on_error=False)

        assert not result.success
        [failure] = [event for event in result.all_events if event.is_step_failure]
        assert "workflows (1)" in str(failure.event_specific_data)
        assert connection.execute(name).fetchall() == before
    assert check_drift.execute_in_process(instance=instance).success
