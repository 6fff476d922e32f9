"""The queries of docs/analysts.md are what it says: each one runs, and finds something to tell."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from actionsight.database import connect
from actionsight.settings import ROOT
from tests.support.dbt_project import Project
from tests.transform.comparison import name_key
from tests.transform.factories import job_row, repository, run_row, workflow
from tests.transform.histories import History
from tests.transform.raw_rows import load

pytestmark = pytest.mark.integration

# A heading with its number, and the first query below it.
QUESTION = re.compile(r"^### \d+\. (.+?)$.*?^```sql$\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DAYS = {"from": datetime(2026, 1, 1, tzinfo=UTC), "until": datetime(2027, 1, 1, tzinfo=UTC)}
SLOWER = "Since which commit is something slower, and by how much?"


def test_the_questions_are_answered_from_the_marts_of_a_history(dbt_database_url: str) -> None:
    questions = QUESTION.findall((ROOT / "docs/analysts.md").read_text())
    assert len(questions) == 11
    with connect(dbt_database_url, autocommit=True) as connection:
        for number, rows in enumerate(History.of(1).batches(1)):
            load(connection, f"load {number}", rows)
        load_slower_job(connection)
        Project().run()
        answers = {
            question: connection.execute(
                re.sub(r":'(\w+)'", r"%(\1)s", query).encode(), DAYS
            ).fetchall()
            for question, query in questions
        }
    assert [question for question, rows in answers.items() if not rows] == []
    # 12 runs of 100 s, then 10 of 250 s: since the 13th, which is that of 13 o'clock.
    assert answers[SLOWER] == [
        (
            *("owner/repository-301", "Workflow 302", "build", "default_branch", "sha 13"),
            datetime(2026, 3, 2, 13, tzinfo=UTC),
            *(700_013, 100, 250, 150, 150, 10),
        )
    ]


def load_slower_job(connection: psycopg.Connection[Any]) -> None:
    """A job of runs an hour apart becomes slower; with what the search for levels says of it."""
    runs, jobs = [], []
    for number, seconds in enumerate([100] * 12 + [250] * 10, start=1):
        began = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=number)
        times = [began.isoformat(), (began + timedelta(seconds=seconds)).isoformat()]
        place = {"repository_id": 301, "workflow_id": 302}
        sha = f"sha {number}"
        runs.append(
            run_row(700_000 + number, 1, times[0], **place, head_repository_id=301, head_sha=sha)
        )
        jobs.append(job_row(800_000 + number, 700_000 + number, *times, repository_id=301))
    tables = {
        "repositories": [repository(301, "public")],
        "workflows": [workflow(302, 301)],
        "workflow_runs": runs,
        "workflow_jobs": jobs,
    }
    load(connection, "slower", tables)
    connection.execute(
        "insert into raw.duration_levels values "
        "(301, 302, %s, 'build', 'default_branch', '{700013}', '{100, 250}', '{12, 10}', 'levels')",
        [name_key("build")],
    )
    connection.execute("insert into raw.direct_loads (load_id) values ('levels')")
