"""The library and its settings, by twenty labelled series; the filter, by hand-computed cases."""

import json
import random
from pathlib import Path
from typing import TypedDict

import pytest

from orchestration.levels.detection import levels, merge

pytestmark = pytest.mark.unit


class LabelledSeries(TypedDict):
    """A line of series.jsonl; `tolerance` is in runs."""

    name: str
    description: str
    values: list[int]
    changes: list[int]
    tolerance: int


SERIES: list[LabelledSeries] = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "level-changes" / "series.jsonl")
    .read_text()
    .splitlines()
]


def test_twenty_series_are_labelled() -> None:
    assert len({series["name"] for series in SERIES}) == 20
    assert sum(len(series["changes"]) for series in SERIES) == 12


@pytest.mark.parametrize("series", SERIES, ids=lambda series: series["name"])
def test_levels_begin_where_a_person_sees_them(series: LabelledSeries) -> None:
    found = levels(series["values"])
    assert len(found) == len(series["changes"]), found
    for position, change in zip(found, series["changes"], strict=True):
        assert abs(position - change) <= series["tolerance"], found


@pytest.mark.parametrize("count", [16, 17, 31, 100, 1999, 2000])
@pytest.mark.parametrize("start", ["first", "last"])
def test_a_level_of_8_runs_is_found_at_either_end(count: int, start: str) -> None:
    first = 8 if start == "first" else count - 8
    assert levels([100] * first + [200] * (count - first)) == [first]
    assert levels([200] * first + [100] * (count - first)) == [first]


@pytest.mark.parametrize("noise", [0, 2])
def test_several_short_levels_are_found_to_the_run(noise: int) -> None:
    medians = [100, 160, 90, 300, 200]
    lengths = [12, 14, 8, 9, 30]
    values = [
        value + (noise if place % 2 else -noise)
        for value, length in zip(medians, lengths, strict=True)
        for place in range(length)
    ]
    assert levels(values) == [12, 26, 34, 43]


def test_a_few_runs_of_the_old_level_among_many_of_the_new_are_told_apart() -> None:
    values = [100 + place % 5 for place in range(25)] + [130 + place % 7 for place in range(500)]
    assert levels(values) == [25]


@pytest.mark.parametrize("count", [0, 1, 15])
def test_fewer_than_16_runs_have_one_level(count: int) -> None:
    assert levels([100] * (count // 2) + [900] * (count - count // 2)) == []


def test_any_length_can_be_looked_at() -> None:
    dice = random.Random(1)  # noqa: S311
    for count in [*range(300), 777, 1001]:
        values = [round(100 * dice.lognormvariate(0, 0.3)) for _ in range(count)]
        assert all(8 <= start <= count - 8 for start in levels(values))


@pytest.mark.parametrize("count", range(1, 8))
def test_less_than_8_slower_runs_at_the_end_borrow_none(count: int) -> None:
    assert levels([100, 103, 98] * 10 + [200] * count) == []


def test_an_outlier_beside_a_bound_does_not_move_it() -> None:
    values = [100] * 20 + [130] * 20
    for place in (3, 9, 17, 22, 31, 39):
        values[place] *= 9
    assert levels(values) == [20]


def test_equal_durations_have_one_level() -> None:
    assert levels([3] * 500) == []
    assert levels([0] * 500) == []


@pytest.mark.parametrize(
    ("before", "after", "are_apart"),
    [
        (100, 120, True),
        (100, 119, False),
        (120, 100, True),
        # 20 % of the smaller one, and 11 s, which no binary fraction is.
        (55, 66, True),
        (66, 55, True),
        # 25 % of it, but less than 10 s.
        (36, 45, False),
        (40, 50, True),
        (0, 10, True),
        (0, 9, False),
    ],
)
def test_two_levels_are_20_percent_and_10_seconds_apart(
    before: int, after: int, are_apart: bool
) -> None:
    assert merge([before] * 8 + [after] * 8, [8]) == ([8] if are_apart else [])


def test_a_median_lies_between_two_runs() -> None:
    # The medians are 100 and 120, then 100 and 119.5.
    assert merge([100] * 8 + [0, 0, 0, 0, 240, 240, 240, 240], [8]) == [8]
    assert merge([100] * 8 + [0, 0, 0, 0, 239, 239, 239, 239], [8]) == []


def test_less_than_8_runs_are_no_level() -> None:
    assert merge([100] * 8 + [200] * 7, [8]) == []
    assert merge([100] * 7 + [200] * 8, [7]) == []
    # The seven join what they differ from least.
    assert merge([100] * 8 + [140] * 7 + [300] * 8, [8, 15]) == [15]
    assert merge([100] * 8 + [210] * 7 + [300] * 8, [8, 15]) == [8]


def test_what_differs_least_is_merged_first() -> None:
    """115 is nearer to 130 (13 %) than to 100 (15 %), and with it apart from 100."""
    values = [100] * 8 + [115] * 8 + [130] * 20
    assert merge(values, [8, 16]) == [8]
    # 113 is nearer to 100 (13 %) than to 130 (15 %).
    assert merge([100] * 20 + [113] * 8 + [130] * 8, [20, 28]) == [28]


def test_merged_levels_are_compared_again() -> None:
    # A slow drift: no two neighbours are apart, the ends are.
    values = [value for step in range(6) for value in [100 + 6 * step] * 8]
    starts = merge(values, [8, 16, 24, 32, 40])
    assert len(starts) <= 1
