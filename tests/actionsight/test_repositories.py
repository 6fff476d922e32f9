"""What is monitored: selected by name, removed by hand, not brought back by a setting."""

import re
from datetime import UTC, datetime

import pytest

from actionsight.database import connect
from actionsight.repositories import (
    add_repository,
    add_selections,
    find_removed,
    follow_repository,
    list_monitored,
    remove_selection,
    resolve_selection,
)
from actionsight.settings import ROOT

pytestmark = pytest.mark.integration


def test_a_repository_is_selected_once_whatever_its_spelling(database_url: str) -> None:
    with connect(database_url) as connection:
        assert add_selections(connection, ["Octo/App", "octo/app"]) == ["Octo/App"]
        assert [row.name for row in list_monitored(connection)] == ["octo/app"]


def test_what_was_removed_by_hand_is_not_brought_back_by_the_setting(database_url: str) -> None:
    with connect(database_url) as connection:
        add_selections(connection, ["octo/app"])
        assert remove_selection(connection, "Octo/App")
        assert add_selections(connection, ["octo/app"]) == []
        assert list_monitored(connection) == []
        assert add_selections(connection, ["octo/app"], again=True) == ["octo/app"]
        assert len(list_monitored(connection)) == 1


def test_removing_by_githubs_name_hides_the_repository(database_url: str) -> None:
    with connect(database_url) as connection:
        add_selections(connection, ["old/name"])
        connection.execute(
            "insert into app.repositories (repository_id, full_name) values (1, 'new/name')"
        )
        connection.execute("update app.repository_selections set repository_id = 1")
        assert [row.name for row in list_monitored(connection)] == ["new/name"]
        assert remove_selection(connection, "new/name")
        removed = connection.execute("select removed_at is not null from app.repositories")
        assert removed.fetchone() == (True,)


def test_removing_what_is_not_monitored_says_so(database_url: str) -> None:
    with connect(database_url) as connection:
        assert not remove_selection(connection, "octo/unknown")


def test_a_malformed_name_is_refused(database_url: str) -> None:
    with connect(database_url) as connection, pytest.raises(ValueError, match="write owner/name"):
        add_selections(connection, ["just-a-name"])


def test_what_is_monitored_cannot_be_found_to_be_purged(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute(
            "insert into app.repositories (repository_id, full_name) values (5, 'Octo/App')"
        )
        assert find_removed(connection, "octo/app") is None
        connection.execute("update app.repositories set removed_at = now()")
        assert find_removed(connection, "octo/app") == 5


@pytest.mark.parametrize("way", ["by a person", "by its name", "with its owner"])
def test_what_is_added_again_is_polled_at_once_and_without_what_went_wrong(
    database_url: str, way: str
) -> None:
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    with connect(database_url) as connection:
        follow_repository(connection, "octo", 5, "octo/app", "private", long_ago)
        connection.execute(
            """
            update app.repositories set
                added_at = %s, removed_at = %s, failure_count = 3, trouble = 'away',
                trouble_loop = 'head', trouble_since = %s, next_try_at = 'infinity'
            """,
            [long_ago] * 3,
        )
        if way == "by a person":
            add_repository(connection, 5, "octo/app", "public", added_by=None)
        elif way == "by its name":
            resolve_selection(connection, "octo/app", 5, "octo/app", "public", long_ago)
        else:
            add_selections(connection, ["octo/*"])
        row = connection.execute(
            """
            select removed_at, trouble, trouble_loop, trouble_since, failure_count, next_try_at,
                added_at = now()
            from app.repositories
            """
        ).fetchone()
    assert row == (None, None, None, None, 0, None, True)


def test_a_name_more_of_what_is_monitored_leaves_its_collection_as_it_is(
    database_url: str,
) -> None:
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    with connect(database_url) as connection:
        follow_repository(connection, "octo", 5, "octo/app", "private", long_ago)
        connection.execute(
            "update app.repositories set added_at = %s, trouble = 'away'", [long_ago]
        )
        resolve_selection(connection, "octo/old", 5, "octo/app", "public", long_ago)
        row = connection.execute(
            "select added_at, trouble, visibility, selected_by from app.repositories"
        ).fetchone()
    assert row == (long_ago, "away", "public", None)


def test_one_module_alone_writes_what_is_monitored() -> None:
    # How far collection has come stands in the same rows, and is collection's to write.
    monitoring = (
        "full_name|visibility|visibility_seen_at|added_at|added_by|removed_at|selected_by|"
        "unreachable_since|hook_id|rights_invalid_before"
    )
    writing = re.compile(
        r"(insert into|delete from)\s+app\.(repositories|repository_selections)\b"
        r"|update\s+app\.repository_selections\b"
        rf"|update\s+app\.repositories\b[^\";]*\b({monitoring})\s*="
    )
    writers = {
        str(path.relative_to(ROOT))
        for part in ("actionsight", "api", "ingestion", "orchestration", "transform")
        for path in (ROOT / part).rglob("*")
        if path.suffix in {".py", ".sql"} and writing.search(path.read_text())
    }
    assert writers == {"actionsight/repositories.py"}
