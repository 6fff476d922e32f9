"""`owner/*`: whatever an owner has is monitored, as soon as it is there."""

from datetime import timedelta
from typing import Any

import pytest

from actionsight.repositories import remove_selection
from tests.ingestion.assertions import assert_exact
from tests.ingestion.factories import MINUTE, START, Installation, run, workflow

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
TEN_MINUTES = 10 * MINUTE


def test_all_repositories_of_an_owner_are_followed_till_the_owner_is_removed(
    own: Installation,
) -> None:
    world = own.world
    first = workflow(world, "octo/first")
    run(first, world, START - HOUR)
    run(workflow(world, "hub/elsewhere"), world, START - HOUR)
    own.monitor("octo/*", "octo-nobody/*")

    def monitored() -> dict[str, Any]:
        rows = own.query(
            "select full_name, selected_by from app.repositories where removed_at is null"
        )
        return {row["full_name"]: row["selected_by"] for row in rows}

    def remove(name: str) -> None:
        with own.connect() as connection:
            assert remove_selection(connection, name)

    results = own.collect()
    assert set(results[0].refused) == {"octo-nobody/*"}
    assert monitored() == {"octo/first": "octo/*"}
    assert_exact(own, world.repositories[first.repository_id])

    second, third = workflow(world, "octo/second"), workflow(world, "octo/third")
    run(second, world, START - HOUR)
    run(third, world, START - HOUR)
    own.clock.advance(HOUR + TEN_MINUTES)
    own.collect()
    assert monitored() == dict.fromkeys(["octo/first", "octo/second", "octo/third"], "octo/*")
    assert_exact(own, *(world.repositories[of.repository_id] for of in (first, second, third)))

    remove("octo/second")
    own.clock.advance(2 * HOUR)
    own.collect()
    assert set(monitored()) == {"octo/first", "octo/third"}, "removed by hand stays removed"
    own.monitor("octo/third")  # by its own name too
    own.collect()
    remove("octo/*")
    workflow(world, "octo/fourth")
    own.paths()
    own.clock.advance(2 * HOUR)
    own.collect()
    assert set(monitored()) == {"octo/third"}
    assert not [path for path in own.paths() if "first" in path or path == "/orgs/octo/repos"]
