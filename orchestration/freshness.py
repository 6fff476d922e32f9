"""How old what an asset shows may be before Dagster calls it stale: as its schedule promises."""

from datetime import timedelta

from dagster import FreshnessPolicy

FULL_BUILD_CRON = "47 2 * * *"


def polled(poll_minutes: int) -> FreshnessPolicy:
    """Every poll writes, also where nothing has changed; some may take long, or be left out."""
    cycle = timedelta(minutes=poll_minutes)
    return FreshnessPolicy.time_window(
        warn_window=2 * cycle + timedelta(minutes=15), fail_window=4 * cycle + timedelta(hours=1)
    )


# Where nothing happens, nothing is built but by night.
nightly = FreshnessPolicy.cron(deadline_cron="47 4 * * *", lower_bound_delta=timedelta(hours=2))
