"""The queries of docs/analysts.md are what it says: each one runs, and finds something to tell."""

import re
from datetime import UTC, datetime

import pytest

from actionsight.database import connect
from actionsight.settings import ROOT
from tests.support.dbt_project import Project
from tests.transform.histories import History
from tests.transform.raw_rows import load

pytestmark = pytest.mark.integration

# A heading with its number, and the first query below it.
QUESTION = re.compile(r"^### \d+\. (.+?)$.*?^```sql$\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DAYS = {"from": datetime(2026, 1, 1, tzinfo=UTC), "until": datetime(2027, 1, 1, tzinfo=UTC)}


def test_ten_questions_are_answered_from_the_marts_of_a_history(unbuilt_database_url: str) -> None:
    questions = QUESTION.findall((ROOT / "docs/analysts.md").read_text())
    assert len(questions) == 10
    with connect(unbuilt_database_url, autocommit=True) as connection:
        for number, rows in enumerate(History.of(1).batches(1)):
            load(connection, f"load {number}", rows)
        Project().run_all()
        answers = {
            question: connection.execute(re.sub(r":'(\w+)'", r"%(\1)s", query).encode(), DAYS)
            for question, query in questions
        }
        assert [question for question, rows in answers.items() if not rows.fetchall()] == []
