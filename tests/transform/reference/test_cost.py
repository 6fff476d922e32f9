"""Minutes, waste and money."""

from decimal import Decimal
from typing import Any

import pytest

from tests.transform.factories import repository, repository_state, runner_price
from tests.transform.reference.cases import PRICES, at, column, job, marts, one, run, state

pytestmark = pytest.mark.unit

MINUTES = ("billable_minutes", "self_hosted_minutes", "unknown_minutes")


def billed(completed: str = "10:10", **changes: Any) -> Any:
    return one(marts(run(1, "10:00"), job(1, "10:00", completed, **changes))["jobs"])


def minutes(**changes: Any) -> list[Any]:
    found = billed(**changes)
    return [found["runner_class"], *(found[name] for name in MINUTES)]


def test_minutes_go_by_the_class_of_the_runner() -> None:
    assert minutes() == ["linux", 10, 0, 0]
    assert minutes(labels=["X", "Ubuntu-24.04-4-cores"]) == ["linux_4_core", 10, 0, 0]
    assert minutes(labels=["linux", "self-hosted"]) == ["self_hosted", 0, 10, 0]
    assert minutes(labels=["arc-runner-set"]) == ["unknown", 0, 0, 10]
    assert minutes(labels=[]) == minutes(labels=None) == ["unknown", 0, 0, 10]
    assert minutes(completed="10:00") == ["linux", 0, 0, 0]
    assert minutes(completed="10:00:01") == ["linux", 1, 0, 0]
    assert minutes(completed="09:00") == ["linux", 0, 0, 0]
    assert minutes(status="in_progress", completed_at=None) == ["linux", None, None, None]


def test_a_standard_label_on_a_runner_of_ones_own_is_self_hosted() -> None:
    own = {"runner_group_name": "Default", "runner_name": "mine"}
    assert billed(**own)["runner_class"] == "self_hosted"
    assert billed(**own, labels=["ubuntu-22.04-4-cores"])["runner_class"] == "linux_4_core"
    for changes in (
        {"runner_group_name": "GitHub Actions"},
        {"runner_group_name": ""},
        {"runner_name": "GitHub Actions 12"},
        {"runner_name": "Hosted Agent"},
    ):
        assert billed(**{**own, **changes})["runner_class"] == "linux"


def test_money() -> None:
    known = billed()
    assert (known["list_price_usd"], known["estimated_cost_usd"]) == (Decimal("0.06"),) * 2
    unknown = billed(labels=["arc"])
    assert (unknown["list_price_usd"], unknown["estimated_cost_usd"]) == (None, None)
    assert billed(labels=["self-hosted"])["estimated_cost_usd"] == 0
    impossible = billed(completed="09:00")
    assert (impossible["list_price_usd"], impossible["estimated_cost_usd"]) == (0, 0)


def test_the_price_is_that_of_the_day_on_which_the_job_started() -> None:
    before = billed(started_at="2025-12-31T23:59:00Z", completed_at="2026-01-01T00:09:00Z")
    assert before["cost_day"].isoformat() == "2025-12-31"
    assert before["list_price_usd"] == Decimal("0.08")
    # Without a start its creation stands in.
    unknown = billed(started_at=None, created_at="2025-12-31T23:00:00Z")
    assert unknown["cost_day"].isoformat() == "2025-12-31"
    assert unknown["estimated_cost_usd"] == 0


def test_a_price_that_was_removed_is_none() -> None:
    prices = [
        *PRICES[:1],
        {**PRICES[1], "is_removed": True},
        runner_price("linux", "1", "2026-04-01"),
    ]
    found = marts(run(1, "10:00"), job(1, "10:00", "10:10"), runner_prices=prices)
    assert one(found["jobs"])["list_price_usd"] == Decimal("0.08")


def test_a_public_repository_is_free_on_standard_runners_while_it_is_public() -> None:
    then = [state("2026-01-01T00:00:00Z"), state("2026-03-02T12:00:00Z", "public")]
    rows = [
        run(1, "10:00"),
        job(1, "11:59:59", "12:09:59"),
        job(2, "12:00", "12:10"),
        job(3, "12:00", "12:10", labels=["ubuntu-22.04-4-cores"]),
        job(4, "12:00", "12:10", labels=["arc"]),
    ]
    jobs = marts(*rows, repository_history=then)["jobs"]
    assert column(jobs, "estimated_cost_usd") == [Decimal("0.06"), 0, Decimal("0.12"), None]
    assert column(jobs, "list_price_usd") == [*[Decimal("0.06")] * 2, Decimal("0.12"), None]


def test_the_first_period_reaches_back_and_nobody_knows_without_one() -> None:
    rows = [run(1, "10:00"), job(1, "10:00", "10:10")]
    later = marts(*rows, repository_history=[state("2026-06-01T00:00:00Z", "public")])
    assert one(later["jobs"])["estimated_cost_usd"] == 0
    none = marts(*rows, repository_history=[])
    assert one(none["jobs"])["estimated_cost_usd"] is None
    assert one(none["jobs"])["list_price_usd"] == Decimal("0.06")
    assert one(none["workflow_statistics_by_day"])["unpriced_job_count"] == 1


