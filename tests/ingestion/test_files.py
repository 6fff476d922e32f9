"""Collection leaves no more files each time: what fills a disk's inodes in a year is found here."""

from pathlib import Path

import pytest

from tests.ingestion.factories import MINUTE, Installation, run, workflow

pytestmark = pytest.mark.integration


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_each_poll_that_loads_leaves_the_files_of_the_one_before(own: Installation) -> None:
    of = workflow(own.world)
    own.monitor("octo/hello")
    left = []
    for _ in range(4):
        run(of, own.world, own.clock.now)
        own.clock.advance(10 * MINUTE)
        assert own.collect()[-1].rows_changed["workflow_jobs"]
        left.append(files(own.settings.data_dir))
    assert left[0]
    assert left[1:] == [left[0]] * 3
