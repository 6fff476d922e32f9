"""What is monitored: selected by name, removed by hand, not brought back by a setting."""

import pytest

from actionsight.database import connect
from actionsight.repositories import (
    add_selections,
    find_removed,
    list_monitored,
    remove_selection,
)

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
