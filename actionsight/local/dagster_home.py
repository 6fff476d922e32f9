"""Dagster's home: the `dagster.yaml` of an installation, which Dagster reads by itself."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from actionsight.settings import ROOT, Settings

# Sections that take the place of those of `dagster.yaml` where runs go to workers.
CELERY = ROOT / "orchestration" / "launchers" / "celery.yaml"
# Runs at once beside those that ask GitHub.
OTHER_RUNS = 3
# Kinds of run (`orchestration/run_kinds.py`) of which there is one for each shard.
SHARDED = {"poll", "first_poll", "sweep", "backfill"}


class MissingPackagesError(RuntimeError):
    """Runs are to go to workers, and what takes them there is not installed."""


def make(settings: Settings) -> Path:
    """Make Dagster's home in the data folder; gives its path.

    Raises:
        MissingPackagesError: says what to do.
    """
    if settings.runs_broker_url is not None:
        check_packages()
    home = settings.data_dir / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f"dagster.yaml.{os.getpid()}"
    draft.write_text(yaml.safe_dump(configuration(settings), sort_keys=False))
    # Another process may just be reading it.
    draft.replace(home / "dagster.yaml")
    return home


def check_packages() -> None:
    """Raise where what sends runs to workers is not installed.

    Raises:
        MissingPackagesError: says what to do.
    """
    if find_spec("dagster_celery") is None:
        raise MissingPackagesError(
            "ACTIONSIGHT_RUNS_BROKER_URL is set, and what sends runs to workers is not installed: "
            "run `make setup EXTRAS=celery` (or install actionsight[celery])"
        )


def configuration(settings: Settings) -> dict[str, Any]:
    """What Dagster is told: `dagster.yaml`, the limits of the settings, and how runs are started.

    A secret is named by its environment variable.
    """
    configured = _sections(ROOT / "dagster.yaml")
    _limit(configured["concurrency"]["runs"], settings)
    if settings.runs_broker_url is not None:
        configured |= _sections(CELERY)
    if settings.dagster_yaml is not None:
        configured |= _sections(settings.dagster_yaml)
    return configured


def most_runs(settings: Settings) -> int:
    """How many runs Dagster lets work at once: a poll, a sweep and a backfill of each shard, and
    some of other kinds."""
    return 3 * settings.collection_shards + OTHER_RUNS


def _limit(runs: dict[str, Any], settings: Settings) -> None:
    runs["max_concurrent_runs"] = most_runs(settings)
    for each in runs["tag_concurrency_limits"]:
        if each["value"] in SHARDED:
            each["limit"] = settings.collection_shards


def _sections(path: Path) -> dict[str, Any]:
    sections: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return sections
