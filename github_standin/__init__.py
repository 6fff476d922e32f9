"""A stand-in for GitHub, a fake: its REST API, sign-in and webhooks, from recorded real history or
from a world that a test builds.

It knows GitHub only and nothing of Actionsight. See `README.md` beside this file.
"""

REPOSITORIES = (
    "bitcoin/bitcoin",
    "tenstorrent/tt-forge-onnx",
    "tenstorrent/tt-mlir",
    "tenstorrent/tt-forge",
)
"""The repositories that the recordings fill."""

INVENTED = "invented/storefront"
"""The one that the demonstration shows beside them, to fill what they leave empty."""

SYNTHESISED = (
    "All repositories: in the demonstration dates are moved by whole weeks, hours stay.",
    "All repositories: people, their rights and the App's installations are invented.",
    "bitcoin/bitcoin: a job is created with its run: queue times hold the wait for other jobs too.",
    "bitcoin/bitcoin: labels follow the job's name: runner classes and cost are guesses.",
    "bitcoin/bitcoin: runners are invented; a job cancelled in no time counts as not executed.",
    "bitcoin/bitcoin: every run has one attempt: no re-run and nothing flaky is ever seen.",
    "bitcoin/bitcoin: events follow the branch: push on master, 29.x, 30.x, else pull_request.",
    "bitcoin/bitcoin: actors and forks are unknown: one actor, heads in the repository.",
    "bitcoin/bitcoin: skipped ones are among the cancelled, timed-out among the failed.",
    "bitcoin/bitcoin: the workflow and its run numbers are invented, and there are no steps.",
    "tenstorrent/*: one recorded run each; only default branches and dates of files are invented.",
    "tenstorrent/*: in the demonstration tt-forge is private (in truth it is public).",
    "invented/storefront: all of it is invented; no such project exists.",
)
"""What the recordings lack and the stand-in makes up, with the statistics that rest on it."""
