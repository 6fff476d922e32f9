"""Changes: what the comparison with the period before shows clearly, ranked by its impact."""

from collections.abc import Iterator, Mapping
from typing import Any, LiteralString

from psycopg import sql

from api.changes.levels import read_level_changes
from api.database import Connection
from api.filters import JOBS_WITH_RUNS, RunFilter
from api.flaky_jobs.queries import key_of, read_flaky_keys, read_jobs
from api.flaky_jobs.records import RULES as FLAKY_RULES
from api.pagination import Key, Page
from api.stats.comparison import Comparison, PercentileRule, rules_of_terms, with_parts
from api.stats.queries import Question, read_all_groups, read_previous_groups

_WEEKS_SECONDS = 28 * 86_400
# What a dollar counts in the ranking: so long a standard Linux runner is had for it.
_SECONDS_OF_USD = 60 / 0.006
_DURATION = "success_duration_p50_seconds"
_OF_WORKFLOWS = (_DURATION, "success_rate", "job_queue_p95_seconds", "estimated_cost_usd")
_DURATION_RULE = PercentileRule("success_duration_count", 50)
_JOB_DURATIONS: LiteralString = """
    select
        found.*, workflows.name as workflow_name, repositories.full_name as repository_full_name
    from (
        select
            jobs.repository_id, jobs.workflow_id, jobs.job_name_key, min(jobs.name) as job_name,
            count(jobs.duration_seconds) as success_duration_count,
            percentile_cont(0.5) within group (order by jobs.duration_seconds)
                as success_duration_p50_seconds
        from {jobs}
        where {where} and jobs.is_executed and jobs.status = 'completed'
            and jobs.conclusion = 'success'
        group by jobs.repository_id, jobs.workflow_id, jobs.job_name_key
        having count(jobs.duration_seconds) >= 8
    ) as found
    inner join marts.workflows using (repository_id, workflow_id)
    inner join app.repositories using (repository_id)
"""
Row = Mapping[str, Any]


def list_changes(
    connection: Connection, chosen: RunFilter, comparison: Comparison, page: Page
) -> tuple[list[dict[str, Any]], str | None]:
    """The clear changes, first that with the greatest impact, and the token of the next page."""
    start, end = comparison.previous.values["from"], comparison.previous.values["to"]
    elapsed = (end - start).total_seconds()
    if not elapsed:
        return [], None
    found = [
        change
        for source in (_of_workflows, _of_durations, _of_flakiness)
        for change in source(connection, chosen, comparison)
        if comparison.is_collected(change)
    ]
    for change in found:
        for name in ("impact_seconds", "impact_usd"):
            if change[name] is not None:
                change[name] *= _WEEKS_SECONDS / elapsed
    ranked = sorted(found, key=_rank)
    after = page.after
    rest = [change for change in ranked if after is None or _rank(change) > after]
    shown, token = page.cut(rest, _rank)
    levels: dict[Any, dict[str, Any]] = {}
    known = read_level_changes(connection, chosen.repository_ids, start, chosen.values.get("to"))
    # Pull requests show a change later than the default branch, which has the commit that made it.
    for level in sorted(known, key=lambda level: level["health_group"] == "default_branch"):
        is_up = level["median_after_seconds"] > level["median_before_seconds"]
        # Jobs without a name have none.
        subject = _subject({**level, "subject": "job" if level["job_name"] else "workflow"})
        levels[subject, "up" if is_up else "down"] = level
    for change in shown:
        level = {}
        if change["measure"] == _DURATION:
            level = levels.get((_subject(change), change["direction"]), {})
        change["since"] = level.get("since")
        change["still_holds"] = level.get("still_holds")
    return shown, token


def _rank(change: Row) -> Key:
    weight = abs(change["impact_seconds"] or 0) + abs(change["impact_usd"] or 0) * _SECONDS_OF_USD
    return (-weight, *_subject(change)[:3], change["job_name"] or "", change["measure"])


def _subject(row: Row) -> tuple[Any, ...]:
    return row["repository_id"], row["workflow_id"], row["subject"], row["job_name"]


