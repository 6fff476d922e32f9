"""The requests of a first load, and of a poll that finds nothing new."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from actionsight.database import connect
from actionsight.settings import Settings
from benchmarks.collection.environment import Machine, Standin, in_a_process, standin

POLL = ("--lifted", "--loop", "head", "--loop", "open")
PAGE = 100


@dataclass(frozen=True)
class Bound:
    """What the stored history must have cost, page by page."""

    window_pages: int
    earlier_attempts: int
    job_pages: int
    runs_without_jobs: int

    @property
    def total(self) -> int:
        """Without what nobody could know to leave out."""
        return self.window_pages + self.earlier_attempts + self.job_pages


def bound(settings: Settings) -> Bound:
    """Σ windows ⌈runs ÷ 100⌉, earlier attempts, Σ runs ⌈jobs of all attempts ÷ 100⌉."""
    assert settings.database_url is not None
    with connect(settings.database_url) as connection:
        row = connection.execute(
            """
            select
                (select coalesce(sum(ceil(run_count / 100.0)), 0) from raw.backfill_windows),
                (select count(*) - count(distinct run_id) from raw.workflow_runs),
                (
                    select coalesce(sum(ceil(jobs / 100.0)), 0)
                    from (select count(*) as jobs from raw.workflow_jobs group by run_id) as each
                ),
                (
                    select count(distinct run_id) from raw.workflow_runs as runs
                    where not exists (
                        select from raw.workflow_jobs as jobs where jobs.run_id = runs.run_id
                    )
                )
            """
        ).fetchone()
    assert row is not None
    return Bound(*map(int, row))


def stored(settings: Settings) -> dict[str, int]:
    """How many runs, attempts and jobs are stored."""
    assert settings.database_url is not None
    with connect(settings.database_url) as connection:
        row = connection.execute(
            """
            select count(distinct run_id), count(*), (select count(*) from raw.workflow_jobs)
            from raw.workflow_runs
            """
        ).fetchone()
    assert row is not None
    return dict(zip(("runs", "attempts", "jobs"), row, strict=True))


def load_first(
    settings: Settings, of: Standin, *arguments: str, record: Path | None = None
) -> dict[str, Any]:
    """A first load of everything, watched; checked against what the stand-in has.

    Raises:
        SystemExit: not everything came.
    """
    before = of.request_count()
    recording = ("--record", str(record)) if record else ()
    result = in_a_process("collect", ["--watched", *recording, *arguments], settings)
    result["counted"] = of.request_count() - before
    made = of.status()["generated"]
    wanted = {name: made[name] for name in ("runs", "attempts", "jobs")}
    if (found := stored(settings)) != wanted or result["troubles"]:
        raise SystemExit(f"stored {found}, not {wanted}: {result['troubles']}")
    return result


def measure(on: Machine, attempts: int) -> None:
    """Print requests of a first load by kind, and of idle polls."""
    record = on.folder / "requests"
    with standin(attempts, rate_limit=100_000) as github, on.installation(github) as settings:
        result = load_first(settings, github, "--lifted", record=record)
        _report(result, bound(settings), record.read_text().splitlines(), settings)
        _idle(settings, github)


def _report(result: dict[str, Any], least: Bound, urls: list[str], settings: Settings) -> None:
    kinds = Counter(_kind(url) for url in urls)
    probes = kinds["runs, first page"] + kinds["runs, later pages"] - least.window_pages
    sizes = stored(settings)
    print(
        f"first load: {sizes['runs']:,} runs, {sizes['attempts']:,} attempts, "
        f"{sizes['jobs']:,} jobs: {result['counted']:,} requests counted at the stand-in "
        f"({result['requests']:,} by ourselves)"
    )
    for kind, count in sorted(kinds.items()):
        print(f"  {count:6,}  {kind}")
    print(
        f"the bound: {least.window_pages:,} pages of windows + {least.earlier_attempts:,} earlier "
        f"attempts + {least.job_pages:,} pages of jobs = {least.total:,}"
    )
    print(f"  of the bisection and the head, apart: {probes:,} probes")
    known = least.total + probes
    print(
        f"  requests ÷ (bound + probes): {result['counted'] / known:.4f}; counting one listing for "
        f"each of the {least.runs_without_jobs:,} runs that turn out to have no jobs: "
        f"{result['counted'] / (known + least.runs_without_jobs):.4f}"
    )


def _idle(settings: Settings, github: Standin) -> None:
    """Polls with nothing new: with ETags, and without."""
    print("a poll that finds nothing new, one repository:")
    assert settings.database_url is not None
    looks = "that also looks at repository and workflows"
    for label, is_looking, has_etags in (
        ("with ETags", False, True),
        ("without", False, False),
        (f"{looks}, with ETags", True, True),
        (f"{looks}, without", True, False),
    ):
        with connect(settings.database_url, autocommit=True) as connection:
            if is_looking:
                connection.execute("update app.repositories set looked_at = '2020-01-01'")
            if not has_etags:
                connection.execute("delete from raw.etags")
        before, spent = github.request_count(), github.spent()
        result = in_a_process("collect", POLL, settings)
        # One of them is the question for what is spent.
        count, cost = github.request_count() - before - 1, github.spent() - spent
        print(
            f"  {label}: {count} requests, {result['unchanged']} answered as unchanged, "
            f"{cost} of the hourly limit, {result['seconds'] * 1e3:,.0f} ms"
        )


def _kind(url: str) -> str:
    parts = urlsplit(url)
    steps = parts.path.strip("/").split("/")
    query = parse_qs(parts.query)
    if steps[-1] == "jobs":
        listing = "of all attempts" if query.get("filter") == ["all"] else "of one attempt"
        return f"jobs {listing}"
    if steps[-1] == "runs":
        return "runs, first page" if query.get("page", ["1"]) == ["1"] else "runs, later pages"
    if "attempts" in steps:
        return "earlier attempts"
    return "other: repository, workflows"
