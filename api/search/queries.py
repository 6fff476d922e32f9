"""What a text finds among what a viewer sees: one statement for each kind, each bounded."""

import re
from collections.abc import Mapping
from typing import Any, LiteralString

from psycopg import sql

from api.database import Connection, array_of

# Branches and actors are looked for among the newest runs of what is visible.
RECENT_RUNS = 20_000
_SHA = re.compile(r"[0-9a-f]{7,40}")
_ADDRESS = re.compile(
    r"(?:https?://[^/\s]+)?/?(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)"
    r"(?:/actions/runs/(?P<run>\d{1,18})(?:/attempts/(?P<attempt>\d{1,9}))?"
    r"(?:/job/(?P<job>\d{1,18}))?"
    r"|/actions/workflows/(?P<workflow>[^/?#\s]+)"
    r"|/pull/(?P<pull>\d{1,9})(?:/\w+)?|/commits?/(?P<sha>[0-9a-f]{7,40})|/tree/(?P<branch>[^?#\s]+))?"
    r"/?(?:[?#].*)?"
)

_REPOSITORY: LiteralString = """
    select 'repository' as kind, full_name as name, repository_id,
        full_name as repository_full_name, repositories.html_url
    from app.repositories as monitored
    left join (select repository_id, html_url from marts.repositories) as repositories
        using (repository_id)
    where repository_id = any(%(repositories)s) and removed_at is null and {condition}
    order by lower(full_name) <> lower(%(q)s), length(full_name), full_name
    limit %(limit)s
"""
_WORKFLOW: LiteralString = """
    select 'workflow' as kind, workflows.name, workflows.workflow_id, workflows.repository_id,
        monitored.full_name as repository_full_name, workflows.html_url
    from marts.workflows
    inner join app.repositories as monitored using (repository_id)
    where workflows.repository_id = any(%(repositories)s) and {condition}
    order by lower(workflows.name) <> lower(%(q)s), length(workflows.name), workflows.name,
        workflows.workflow_id, workflows.repository_id
    limit %(limit)s
"""
_RUN: LiteralString = """
    select 'run' as kind, coalesce(runs.display_title, runs.name, runs.run_id::text) as name,
        runs.run_id, runs.run_attempt, runs.workflow_id, runs.repository_id,
        monitored.full_name as repository_full_name, runs.html_url
    from marts.workflow_runs as runs
    inner join app.repositories as monitored using (repository_id)
    where runs.repository_id = any(%(repositories)s) and {condition}
    order by runs.created_at desc, runs.run_id desc
    limit %(limit)s
"""
_JOB: LiteralString = """
    select 'job' as kind, jobs.name, jobs.job_id, jobs.run_id, jobs.run_attempt, jobs.workflow_id,
        jobs.repository_id, monitored.full_name as repository_full_name, jobs.html_url
    from marts.jobs
    inner join app.repositories as monitored using (repository_id)
    where jobs.repository_id = any(%(repositories)s) and {condition}
    order by jobs.job_id desc
    limit %(limit)s
"""
# The newest runs that a viewer sees; `materialized`, so that it is bounded before it is searched.
_RECENT: LiteralString = """
    with recent as materialized (
        select run_id, run_number, repository_id, head_branch, actor_login, created_at
        from marts.workflow_runs
        where repository_id = any(%(repositories)s)
        order by created_at desc
        limit %(recent)s
    )
"""
# No index knows numbers of runs, which begin anew in each workflow.
_OF_RECENT_NUMBER: LiteralString = (
    "runs.run_id in (select recent.run_id from recent where recent.run_number = %(number)s)"
)
_JOB_NAME: LiteralString = """
    select distinct 'job' as kind, days.job_name as name, days.workflow_id, days.repository_id,
        monitored.full_name as repository_full_name
    from marts.job_statistics_by_day as days
    inner join app.repositories as monitored using (repository_id)
    where days.repository_id = any(%(repositories)s)
        and days.day >= (
            select max(newest.day) - 28
            from unnest(%(repositories)s::bigint[]) as chosen (repository_id)
            cross join lateral (
                select max(day) as day
                from marts.repository_statistics_by_day as of_one
                where of_one.repository_id = chosen.repository_id
            ) as newest
        )
        and strpos(lower(days.job_name), lower(%(q)s)) > 0
    order by name, workflow_id, repository_id
    limit %(limit)s
"""
_BRANCH: LiteralString = """
    select 'branch' as kind, recent.head_branch as name, recent.repository_id,
        monitored.full_name as repository_full_name,
        row_number() over (
            order by lower(recent.head_branch) <> lower(%(q)s), max(recent.created_at) desc,
                recent.head_branch, recent.repository_id
        ) as place
    from recent
    inner join app.repositories as monitored using (repository_id)
    where {condition}
    group by recent.head_branch, recent.repository_id, monitored.full_name
    order by place
    limit %(limit)s
"""
_COMMIT: LiteralString = """
    select 'commit' as kind, runs.head_sha as name, runs.repository_id,
        monitored.full_name as repository_full_name
    from marts.workflow_runs as runs
    inner join app.repositories as monitored using (repository_id)
    where runs.repository_id = any(%(repositories)s) and starts_with(runs.head_sha, %(sha)s)
        and {condition}
    group by runs.head_sha, runs.repository_id, monitored.full_name
    order by max(runs.created_at) desc, runs.head_sha
    limit %(limit)s
"""
_ACTOR: LiteralString = """
    select 'actor' as kind, recent.actor_login as name, null::bigint, null,
        row_number() over (
            order by lower(recent.actor_login) <> lower(%(q)s), recent.actor_login
        ) as place
    from recent
    where strpos(lower(recent.actor_login), lower(%(q)s)) > 0
    group by recent.actor_login
    order by place
    limit %(limit)s
"""
# The recent runs are read once for both.
_BRANCH_OR_ACTOR: LiteralString = """
    {recent} select * from (({branches}) union all ({actors})) as found order by kind desc, place
"""


