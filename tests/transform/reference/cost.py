"""Minutes, waste and money of jobs."""

import math
import re
from datetime import date
from decimal import Decimal

from tests.transform.reference.jobs import label_set
from tests.transform.reference.raw import Raw, Row
from tests.transform.reference.repository_history import History
from tests.transform.reference.times import day_of

UNUSED = ("failure", "timed_out", "cancelled")
HOSTED = ("GitHub Actions ", "Hosted Agent")


class Prices:
    """The classes of runners and their prices, by what raw holds of them."""

    def __init__(self, raw: Raw) -> None:
        patterns = (row for row in raw.runner_labels if not row["is_removed"])
        prices = (row for row in raw.runner_prices if not row["is_removed"])
        self._patterns = sorted(patterns, key=lambda row: row["position"])
        self._prices = sorted(prices, key=lambda row: row["valid_from"])

    def class_of(self, job: Row) -> str:
        """By the first pattern that one of the job's labels matches; `unknown` without."""
        labels = label_set(job["labels"])
        matching = (
            row["runner_class"]
            for row in self._patterns
            if any(re.search(row["label_pattern"], label) for label in labels)
        )
        found: str = next(matching, "unknown")
        is_standard = any(row["is_standard"] for row in self._of(found))
        return "self_hosted" if is_standard and _is_own(job) else found

    def at(self, runner_class: str, day: date) -> Row | None:
        """The price that is valid on the day: `usd_per_minute`, `is_standard`."""
        valid = [row for row in self._of(runner_class) if row["valid_from"] <= day]
        return valid[-1] if valid else None

    def _of(self, runner_class: str) -> list[Row]:
        return [row for row in self._prices if row["runner_class"] == runner_class]


def billed(job: Row, run: Row, prices: Prices, then: History) -> Row:
    """Class, minutes and price of a job, and the day that priced it."""
    runner_class = prices.class_of(job)
    minutes = math.ceil((job["duration_seconds"] or 0) / 60) if job["is_ended"] else None
    kind = {"self_hosted": "self_hosted_minutes", "unknown": "unknown_minutes"}
    own = kind.get(runner_class, "billable_minutes")
    all_minutes = ("billable_minutes", "self_hosted_minutes", "unknown_minutes")
    by_kind = {name: None if minutes is None else minutes * (name == own) for name in all_minutes}
    began_at = job["started_at"] or job["created_at"] or run["created_at"]
    price = prices.at(runner_class, day_of(began_at))
    return {
        **job,
        **by_kind,
        "runner_class": runner_class,
        "cost_day": day_of(began_at) if job["is_executed"] else None,
        **_cost(minutes, price, then.visibility(job["repository_id"], began_at)),
    }


def wasted(job: Row, run: Row, is_superseded: bool) -> Row:
    """Why nobody used what the job did, and its minutes; of a job that was billed."""
    cause = _cause(job, run["run_attempt"], is_superseded) if job["is_executed"] else None
    minutes = job["billable_minutes"]
    if minutes is not None:
        minutes = minutes + job["self_hosted_minutes"] if cause else 0
    return {**job, "waste_cause": cause, "wasted_minutes": minutes}


def _is_own(job: Row) -> bool:
    """Whether a runner with a standard label is none of GitHub's."""
    group, name = job["runner_group_name"], job["runner_name"] or ""
    return group not in (None, "GitHub Actions") and not name.startswith(HOSTED)


def _cause(job: Row, newest_attempt: int, is_superseded: bool) -> str | None:
    conclusion = job["conclusion"] if job["is_ended"] else None
    if conclusion in UNUSED and job["run_attempt"] < newest_attempt:
        return "rerun"
    if is_superseded and job["run_attempt"] == newest_attempt:
        return "superseded"
    return conclusion if conclusion in ("timed_out", "cancelled") else None


def _cost(minutes: int | None, price: Row | None, visibility: str | None) -> Row:
    """Standard runners are free in public repositories; where nobody knows, nothing is said."""
    if minutes is None or price is None:
        return {"list_price_usd": None, "estimated_cost_usd": None}
    list_price = minutes * price["usd_per_minute"]
    cost = Decimal(0) if visibility == "public" else visibility and list_price
    return {
        "list_price_usd": list_price,
        "estimated_cost_usd": cost if price["is_standard"] else list_price,
    }
