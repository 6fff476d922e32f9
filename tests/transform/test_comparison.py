"""The comparison finds every kind of departure."""

from decimal import Decimal
from typing import Any

import pytest

from tests.transform.comparison import NOT_NEEDED, differences, name_key
from tests.transform.raw_rows import Row

pytestmark = pytest.mark.unit

KEYS = {
    "jobs": ["job_id"],
    "job_statistics_by_day": ["workflow_id", "job_name_key"],
    "runner_statistics_by_hour": ["labels_key"],
}
TRUE: dict[str, list[Row]] = {
    "jobs": [
        {
            "job_id": 1,
            "name": "a",
            "is_impossible_queue": False,
            "minutes": Decimal(2),
            "labels": [],
        },
        {"job_id": 2, "name": None, "is_impossible_queue": False, "minutes": None, "labels": None},
    ],
    "job_statistics_by_day": [{"workflow_id": 1, "job_name": "a", "rate": 1 / 3}],
    "runner_statistics_by_hour": [
        {"labels": [], "job_count": 1},
        {"labels": ["linux", "x"], "job_count": 2},
    ],
}


def stored() -> dict[str, list[Row]]:
    """As the marts hold it."""
    jobs = [{**row, "job_name_key": name_key(row["name"])} for row in TRUE["jobs"]]
    [day] = TRUE["job_statistics_by_day"]
    return {
        "jobs": [{**row, "labels_key": 7} for row in jobs],
        "job_statistics_by_day": [
            {**day, "job_name_key": name_key("a"), "rate": Decimal("0.333333")},
        ],
        "runner_statistics_by_hour": [
            {"labels": None, "labels_key": 7, "job_count": 1},
            {"labels": ["linux", "x"], "labels_key": 8, "job_count": 2},
        ],
    }


def found(rows: dict[str, list[Row]]) -> Any:
    return sorted(
        ((mart, column) for mart, _, column, _, _ in differences(rows, TRUE, KEYS)), key=str
    )


def test_marts_that_are_right_differ_in_nothing() -> None:
    assert differences(stored(), TRUE, KEYS) == []


@pytest.mark.parametrize(
    ("mart", "changes", "column"),
    [
        ("jobs", {"name": "b", "job_name_key": name_key("b")}, "name"),
        ("jobs", {"minutes": None}, "minutes"),
        ("jobs", {"minutes": Decimal("2.000001")}, "minutes"),
        ("jobs", {"job_name_key": name_key("b")}, "job_name_key"),
        ("job_statistics_by_day", {"rate": 0.3333}, "rate"),
        ("runner_statistics_by_hour", {"labels_key": 8}, "labels_key"),
    ],
)
def test_a_value_that_is_wrong(mart: str, changes: Row, column: str) -> None:
    rows = stored()
    rows[mart][0] |= changes
    assert found(rows) == [(mart, column)]


def test_a_row_that_is_missing_and_one_too_many() -> None:
    rows = stored()
    rows["jobs"][0]["job_id"] = 3
    assert found(rows) == [("jobs", ""), ("jobs", "")]


def test_a_column_that_nothing_checks_and_one_that_is_missing() -> None:
    rows = stored()
    for row in rows["jobs"]:
        row["new"] = row.pop("minutes")
    assert found(rows) == [("jobs", "minutes"), ("jobs", "new")]


def test_what_no_contract_names_may_be_missing() -> None:
    assert "is_impossible_queue" in NOT_NEEDED["jobs"]
    rows = stored()
    for row in rows["jobs"]:
        del row["is_impossible_queue"]
    assert differences(rows, TRUE, KEYS) == []


def test_a_key_that_two_rows_of_the_reference_share() -> None:
    doubled = {**TRUE, "jobs": [*TRUE["jobs"], TRUE["jobs"][0]]}
    assert [found[3] for found in differences(stored(), doubled, KEYS)] == [
        "the reference repeats a key"
    ]
