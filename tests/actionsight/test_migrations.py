"""Schema `app` comes by migration, as often as one likes and from several processes at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from actionsight import migrations
from actionsight.database import connect

pytestmark = pytest.mark.integration


def test_migrating_twice_at_once_leaves_one_schema(empty_database_url: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(migrations.upgrade, [empty_database_url] * 2))
    with connect(empty_database_url) as connection:
        row = connection.execute("select count(*) from app.alembic_version").fetchone()
    assert row == (1,)
