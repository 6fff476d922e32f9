"""A recovery is asked for where a webhook is known, and tells on its page what it did."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRequest,
    SkipReason,
    build_schedule_context,
    materialize,
)

from actionsight.database import connect
from actionsight.settings import Settings
from github_standin.server.server import serving
from github_standin.world.world import World
from orchestration.webhooks.recovery import (
    REDELIVERIES,
    recover_failed_deliveries,
    recover_webhooks,
    webhook_redeliveries,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def database_with_a_hook(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A repository with a webhook that GitHub does not show."""
    world = World()
    repository = world.add_repository("octo/app")
    with serving(world) as server, connect(str(settings.database_url)) as connection:
        connection.execute(
            "insert into app.repositories (repository_id, full_name, hook_id)"
            " values (%s, 'octo/app', 7)",
            [repository.id],
        )
        connection.commit()
        settings = replace(settings, github_api_url=server.url, github_webhook_secret=("a secret",))
        for name, value in settings.environment().items():
            monkeypatch.setenv(name, value)
        yield


def test_nothing_is_asked_for_where_no_webhook_is_known(
    settings: Settings, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, github_webhook_secret=("a secret",))
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    with build_schedule_context(instance) as context:
        skipped = recover_failed_deliveries(context)
    assert isinstance(skipped, SkipReason)
    assert "No webhook is known" in str(skipped.skip_message)


@pytest.mark.usefixtures("database_with_a_hook")
def test_a_recovery_is_asked_for_unless_one_is_under_way(instance: DagsterInstance) -> None:
    with build_schedule_context(instance) as context:
        assert isinstance(recover_failed_deliveries(context), RunRequest)
        running = DagsterRun(job_name=recover_webhooks.name, status=DagsterRunStatus.STARTED)
        instance.add_run(running)
        assert isinstance(recover_failed_deliveries(context), SkipReason)


@pytest.mark.usefixtures("database_with_a_hook")
def test_a_recovery_tells_what_it_did(instance: DagsterInstance) -> None:
    assert materialize([webhook_redeliveries], instance=instance).success
    event = instance.get_latest_materialization_event(REDELIVERIES)
    assert event is not None
    assert event.asset_materialization is not None
    metadata = {name: of.value for name, of in event.asset_materialization.metadata.items()}
    assert metadata["webhooks_not_read"] == ["/repos/octo/app/hooks/7"]
    counts = [metadata[name] for name in ("found", "failed_again", "asked", "left_for_later")]
    assert (counts, metadata["left_to_the_sweep"]) == ([0, 0, 0, 0], 0)
