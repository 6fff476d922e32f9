"""All sensors: what is done within seconds, whatever the schedules say.

- `drain_and_build` drains webhooks in its tick; asks for a build of what drains and polls loaded
- `new_repositories` asks for a poll at the start and after an addition, then for the history
- `purge_requests` asks for the deletion of data that an operator wants deleted
- `disk_budget` looks at the disk, and asks for what can go early
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from dagster import (
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import RUN_KEY_TAG

from actionsight.backlog import newest_unpolled, newest_without_history
from actionsight.database import connect
from actionsight.disk import Disk
from actionsight.purging import requested
from actionsight.settings import load
from actionsight.shards import Shard, holding, shards
from orchestration.dagster_runs import under_way
from orchestration.modelling.builds import build, build_request, full_build
from orchestration.polling.schedules import Requested, backfill, collect, idle, request
from orchestration.purging import purge
from orchestration.retention import retention
from orchestration.run_kinds import of_kind
from orchestration.webhooks.drains import Drains

# The code server imports this module once, when it starts; Dagster takes a key once.
START_KEY = f"start {datetime.now(UTC).isoformat()}"


# A drain of a thousand events takes less than a second and can be repeated at any point, while the
# launch of a run takes many: so it happens in the tick, and only the models run as a run.
@sensor(
    jobs=[build, full_build],
    # The daemon comes round every five seconds; a longer interval would skip every other round.
    minimum_interval_seconds=3,
    default_status=DefaultSensorStatus.RUNNING,
    description="Drains webhooks into the raw tables; asks for a build while unbuilt loads exist.",
)
def drain_and_build(context: SensorEvaluationContext) -> SensorResult:
    """Drain what is buffered, report it, and request a build of what drains and polls loaded."""
    settings = load()
    drains = Drains(settings)
    drains.drain()
    events = drains.materialisations()
    request = build_request(context, str(settings.database_url))
    if isinstance(request, SkipReason):
        return SensorResult(skip_reason=request, asset_events=events)
    return SensorResult(run_requests=[request], asset_events=events)


@sensor(
    jobs=[collect, backfill],
    # Each tick costs the daemon and PostgreSQL a dozen statements, and a first poll can wait.
    minimum_interval_seconds=14,
    default_status=DefaultSensorStatus.RUNNING,
    description="Asks for a poll when Actionsight has started and when a repository was added that "
    "no poll has looked at yet, then for its history.",
)
def new_repositories(context: SensorEvaluationContext) -> Requested:
    """Request the first poll of each shard since the start, then one for the newest addition.

    What they cannot do is left to the schedule.
    """
    settings = load()
    if context.cursor != START_KEY:
        # Whatever was under way before is not waited for: it may have been killed.
        first = [
            request(collect, shard, f"{START_KEY} {shard}", of_kind("first_poll"))
            for shard in shards(settings.collection_shards)
        ]
        keys = [{RUN_KEY_TAG: str(each.run_key)} for each in first]
        if not all(context.instance.get_runs(RunsFilter(tags=key), limit=1) for key in keys):
            return first
        context.update_cursor(START_KEY)
    database_url, count = str(settings.database_url), settings.collection_shards
    if unpolled := newest_unpolled(database_url):
        return _for_additions(context, collect, unpolled, count)
    if without_history := newest_without_history(database_url):
        return _for_additions(context, backfill, without_history, count)
    return SkipReason("Every monitored repository has been polled.")


def _for_additions(
    context: SensorEvaluationContext,
    job: UnresolvedAssetJobDefinition,
    added_at: Mapping[int, datetime],
    count: int,
) -> Requested:
    free = idle(context.instance, job, holding(added_at, count))
    if isinstance(free, SkipReason):
        return free
    # Dagster takes a key once, whichever job it is for, so what failed is not asked for again and
    # again.
    return [
        request(job, shard, f"{job.name} {_newest(added_at, shard).isoformat()} {shard}")
        for shard in free
    ]


def _newest(added_at: Mapping[int, datetime], shard: Shard) -> datetime:
    return max(added_at[slot] for slot in shard.slots if slot in added_at)


@sensor(
    job_name=purge.name,
    minimum_interval_seconds=30,
    default_status=DefaultSensorStatus.RUNNING,
    description="Asks for a purge while one is requested and none is under way.",
)
def purge_requests(context: SensorEvaluationContext) -> RunRequest | SkipReason:
    """Request a run; one that was killed is no more under way, and the next goes on."""
    with connect(str(load().database_url), autocommit=True) as connection:
        if not requested(connection):
            return SkipReason("Nothing is to be purged.")
    running = under_way(context.instance, [purge.name])
    if running:
        return SkipReason(f"The purge {running[0].run_id[:8]} is under way.")
    return RunRequest()


@sensor(
    job_name=retention.name,
    minimum_interval_seconds=60,
    default_status=DefaultSensorStatus.RUNNING,
    description="Asks for retention, by which payloads go early, while the disk is nearly full.",
)
def disk_budget(context: SensorEvaluationContext) -> RunRequest | SkipReason:
    """Request it once an hour at most: what could go has gone."""
    usage = Disk(load()).measure()
    if not usage.is_nearly_full:
        return SkipReason(f"{usage.line()}.")
    context.log.warning(
        "The disk is nearly full: %s. Payloads of webhooks go early; from 95 %% on webhooks are"
        " refused. Raise ACTIONSIGHT_DISK_GB, or make room.",
        usage.line(),
    )
    if running := under_way(context.instance, [retention.name]):
        return SkipReason(f"{usage.line()}; the run {running[0].run_id[:8]} is under way.")
    return RunRequest(run_key=f"nearly full {datetime.now(UTC):%Y-%m-%d %H}")