def test_periods_of_a_repository() -> None:
    seen = [
        state("2026-01-01T00:00:00Z"),
        state("2026-01-02T00:00:00Z"),
        state("2026-01-03T00:00:00Z", default_branch="trunk"),
        state("2026-01-04T00:00:00Z", "public", default_branch="trunk"),
    ]
    created = {**repository(101, "public"), "created_at": "2020-05-05T00:00:00Z"}
    unknown = repository_state(102, "2026-01-01T00:00:00Z", "public", "main")
    states = [*seen[::-1], unknown]
    found = marts(repositories=[created], repository_history=states)["repository_history"]
    assert [
        (row["valid_from"].date().isoformat(), row["visibility"], row["default_branch"])
        for row in found
    ] == [
        ("2020-05-05", "private", "main"),
        ("2026-01-03", "private", "trunk"),
        ("2026-01-04", "public", "trunk"),
    ]


def waste(*rows: Any) -> dict[int, tuple[str | None, int | None]]:
    jobs = marts(*rows)["jobs"]
    return {row["job_id"]: (row["waste_cause"], row["wasted_minutes"]) for row in jobs}


def test_a_newer_run_between_two_attempts_supersedes_none_of_them() -> None:
    rows = [
        run(1, "10:00", "failure"),
        job(1, "10:00", "13:20", "failure"),
        job(2, "10:00", "11:40", name="test"),
        run(1, "10:00", "cancelled", attempt=2, run_started_at="6 10:00"),
        job(3, "6 10:00", "6 10:10", "cancelled", run_attempt=2),
        run(2, "3 10:00"),
    ]
    found = marts(*rows)
    assert waste(*rows) == {1: ("rerun", 200), 2: (None, 0), 3: ("cancelled", 10)}
    [monday, _] = found["workflow_statistics_by_day"]
    assert monday["superseded_wasted_minutes"] == 0
    assert monday["wasted_minutes"] == 210


CANCELLED = run(1, "10:00", "cancelled", head_repository_id=9)
ITS_JOBS = [job(1, "10:00", "10:10", "cancelled"), job(2, "10:00", "10:05")]


@pytest.mark.parametrize(
    "newer",
    [
        {"created_at": "10:00", "run_id": 0},  # older by its id
        {"created_at": "10:10"},  # not before the end
        {"created_at": "10:00"},  # not after the start
        {"workflow_id": 202},
        {"head_branch": "topic"},
        {"event": "pull_request"},
        {"head_repository_id": 8},
        {"repository_id": 102},
    ],
)
def test_another_run_does_not_supersede(newer: dict[str, Any]) -> None:
    other = {**run(2, "10:05", head_repository_id=9), **newer}
    other["created_at"] = at(newer.get("created_at", "10:05"))
    assert waste(CANCELLED, *ITS_JOBS, other) == {1: ("cancelled", 10), 2: (None, 0)}


def test_a_newer_run_supersedes_all_that_the_cancelled_attempt_did() -> None:
    newer = run(2, "10:05", head_repository_id=9)
    assert waste(CANCELLED, *ITS_JOBS, newer) == {1: ("superseded", 10), 2: ("superseded", 5)}
    unknown = [{**each, "head_repository_id": None} for each in (CANCELLED, newer)]
    assert waste(*unknown, *ITS_JOBS)[1] == ("cancelled", 10)
    open_job = job(3, "10:00", "10:00", "", status="in_progress", completed_at=None)
    assert waste(CANCELLED, *ITS_JOBS, newer, open_job)[1] == ("cancelled", 10), "it has no end"


def test_a_run_does_not_supersede_itself() -> None:
    early = run(1, "10:00", "cancelled", run_started_at="09:59:58")
    assert waste(early, *ITS_JOBS)[1] == ("cancelled", 10)


def test_causes_in_their_order() -> None:
    rows = [
        run(1, "10:00", "cancelled"),
        job(1, "10:00", "10:01", "failure"),
        job(2, "10:00", "10:02", "cancelled"),
        job(3, "10:00", "10:03", "timed_out"),
        job(4, "10:00", "10:04"),
        run(1, "10:00", "failure", attempt=3, run_started_at="11:00"),
        job(5, "11:00", "11:05", "timed_out", run_attempt=3),
        job(6, "11:00", "11:06", "failure", run_attempt=3),
        job(7, "11:00", "11:07", "cancelled", run_attempt=3, labels=["arc"]),
        job(8, "11:00", "11:08", "cancelled", run_attempt=3, labels=["self-hosted"]),
    ]
    assert waste(*rows) == {
        1: ("rerun", 1),
        2: ("rerun", 2),
        3: ("rerun", 3),
        4: (None, 0),
        5: ("timed_out", 5),
        6: (None, 0),
        7: ("cancelled", 0),
        8: ("cancelled", 8),
    }
