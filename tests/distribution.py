"""Which worker of pytest-xdist runs what: whole files, those that take longest first."""

from typing import Any

from xdist.scheduler import LoadFileScheduling

# What takes long goes to the workers first, in this order.
LONGEST = (
    "tests/transform/",
    "tests/end_to_end/",
    "tests/api/permissions/test_matrix.py",
    "tests/dashboard/",
    "tests/api/fuzzing/",
    "tests/api/webhooks/",
    "tests/api/cache/test_staleness.py",
    "tests/ingestion/",
    "tests/actionsight/local/",
)
# What takes seconds to make is made once, where one worker has all files that share it: marts that
# dbt built, an installation after `actionsight sync`, and a site with people in a browser.
SHARING = {
    "marts": (
        "tests/transform/",
        "tests/orchestration/test_drift.py",
        "tests/orchestration/test_levels_built.py",
        "tests/orchestration/test_passes.py",
        "tests/actionsight/backups/test_databases.py",
        "tests/actionsight/test_purging.py",
        "tests/api/test_real_marts.py",
        "tests/contract/",
    ),
    "site": ("tests/dashboard/",),
    "installation": (
        "tests/end_to_end/test_levels.py",
        "tests/end_to_end/test_sync.py",
        "tests/end_to_end/test_upstream_figures.py",
        "tests/end_to_end/test_workers.py",
    ),
}


def place(nodeid: str) -> int:
    """Where a test stands among those that take long; after them where it does not."""
    for number, prefix in enumerate(LONGEST):
        if nodeid.startswith(prefix):
            return number
    return len(LONGEST)


class LongestFirst(LoadFileScheduling):
    """Gives a worker that has nothing more to do the next file, or all that share something."""

    def __init__(self, config: Any, log: Any = None) -> None:
        super().__init__(config, log)
        # Else the files with the most tests would come first.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        for name, prefixes in SHARING.items():
            if nodeid.startswith(prefixes):
                return name
        return super()._split_scope(nodeid)
