"""What processes do that tests kill: the command, also in small portions, so that a kill finds
something done and something to do.

They are forked from one that has imported all this, which takes longer than all else that they do.
"""

import logging
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from unittest import mock

from actionsight.github import pagination
from ingestion.github import __main__ as command
from ingestion.github import concurrency
from ingestion.github.loops import backfill, jobs
from ingestion.github.runs import listing, writer

# What the command imports on its way: once, not by each process.
for _name in (
    "dlt",
    "dlt._workspace.cli",
    "dlt.common.libs.pyarrow",
    "dlt.destinations.impl.postgres.postgres",
    "dlt.sources.helpers.requests",
    "ingestion.github.progress",
    "pyarrow.csv",
    "pyarrow.parquet",
    "sqlalchemy",
):
    import_module(_name)

# Pages of so many rows, as many windows as that makes, and loads of a page or two; little is asked
# for ahead of them.
ROWS = 20


def forked(
    target: Callable[[Mapping[str, str]], None], environment: Mapping[str, str]
) -> ForkServerProcess:
    """A process, not yet started, that runs a function of this module."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context.Process(target=target, args=(environment,))


def poll(environment: Mapping[str, str], arguments: Sequence[str] = ()) -> None:
    """What `python -m ingestion.github poll` does."""
    os.environ.update(environment)
    logging.disable()
    raise SystemExit(command.main(["--quiet", "poll", *arguments]))


def collect(environment: Mapping[str, str]) -> None:
    """What `python -m ingestion.github poll --loop backfill` does."""
    os.environ.update(environment)
    logging.disable()
    with (
        mock.patch.object(pagination, "PAGE_SIZES", (ROWS, 5)),
        mock.patch.object(listing, "LISTING_CAP", 3 * ROWS),
        mock.patch.object(writer, "ROWS_PER_LOAD", ROWS),
        mock.patch.object(jobs, "ATTEMPTS_PER_LOAD", ROWS),
        mock.patch.object(backfill, "WIDTH", 1),
        mock.patch.object(jobs, "map_concurrently", partial(concurrency.map_concurrently, width=4)),
    ):
        raise SystemExit(command.main(["--quiet", "poll", "--loop", "backfill"]))