def search(
    connection: Connection, repository_ids: tuple[int, ...], q: str, limit: int
) -> list[dict[str, Any]]:
    """What is found, at most so many: by an address of GitHub what it names; else by names, ids and
    digits of a commit, what is named exactly first."""
    parameters: dict[str, Any] = {
        "repositories": array_of(repository_ids),
        "q": q,
        "limit": limit,
        "recent": RECENT_RUNS,
    }
    if match := _ADDRESS.fullmatch(q):
        hits = _by_address(connection, match.groupdict(), parameters)
        if hits or q.startswith("http"):
            return hits[:limit]
    return _by_text(connection, q, parameters)[:limit]


def _by_address(
    connection: Connection, parts: Mapping[str, str | None], parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    parameters = {**parameters, "full_name": f"{parts['owner']}/{parts['name']}".lower()}
    of_repository: LiteralString = "lower(monitored.full_name) = %(full_name)s"

    def find(statement: LiteralString, condition: LiteralString, **values: Any) -> list[Any]:
        query = sql.SQL(statement).format(
            condition=sql.SQL(" and ").join(map(sql.SQL, (of_repository, condition)))
        )
        return connection.execute(query, {**parameters, **values}).fetchall()

    if parts["job"]:
        return find(_JOB, "jobs.job_id = %(job)s", job=int(parts["job"]))
    if parts["run"]:
        return find(_RUN, "runs.run_id = %(run)s", run=int(parts["run"]))
    if parts["workflow"]:
        return find(
            _WORKFLOW,
            "(right(workflows.path, length(%(file)s) + 1) = '/' || %(file)s "
            "or workflows.workflow_id::text = %(file)s)",
            file=parts["workflow"],
        )
    if parts["pull"]:
        of_pull: LiteralString = "runs.pull_request_numbers @> array[%(number)s::bigint]"
        hits = find(_RUN, of_pull, number=int(parts["pull"]))
        return [{**hit, "pull_request": int(parts["pull"])} for hit in hits]
    if parts["sha"]:
        return find(_COMMIT, "true", sha=parts["sha"])
    if parts["branch"]:
        query = sql.SQL(_RECENT + _BRANCH).format(
            condition=sql.SQL(of_repository + " and recent.head_branch = %(branch)s")
        )
        rows = connection.execute(query, {**parameters, "branch": parts["branch"]})
        return [_without_place(row) for row in rows]
    return find(_REPOSITORY, "true")


def _by_text(connection: Connection, q: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    statements = [
        _with(_REPOSITORY, "strpos(lower(full_name), lower(%(q)s)) > 0"),
        _with(
            _WORKFLOW,
            "(strpos(lower(workflows.name), lower(%(q)s)) > 0 "
            "or strpos(lower(workflows.path), lower(%(q)s)) > 0)",
        ),
        _with(_JOB_NAME),
        sql.SQL(_BRANCH_OR_ACTOR).format(
            recent=sql.SQL(_RECENT),
            branches=_with(_BRANCH, "strpos(lower(recent.head_branch), lower(%(q)s)) > 0"),
            actors=_with(_ACTOR),
        ),
    ]
    if q.isdecimal() and len(q) <= 18:
        parameters = {**parameters, "number": int(q)}
        statements[:0] = [
            _with(_RUN, "runs.run_id = %(number)s"),
            _with(_RECENT + _RUN, _OF_RECENT_NUMBER),
            _with(_JOB, "jobs.job_id = %(number)s"),
        ]
    if _SHA.fullmatch(q.lower()):
        parameters = {**parameters, "sha": q.lower()}
        statements.insert(0, _with(_COMMIT))
    hits: list[dict[str, Any]] = []
    for statement in statements:
        hits += map(_without_place, connection.execute(statement, parameters))
        if len(hits) >= parameters["limit"]:
            break
    return hits


def _with(statement: LiteralString, condition: LiteralString = "true") -> sql.Composed:
    return sql.SQL(statement).format(condition=sql.SQL(condition))


def _without_place(row: dict[str, Any]) -> dict[str, Any]:
    """A hit as it is answered: an actor is in no repository."""
    row.pop("place", None)
    return {"kind": row["kind"], "name": row["name"]} if row["kind"] == "actor" else row
