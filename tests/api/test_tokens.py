"""Tokens as they are made and kept."""

from datetime import datetime
from typing import Any

import pytest
from psycopg import Connection

from actionsight.api_tokens import create_token, find_token, list_tokens

pytestmark = pytest.mark.integration


def test_a_token_is_kept_as_its_hash_alone(connection: Connection[Any]) -> None:
    token_id, token = create_token(connection, " laptop ")
    assert token.startswith("as_")
    assert len(token) == 3 + 43
    kept = connection.execute("select api_tokens::text from app.api_tokens").fetchall()
    assert token not in str(kept) and token[3:] not in str(kept)
    found = find_token(connection, token)
    assert found is not None
    assert found[:3] == (token_id, None, frozenset({"read"}))
    (listed,) = list_tokens(connection)
    assert (listed.token_id, listed.name, listed.revoked_at) == (token_id, "laptop", None)


def test_a_token_can_belong_to_a_person(connection: Connection[Any]) -> None:
    connection.execute(
        "insert into app.users (user_id, login) values (5, 'ada') on conflict do nothing"
    )
    token_id, token = create_token(connection, "laptop", user_id=5)
    found = find_token(connection, token)
    assert found is not None
    assert found[:3] == (token_id, 5, frozenset({"read"}))
    assert [listed.user_id for listed in list_tokens(connection)] == [5]


def test_two_tokens_are_never_the_same(connection: Connection[Any]) -> None:
    assert create_token(connection, "a")[1] != create_token(connection, "a")[1]


def test_a_token_needs_a_name_and_an_expiry_with_a_zone(connection: Connection[Any]) -> None:
    with pytest.raises(ValueError, match="needs a name"):
        create_token(connection, "  ")
    with pytest.raises(ValueError, match="time zone"):
        create_token(connection, "a", expires_at=datetime(2026, 1, 1))  # noqa: DTZ001 that is the point
    assert list_tokens(connection) == []
