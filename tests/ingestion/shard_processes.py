"""Workers of one shard each, as processes with folders of their own."""

import logging
import os
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from psycopg import Connection

from actionsight.github.rate_limit.models import Limits
from actionsight.github.retries import RetryPolicy
from actionsight.settings import Settings, load
from actionsight.shards import SLOTS, Shard
from github_standin.world.people import APP_ID
from github_standin.world.world import World
from ingestion.github import stages
from ingestion.github.sync import start_sync
from tests.ingestion import killable_commands

# Limits are of minutes: six seconds of the test are one. Not much less, since a process that stands
# still for a minute between leave to ask and its question has lost that leave.
SPEED = 10
LIMITS = Limits(concurrent=24, points_per_minute=180)


@dataclass(frozen=True)
class FastTime:
    """The same for all processes."""

    began_at: float
    speed: float = SPEED

    def clock(self) -> float:
        return self.began_at + (time.time() - self.began_at) * self.speed

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.speed)


def collect_shard(
    environment: Mapping[str, str],
    shard: Shard,
    fast: FastTime,
    limits: Limits,
    longest_wait_seconds: float,
) -> None:
    """A whole poll of a shard, within limits of fast minutes."""
    os.environ.update(environment)
    logging.disable()
    with start_sync(
        load(),
        shard=shard,
        is_watched=True,
        retry_policy=RetryPolicy(
            longest_wait_seconds=longest_wait_seconds, sleep=fast.sleep, clock=fast.clock
        ),
        limits=limits,
    ) as sync:
        stages.collect_repositories(sync)
        stages.collect_runs(sync)
        stages.collect_jobs(sync)


def worker(
    settings: Settings,
    folder: Path,
    shard: Shard,
    fast: FastTime,
    *,
    limits: Limits = LIMITS,
    longest_wait_seconds: float = 3_700,
) -> ForkServerProcess:
    """A process, not yet started, that collects a shard with a folder of its own."""
    own = replace(settings, data_dir=folder / f"worker {shard.number}")
    collect = partial(
        collect_shard,
        shard=shard,
        fast=fast,
        limits=limits,
        longest_wait_seconds=longest_wait_seconds,
    )
    return killable_commands.forked(collect, own.environment())


def owners_of(connection: Connection[Any], wanted: Collection[Shard]) -> list[str]:
    """Names of owners, one of each of these shards."""
    rows = connection.execute(
        "select name, app.collection_slot(name) from unnest(%s::text[]) as name",
        [[f"owner-{number}" for number in range(10 * SLOTS)]],
    ).fetchall()
    return [next(name for name, slot in rows if slot in shard.slots) for shard in wanted]


def as_app(settings: Settings, world: World, owners: Iterable[str]) -> Settings:
    """Install a GitHub App on these owners; gives what asks as the App alone."""
    key = rsa.generate_private_key(65_537, 2_048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    world.people.register_app("client", "secret", [], public_key=public.decode())
    for owner in owners:
        world.people.install(owner)
    return replace(
        settings,
        github_token=None,
        github_app_id=str(APP_ID),
        github_app_private_key=private.decode().strip(),
        secret_key="k" * 32,
    )
