"""Waste and cost, read a second time from docs/metrics.md (see __init__.py)."""

from decimal import Decimal
from typing import Any

from tests.transform.raw_rows import Row

# Class: price of a minute since 2026, and whether a public repository has it free.
PRICES = {
    "linux": ("0.006", True),
    "linux_2_core_arm": ("0.005", True),
    "windows": ("0.010", True),
    "macos_xlarge": ("0.102", False),
    "linux_16_core": ("0.042", False),
    "self_hosted": ("0", False),
}
CAUSES = ["rerun", "superseded", "timed_out", "cancelled"]
UNUSED = ("failure", "timed_out", "cancelled")


def judge(jobs: list[Row], runs: dict[Any, Row], visibility: dict[int, str | None]) -> None:
    """Add what each job wasted and cost to its row."""
    superseded = {
        run["run_id"]
        for run in runs.values()
        if run["is_completed"]
        and run["conclusion"] == "cancelled"
        and any(_supersedes(other, run) for other in runs.values())
    }
    for job in jobs:
        run = runs[job["run_id"]]
        minutes = None
        if job["billable_minutes"] is not None:
            minutes = job["billable_minutes"] + job["self_hosted_minutes"]
        cause = _cause(job, run, run["run_id"] in superseded)
        job["waste_cause"] = cause
        job["wasted_minutes"] = minutes if cause or minutes is None else 0
        _price(job, minutes, visibility.get(run["repository_id"]))


def _supersedes(newer: Row, cancelled: Row) -> bool:
    kind = ("repository_id", "workflow_id", "head_repository_id", "head_branch", "event")
    ended_at = cancelled["ended_at"] or cancelled["updated_at"]
    return (
        ended_at is not None
        and all(newer[name] is not None and newer[name] == cancelled[name] for name in kind)
        and (newer["created_at"], newer["run_id"]) > (cancelled["created_at"], cancelled["run_id"])
        and newer["created_at"] < ended_at
    )


def _cause(job: Row, run: Row, is_superseded: bool) -> str | None:
    if not job["is_executed"]:
        return None
    if job["conclusion"] in UNUSED and job["run_attempt"] < run["run_attempt"]:
        return "rerun"
    if is_superseded:
        return "superseded"
    return job["conclusion"] if job["conclusion"] in ("timed_out", "cancelled") else None


def _price(job: Row, minutes: int | None, visibility: str | None) -> None:
    price, is_standard = PRICES.get(job["runner_class"], (None, False))
    job["list_price_usd"] = job["estimated_cost_usd"] = None
    if minutes is None or price is None:
        return
    job["list_price_usd"] = minutes * Decimal(price)
    if not is_standard:
        job["estimated_cost_usd"] = job["list_price_usd"]
    elif visibility is not None:
        job["estimated_cost_usd"] = 0 if visibility == "public" else job["list_price_usd"]


def totals(jobs: list[Row]) -> Row:
    """The sums over one workflow's jobs of one day."""
    done = [job for job in jobs if job["billable_minutes"] is not None]
    unpriced = sum(job["estimated_cost_usd"] is None for job in done)
    by_cause: Row = dict.fromkeys((f"{cause}_wasted_minutes" for cause in CAUSES), None)
    if done:
        for cause in CAUSES:
            wasted = [job["wasted_minutes"] for job in done if job["waste_cause"] == cause]
            by_cause[f"{cause}_wasted_minutes"] = sum(wasted)
    return {
        **by_cause,
        "wasted_minutes": total(jobs, "wasted_minutes"),
        "list_price_usd": total(jobs, "list_price_usd"),
        "estimated_cost_usd": total(jobs, "estimated_cost_usd"),
        "unpriced_job_count": unpriced,
        "is_lower_bound": unpriced > 0,
    }


def total(rows: list[Row], name: str) -> Any:
    values = [row[name] for row in rows if row[name] is not None]
    return sum(values) if values else None
