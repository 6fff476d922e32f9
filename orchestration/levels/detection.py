"""Where a series of durations changes its level: candidates by changeforest, then a filter of ours.

Why this library, and why ranks and logarithms: docs/decisions/0033-changes-of-level.md.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from changeforest import Control, changeforest

from orchestration.levels.definition import LEAST_PERCENT, LEAST_RUNS, LEAST_SECONDS

# A split must explain so many times the variance of ranks, times the logarithm of their number: the
# most, in whole numbers, by which 8 runs after 1,992 faster ones are a level of their own.
PENALTY = 3
# Ranks between 0 and 1 are spread evenly.
VARIANCE = 1 / 12


def levels(values: Sequence[int]) -> list[int]:
    """Where each level of a series after its first begins.

    Args:
        values: durations in seconds, in the order of their runs.

    Returns:
        Positions of the first value of each level, ascending; none where all is one level.
    """
    starts = merge(values, _candidates(values))
    return merge(values, _located(values, starts))


def merge(values: Sequence[int], starts: Sequence[int]) -> list[int]:
    """Merge neighbouring levels until every two are apart: those first that differ least.

    Args:
        values: durations in seconds, in the order of their runs.
        starts: positions at which levels after the first may begin, ascending, no level empty.
    """
    if not starts:
        return []
    found = [list(values[start:end]) for start, end in pairwise([0, *starts, len(values)])]
    medians = [median(level) for level in found]
    while together := [
        (abs(before - after) / max(min(before, after), 1), position)
        for position, (before, after) in enumerate(pairwise(medians))
        if not _are_apart(before, after, len(found[position]), len(found[position + 1]))
    ]:
        _, position = min(together)
        found[position] += found.pop(position + 1)
        medians[position : position + 2] = [median(found[position])]
    return list(accumulate(map(len, found)))[:-1]


def _are_apart(before: float, after: float, runs_before: int, runs_after: int) -> bool:
    difference = abs(before - after)
    return (
        # Relative to the smaller median.
        100 * difference >= LEAST_PERCENT * min(before, after)
        and difference >= LEAST_SECONDS
        and min(runs_before, runs_after) >= LEAST_RUNS
    )


def _candidates(values: Sequence[int]) -> list[int]:
    """Where the mean of ranks changes: outliers, units and spread say nothing.

    Three levels lie nearer to each other in ranks than two, so each that is found is looked at
    again, by the ranks within it.
    """
    count = len(values)
    if count < 2 * LEAST_RUNS:
        return []
    least_gain = PENALTY * VARIANCE * math.log(count)
    found = _split(_ranks(values), "sbs", LEAST_RUNS, least_gain).split_points()
    if not found:
        return []
    within = [
        start + position
        for start, end in pairwise([0, *sorted(found), count])
        for position in _candidates(values[start:end])
    ]
    return sorted(found + within)


def _located(values: Sequence[int], starts: Sequence[int]) -> list[int]:
    """The same levels, each beginning where its runs part best from those before.

    Between the two medians alone: an outlier is as slow as the slower level. Ranks would blur the
    bound, since they are spread evenly whatever the values, and runs too few to be a level would
    borrow some from their neighbours.
    """
    located = list(starts)
    for index, start in enumerate(starts):
        before = located[index - 1] if index else 0
        after = (*starts, len(values))[index + 1]
        lower, upper = sorted([median(values[before:start]), median(values[start:after])])
        clipped = np.clip(np.asarray(values[before:after], dtype=float), lower, upper)
        located[index] = before + _split(clipped, "bs", 2, math.inf).best_split
    return located


def _split(
    values: npt.NDArray[np.float64], segments: str, least_runs: int, least_gain: float
) -> Any:
    """changeforest's result: `best_split` of the whole, `split_points()` of what gains enough."""
    control = Control(
        # A share, which it rounds up; and it leaves one run more than that at the end.
        minimal_relative_segment_length=(least_runs - 1.5) / len(values),
        minimal_gain_to_split=least_gain,
    )
    return changeforest(values.reshape(-1, 1), "change_in_mean", segments, control)


def _ranks(values: Sequence[int]) -> npt.NDArray[np.float64]:
    """The rank of each value as a share of their number; equal values share the mean of theirs."""
    _, positions, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return ((np.cumsum(counts) - (counts - 1) / 2) / len(values))[positions]
