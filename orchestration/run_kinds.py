"""Kinds of runs: Dagster starts no more of one at once than its limit in `dagster.yaml` says.

The limit counts runs, whichever machine they work on, those whose process is gone among them until
monitoring has told so. Shards of a kind are runs of it: where its limit is two, two of them work.
"""

from typing import Literal

KIND_TAG = "actionsight/kind"
Kind = Literal[
    "poll",
    "first_poll",
    "sweep",
    "backfill",
    "build",
    "recovery",
    "reconciliation",
    "drift",
    "levels",
    "retention",
    "purge",
]


def of_kind(kind: Kind) -> dict[str, str]:
    """The tags of a job whose runs are of a kind."""
    return {KIND_TAG: kind}
