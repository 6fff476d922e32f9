"""Polls happen every so many minutes, whatever the number, and never pile up."""

from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    SkipReason,
    build_schedule_context,
)

from orchestration.polling.schedules import (
    SHARD_TAG,
    collect,
    cron_expressions,
    polling_schedule,
)

pytestmark = pytest.mark.unit


def minutes_of_a_day(expressions: list[str]) -> list[int]:
    """The minutes of a day that cron expressions name, sorted."""
    found = []
    for expression in expressions:
        minutes, hours, *rest = expression.split()
        assert rest == ["*", "*", "*"]
        found += [int(h) * 60 + int(m) for h in hours.split(",") for m in minutes.split(",")]
    return sorted(found)


@pytest.mark.parametrize("minutes", [1, 5, 7, 45, 60, 90, 1000, 1440])
def test_every_interval_is_kept_from_midnight_on(minutes: int) -> None:
    assert minutes_of_a_day(cron_expressions(minutes)) == list(range(0, 1440, minutes))


def asked(instance: DagsterInstance) -> dict[str, Any]:
    """What each requested poll is told, by its shard."""
    with build_schedule_context(instance) as context:
        requests = polling_schedule(5)(context)
    assert isinstance(requests, list)
    return {each.tags[SHARD_TAG]: each.run_config["ops"]["github"]["config"] for each in requests}


def test_a_poll_is_requested_when_none_is_under_way(instance: DagsterInstance) -> None:
    assert asked(instance) == {"1/1": {"loops": ["head", "open"], "shard": "1/1"}}


def test_a_poll_is_requested_of_each_shard_of_which_none_is_under_way(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONSIGHT_COLLECTION_SHARDS", "3")
    assert asked(instance).keys() == {"1/3", "2/3", "3/3"}
    for shard in ("2/3", "1/2"):
        instance.add_run(
            DagsterRun(
                job_name=collect.name, status=DagsterRunStatus.STARTED, tags={SHARD_TAG: shard}
            )
        )
    assert asked(instance).keys() == {"1/3", "3/3"}


def test_no_poll_is_requested_while_one_is_under_way(instance: DagsterInstance) -> None:
    with build_schedule_context(instance) as context:
        instance.add_run(DagsterRun(job_name=collect.name, status=DagsterRunStatus.STARTED))
        skipped = polling_schedule(5)(context)
        assert isinstance(skipped, SkipReason)
        assert "still under way" in str(skipped.skip_message)
