"""`compare=previous`: the period before, and which differences are clear, by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import sql

from api.filters import RunFilter
from api.stats.comparison import (
    AmountRule,
    ComparisonParameters,
    PercentileRule,
    RateRule,
    read_comparison,
)
from api.stats.intervals import wilson, wilson_sql
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

RANGE = "from=2026-01-08&to=2026-01-14"
KNOWN = {"backfilled_from": "2025-12-01Z"}


def test_the_bounds_of_a_rate_are_wilson_s() -> None:
    # As R's prop.test(x, n, correct = FALSE) has them.
    assert wilson(30, 100) == pytest.approx((0.2189489, 0.3958485), abs=1e-7)
    assert wilson(1, 2) == pytest.approx((0.0945312, 0.9054688), abs=1e-7)
    assert wilson(0, 10) == pytest.approx((0, 0.2775328), abs=1e-7)
    assert wilson(10, 10) == pytest.approx((0.7224672, 1), abs=1e-7)
    assert wilson(0, 0) is None


@pytest.mark.integration
def test_sql_has_the_same_bounds(marts: Marts) -> None:
    lower, upper = wilson_sql("a", "b")
    for part, whole in ((30, 100), (1, 2), (0, 10), (10, 10), (0, 0)):
        row = marts.connection.execute(
            sql.SQL("select {}, {} from (values (%s::bigint, %s::bigint)) as v (a, b)").format(
                sql.SQL(lower), sql.SQL(upper)
            ),
            [part, whole],
        ).fetchone()
        assert row == pytest.approx(wilson(part, whole) or (None, None))


@pytest.mark.parametrize(
    ("rule", "now", "before", "is_clear"),
    [
        (RateRule("part", "whole"), (50, 100), (30, 100), True),
        (RateRule("part", "whole"), (40, 100), (30, 100), False),
        (RateRule("part", "whole"), (1, 1), (0, 0), False),
        (PercentileRule("whole", 50), (120.0, 8), (100.0, 8), True),
        (PercentileRule("whole", 50), (120.0, 7), (100.0, 8), False),
        (PercentileRule("whole", 50), (119.0, 8), (100.0, 8), False),
        (PercentileRule("whole", 75), (36.0, 8), (26.0, 8), True),
        (PercentileRule("whole", 75), (35.9, 8), (26.0, 8), False),
        (PercentileRule("whole", 90), (200.0, 20), (100.0, 19), False),
        (PercentileRule("whole", 95), (80.0, 20), (100.0, 20), True),
        (PercentileRule("whole", 50), (None, 0), (100.0, 20), False),
        (AmountRule("whole"), (24, 20), (20, 20), True),
        (AmountRule("whole"), (23, 20), (20, 20), False),
        (AmountRule("whole"), (24, 19), (20, 20), False),
        (AmountRule("whole"), (5, 20), (0, 20), True),
        (AmountRule("whole"), (0, 20), (0, 20), False),
        (AmountRule("whole"), (None, 20), (5, 20), False),
    ],
)
def test_a_difference_is_clear_where_it_is_no_noise(
    rule: Any, now: tuple[Any, int], before: tuple[Any, int], is_clear: bool
) -> None:
    sides = [dict(zip(("part", "whole"), side, strict=True)) for side in (now, before)]
    assert rule.is_clear("part", *sides) is is_clear


@pytest.mark.integration
def test_a_range_that_is_not_over_is_compared_with_as_much_as_has_passed(marts: Marts) -> None:
    start, now = datetime(2026, 1, 8, tzinfo=UTC), datetime(2026, 1, 10, 6, 30, 59, tzinfo=UTC)
    for end in (datetime(2026, 1, 15, tzinfo=UTC), None):
        values = {"from": start, **({"to": end} if end else {})}
        chosen = RunFilter((), values, {})
        query = ComparisonParameters(compare="previous")
        comparison = read_comparison(marts.connection, query, chosen, now)
        assert comparison is not None
        days = 7 if end else 3
        before = start - timedelta(days=days)
        assert comparison.previous.values == {
            "from": before,
            "to": before + timedelta(days=2, hours=6, minutes=30),
        }
        assert comparison.length == timedelta(days=days)


@pytest.fixture
def history(marts: Marts) -> Marts:
    """Two weeks: 20 runs of a workflow in each, and one of another in the second."""
    marts.repository(1, "acme/widgets", **KNOWN)
    marts.repository(2, "acme/late", backfilled_from="2026-01-04Z")
    marts.workflow(11, 1, "Build")
    marts.workflow(12, 1, "New")
    marts.workflow(21, 2, "Late")
    for number in range(20):
        day = 1 + number % 7
        marts.run(100 + number, 11, f"2026-01-{day:02} 10:00", duration_seconds=100)
        conclusion = "success" if number % 2 else "failure"
        marts.run(
            200 + number,
            11,
            f"2026-01-{day + 7:02} 10:00",
            attempts=[conclusion],
            duration_seconds=130,
        )
    marts.run(300, 12, "2026-01-08 12:00", duration_seconds=5)
    marts.run(400, 21, "2026-01-08 12:00", duration_seconds=5)
    marts.run(401, 21, "2026-01-05 12:00", duration_seconds=5)
    marts.add_up_days()
    return marts


@pytest.mark.integration
def test_every_term_has_its_value_before(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    answer = client.answer(f"/stats?{RANGE}&repository=1&compare=previous", token)
    data = answer["data"]
    assert answer["compared"] == {
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-01-08T00:00:00Z",
        "is_complete": True,
        "reason": None,
    }
    assert answer["filter"]["compare"] == "previous"
    before = client.answer("/stats?from=2026-01-01&to=2026-01-07&repository=1", token)["data"]
    assert data["previous"] == before
    assert data["is_clear"].keys() == before.keys()
    # 10 of 20 successes and one more against 20 of 20; half of the successes of 130 s, before 100.
    assert data["is_clear"]["success_rate"] is True
    assert data["is_clear"]["success_duration_p50_seconds"] is True
    assert data["is_clear"]["success_duration_p95_seconds"] is False  # 11 values
    assert data["is_clear"]["run_count"] is False  # 21 and 20
    assert data["is_clear"]["success_count"] is True  # 11 and 20
    assert data["is_clear"]["is_lower_bound"] is False


@pytest.mark.integration
def test_fields_choose_what_is_compared(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    path = f"/stats?{RANGE}&repository=1&compare=previous&fields=success_rate"
    assert client.answer(path, token)["data"] == {
        "success_rate": 11 / 21,
        "previous": {"success_rate": 1},
        "is_clear": {"success_rate": True},
    }
    csv = client.get(path, headers={**bearer(token), "Accept": "text/csv"}).text
    assert csv.splitlines()[0] == "success_rate,previous_success_rate,is_clear_success_rate"


@pytest.mark.integration
def test_each_group_has_its_own_before_and_one_that_was_not_collected_has_none(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    path = f"/stats?{RANGE}&compare=previous&fields=run_count&group_by=workflow"
    answer = client.answer(path, token)
    found = {row["workflow_id"]: row["previous"] for row in answer["data"]}
    assert found == {11: {"run_count": 20}, 12: {"run_count": 0}, 21: None}
    assert answer["compared"]["is_complete"] is False
    assert "1 of 2 repositories" in answer["compared"]["reason"]
    assert "acme" not in answer["compared"]["reason"]
    whole = client.answer(f"/stats?{RANGE}&compare=previous&fields=run_count", token)["data"]
    assert whole == {"run_count": 22, "previous": None, "is_clear": {"run_count": False}}


@pytest.mark.integration
def test_a_repository_has_no_history_before_its_creation(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    history.connection.execute(
        "update marts.repositories set created_at = '2026-01-04Z' where repository_id = 2"
    )
    path = f"/stats?{RANGE}&repository=2&compare=previous&fields=run_count"
    answer = client.answer(path, token)
    assert (answer["data"]["previous"], answer["compared"]["is_complete"]) == (
        {"run_count": 1},
        True,
    )


@pytest.mark.integration
@pytest.mark.parametrize("by", ["from=2026-01-08&to=2026-01-14", "from=2026-01-08T00:00:00Z"])
def test_a_day_is_compared_with_the_day_so_much_earlier(
    history: Marts, client: ValidatingClient, token: str, by: str
) -> None:
    end = "" if "to=" in by else "&to=2026-01-15T00:00:00Z"
    path = f"/stats?{by}{end}&repository=1&compare=previous&fields=run_count&group_by=day"
    rows = client.answer(path, token)["data"]
    assert [(row["day"], row["run_count"], row["previous"]["run_count"]) for row in rows] == [
        ("2026-01-08", 4, 3),
        *((f"2026-01-{day:02}", 3, 3) for day in range(9, 14)),
        ("2026-01-14", 2, 2),
    ]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "compare"),
        ("to=2026-01-14", "compare"),
        ("from=2026-01-08T00:00:00Z&to=2026-01-09T06:00:00Z&group_by=day", "compare"),
        ("from=0001-01-01&to=2026-01-09", "from"),
    ],
)
def test_what_has_no_period_before_it_is_refused(
    history: Marts, client: ValidatingClient, token: str, query: str, parameter: str
) -> None:
    response = client.get(f"/stats?compare=previous&{query}", headers=bearer(token))
    assert response.status_code == 400
    assert response.json is not None
    assert [error["parameter"] for error in response.json["errors"]] == [parameter]


@pytest.mark.integration
def test_a_workflow_is_compared(history: Marts, client: ValidatingClient, token: str) -> None:
    path = f"/workflows/11?{RANGE}&compare=previous&fields=run_count"
    answer = client.answer(path, token)
    assert answer["data"]["statistics"] == {
        "run_count": 20,
        "previous": {"run_count": 20},
        "is_clear": {"run_count": False},
    }
    assert answer["compared"]["is_complete"] is True
