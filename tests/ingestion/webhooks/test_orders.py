"""Whatever the order, the repetitions, the batches: the same deliveries leave the same tables."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from actionsight.database import connect
from tests.ingestion.webhooks.factories import Installation, job_payload, recorded, run_payload
from tests.ingestion.webhooks.sign_ins import NEVER, sign_in, sign_ins
from tests.ingestion.webhooks.test_recorded import EXPECTED, MONITORED

pytestmark = pytest.mark.integration

# More than the gate has time for: `make thorough`.
CASE_COUNT = int(os.environ.get("ACTIONSIGHT_TEST_CASES", "10"))
# What differs with the moment of receiving, and with how often something came.
MOMENTARY = {"batch_id", "received_at", "failed_at", "failure_count", "headers"}
TAKING = {"repository", "installation", "installation_repositories", "github_app_authorization"}
# The sender of the recorded revocation.
REVOKING = 1
TABLES = (
    "webhook_events",
    "webhook_payloads",
    "webhook_runs",
    "webhook_jobs",
    "webhook_dead_letters",
)

Delivered = tuple[str, str, Any]


def _deliveries() -> list[Delivered]:
    deliveries: list[Delivered] = [
        (payload.event, payload.source, payload.body)
        for payload in recorded()
        if payload.source in EXPECTED or payload.event in TAKING
    ]
    return [
        *deliveries,
        ("workflow_run", "early", run_payload(7, repository_id=186853002, status="queued")),
        ("workflow_run", "late", run_payload(7, repository_id=186853002, status="completed")),
        ("workflow_job", "elsewhere", job_payload(8, repository_id=99)),
        ("workflow_job", "without id", job_payload(id=None)),
        ("ping", "no JSON", b"{"),
        ("ping", "ping", {"zen": "Keep it simple."}),
        # One id, of which one body is readable: however often the other comes, it is read.
        ("workflow_run", "mended", b"{"),
        ("workflow_run", "mended", run_payload(9, repository_id=186853002)),
    ]


DELIVERIES = _deliveries()


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[tuple[int, bool]], int]:
    """Every delivery at least once, and after some of them a drain; the size of batches."""
    places = range(len(DELIVERIES))
    repeated = draw(st.lists(st.sampled_from(places), max_size=15))
    order = draw(st.permutations([*places, *repeated]))
    drains = draw(st.sets(st.integers(0, len(order)), max_size=5))
    schedule = [(place, number in drains) for number, place in enumerate(order)]
    return schedule, draw(st.integers(2, 20))


def tables(webhooks: Installation) -> dict[str, list[dict[str, Any]]]:
    """All that is stored and does not tell when, and which repositories are closed."""
    stored = {
        table: [
            {name: value for name, value in row.items() if name not in MOMENTARY}
            for row in webhooks.query(
                sql.SQL("select * from {} order by delivery_id").format(
                    sql.Identifier("raw", table)
                )
            )
        ]
        for table in TABLES
    }
    stored["repositories"] = webhooks.query(
        """
        select repository_id, visibility, newest_observation_at is null as is_unseen
        from app.repositories order by repository_id
        """
    )
    stored["repository_history"] = webhooks.query(
        """
        select repository_id, observed_at, visibility, default_branch
        from raw.repository_history order by repository_id, observed_at
        """
    )
    people = sign_ins(webhooks)
    for person in people:
        person["rights_invalid_before"] = person["rights_invalid_before"] != NEVER
    stored["people"] = people
    return stored


def deliver(webhooks: Installation, schedule: list[tuple[int, bool]], batch_size: int) -> None:
    """Begin anew, and send and drain as the schedule says."""
    with connect(webhooks.database_url) as connection:
        for table in (*TABLES, "webhook_batches", "repository_history"):
            connection.execute(sql.SQL("delete from {}").format(sql.Identifier("raw", table)))
        connection.execute(
            "update app.repositories set visibility = 'public', newest_observation_at = null"
        )
        connection.execute("delete from app.users")
    for user_id in (REVOKING, 2):
        sign_in(webhooks, user_id)
    for place, drains in schedule:
        event, delivery_id, body = DELIVERIES[place]
        webhooks.send(event, body, delivery_id)
        if drains:
            webhooks.drain(batch_size=batch_size)
    webhooks.drain(batch_size=batch_size)
    assert webhooks.buffer.freshness().event_count == 0


def test_any_order_repetition_and_batching_leaves_the_same_tables(webhooks: Installation) -> None:
    webhooks.monitor(*MONITORED)
    deliver(webhooks, [(place, False) for place in range(len(DELIVERIES))], 1_000)
    expected = tables(webhooks)
    assert len(expected["webhook_events"]) == len({of for _, of, _ in DELIVERIES}) - 2
    assert len(expected["webhook_runs"]) == 4 + 3
    assert len(expected["repository_history"]) == 2
    assert [row["delivery_id"] for row in expected["webhook_dead_letters"]] == [
        "no JSON",
        "without id",
    ]

    @settings(
        max_examples=CASE_COUNT,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(schedules())
    def check(schedule: tuple[list[tuple[int, bool]], int]) -> None:
        deliver(webhooks, *schedule)
        assert tables(webhooks) == expected

    check()
