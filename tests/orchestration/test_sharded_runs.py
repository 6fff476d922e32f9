"""Shards of a poll as Dagster's runs: each takes its part, and none hides another's trouble."""

from collections.abc import Iterator

import pytest
from dagster import DagsterInstance, build_schedule_context

from actionsight.settings import Settings
from actionsight.shards import shards
from orchestration.definitions import defs
from orchestration.polling.assets import COLLECTED
from orchestration.polling.schedules import polling_schedule
from tests.ingestion.factories import Installation, failing, installation
from tests.ingestion.test_shards import history, owners

pytestmark = [pytest.mark.integration, pytest.mark.thorough]


@pytest.fixture
def own(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    with installation(settings) as made:
        environment = {**made.settings.environment(), "ACTIONSIGHT_COLLECTION_SHARDS": "2"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield made


def poll(instance: DagsterInstance) -> list[tuple[bool, set[str]]]:
    """Run what the schedule requests; whether each run's check passed, and what it names."""
    with build_schedule_context(instance) as context:
        requests = polling_schedule(5)(context)
    assert isinstance(requests, list)
    job = defs.resolve_job_def("collect")
    checks = []
    for request in requests:
        done = job.execute_in_process(
            instance=instance, run_config=request.run_config, tags=request.tags
        )
        assert done.success
        [check] = [
            each for each in done.get_asset_check_evaluations() if each.check_name == COLLECTED
        ]
        checks.append((check.passed, set(check.metadata)))
    return checks


def test_each_run_collects_its_shard_and_tells_of_trouble_in_others(
    own: Installation, instance: DagsterInstance
) -> None:
    one, other = owners(own, shards(2))
    for owner in (one, other):
        history(own, owner)
    assert poll(instance) == [(True, set()), (True, set())]
    assert len(own.query("select from raw.repositories")) == 2
    own.server.fault = failing(f"/repos/{one}/app/actions/runs", status=422)
    name = f"{one}/app"
    assert poll(instance) == [(False, {name}), (False, {name})]
    own.server.fault = None
    assert poll(instance) == [(True, set()), (True, set())]
