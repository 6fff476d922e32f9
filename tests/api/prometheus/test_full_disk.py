"""A full disk costs numbers at most: who counts goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actionsight.settings import ROOT
from tests.small_disk import small_disk

pytestmark = pytest.mark.unit

# More series than there is room for in what a disk gives in one piece.
COUNT = """
from api.prometheus.counters import Counters
from tests.small_disk import SmallDisk
from pathlib import Path
import sys

disk = SmallDisk(Path(sys.argv[1]))
if sys.argv[2] == "before":
    disk.fill()
counters = Counters()
counters.count("GET", "/", 200, 0.1)
if sys.argv[2] == "after":
    disk.fill()
for number in range(100):
    counters.count("GET", f"/{number}", 200, 0.1)
print(sum(
    sample.value
    for metric in counters.collect()
    for sample in metric.samples
    if sample.name == "actionsight_http_requests_total"
))
"""


@pytest.mark.parametrize(("filled", "told"), [("after", 101), ("before", 0)])
def test_who_counts_survives_a_full_disk(tmp_path: Path, filled: str, told: int) -> None:
    with small_disk(tmp_path / "metrics", megabytes=4) as disk:
        counting = subprocess.run(
            [sys.executable, "-c", COUNT, disk.folder, filled],
            cwd=ROOT,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(disk.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert counting.returncode == 0, counting.stderr
    assert float(counting.stdout or 0) == told
