"""dlt tells nobody what it does, however a command is started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actionsight.settings import ROOT

pytestmark = pytest.mark.unit

PIPELINE = """
import sys
from pathlib import Path
from ingestion.github.pipeline import Pipelines
from ingestion.github.schema import PIPELINES
from dlt.common.runtime import anon_tracker

pipelines = Pipelines("postgresql://nobody@127.0.0.1:1/none", Path(sys.argv[1]), "head")
pipelines._pipeline(next(iter(PIPELINES)))
print(anon_tracker._ANON_TRACKER_ENDPOINT)
"""


def test_a_pipeline_has_nowhere_to_tell(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if "TELEMETRY" not in k}
    said = subprocess.run(
        [sys.executable, "-c", PIPELINE, tmp_path],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "None\n", said.stderr