def _of_workflows(
    connection: Connection, chosen: RunFilter, comparison: Comparison
) -> Iterator[dict[str, Any]]:
    rules = rules_of_terms()
    fields = with_parts((*_OF_WORKFLOWS, "run_count"), rules)
    question = Question(fields, ("workflow",))
    rows = read_all_groups(connection, chosen, question)
    before = read_previous_groups(connection, comparison.previous, question, rows)
    for now, then in zip(rows, before, strict=True):
        for measure in _OF_WORKFLOWS:
            rule = rules[measure]
            if rule is None or not rule.is_clear(measure, now, then):
                continue
            difference = now[measure] - then[measure]
            seconds, usd = None, None
            if measure == _DURATION:
                count, seconds = (
                    "success_duration_count",
                    difference * now["success_duration_count"],
                )
            elif measure == "job_queue_p95_seconds":
                count, seconds = "job_queue_count", difference * now["job_queue_count"] / 20
            elif measure == "success_rate":
                count = "decisive_count"
                median = now[_DURATION] or then[_DURATION] or 0
                seconds = -difference * now[count] * median
            else:
                count, usd = "run_count", difference
            yield _change(now, "workflow", None, measure, (then, now), count, seconds, usd)


def _of_durations(
    connection: Connection, chosen: RunFilter, comparison: Comparison
) -> Iterator[dict[str, Any]]:
    before = {key_of(row): row for row in _durations(connection, comparison.previous)}
    for now in _durations(connection, chosen):
        then = before.get(key_of(now))
        if then is None or not _DURATION_RULE.is_clear(_DURATION, now, then):
            continue
        count = "success_duration_count"
        seconds = (now[_DURATION] - then[_DURATION]) * now[count]
        yield _change(now, "job", now["job_name"], _DURATION, (then, now), count, seconds, None)


def _durations(connection: Connection, chosen: RunFilter) -> list[dict[str, Any]]:
    jobs: LiteralString = "marts.jobs as jobs"
    runs = None
    if not chosen.is_of_jobs_alone:
        jobs = JOBS_WITH_RUNS
        runs = "runs"
    query = sql.SQL(_JOB_DURATIONS).format(jobs=sql.SQL(jobs), where=chosen.jobs_where(runs=runs))
    return connection.execute(query, chosen.parameters).fetchall()


def _of_flakiness(
    connection: Connection, chosen: RunFilter, comparison: Comparison
) -> Iterator[dict[str, Any]]:
    measure, count = "flaky_rate", "executed_run_count"
    rule = FLAKY_RULES[measure]
    names = {
        **read_flaky_keys(connection, comparison.previous),
        **read_flaky_keys(connection, chosen),
    }
    keys = tuple(names)
    after = read_jobs(connection, chosen, keys)
    before = read_jobs(connection, comparison.previous, keys)
    for key, job_name in names.items():
        now, then = after[key], before[key]
        if rule is None or not rule.is_clear(measure, now, then):
            continue
        occurrences = now["occurrence_count"] + then["occurrence_count"]
        lost = ((now["lost_seconds"] or 0) + (then["lost_seconds"] or 0)) / occurrences
        seconds = (now[measure] - then[measure]) * now[count] * lost
        yield _change(now, "job", job_name, measure, (then, now), count, seconds, None)


def _change(
    row: Row,
    subject: str,
    job_name: str | None,
    measure: str,
    sides: tuple[Row, Row],
    count: str,
    impact_seconds: float | None,
    impact_usd: float | None,
) -> dict[str, Any]:
    before, after = (side[measure] for side in sides)
    is_up = after > before
    return {
        "subject": subject,
        "repository_id": row["repository_id"],
        "repository_full_name": row["repository_full_name"],
        "workflow_id": row["workflow_id"],
        "workflow_name": row["workflow_name"],
        "job_name": job_name,
        "measure": measure,
        "direction": "up" if is_up else "down",
        "is_worse": is_up is (measure != "success_rate"),
        "before": before,
        "after": after,
        "before_count": sides[0][count],
        "after_count": sides[1][count],
        "impact_seconds": impact_seconds,
        "impact_usd": impact_usd,
    }
