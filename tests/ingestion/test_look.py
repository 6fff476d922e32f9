"""A look: a poll that ends where something is new, and costs next to nothing where nothing is."""

import dataclasses
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from actionsight.backlog import has_backlog
from actionsight.settings import ROOT
from ingestion.github import stages
from ingestion.github.__main__ import main
from ingestion.github.loader import WouldLoadError
from tests.ingestion.factories import MINUTE, Installation, failing, run, workflow

pytestmark = pytest.mark.integration

HEAVY = ("dlt", "pandas", "pyarrow", "dagster", "dbt", "sqlalchemy", "jwt")


def look(own: Installation) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, which says what of the heavy it imported."""
    program = (
        "import sys\n"
        "from ingestion.github.__main__ import main\n"
        "code = main(['look'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
        "sys.exit(code)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, **own.settings.environment()},
        capture_output=True,
        text=True,
        check=False,
    )


def test_where_nothing_is_new_it_is_a_whole_poll_and_imports_little(own: Installation) -> None:
    own.clock.now = datetime.now(UTC).replace(microsecond=0) - MINUTE
    run(workflow(own.world), own.world, own.clock.now - 30 * MINUTE)
    own.monitor("octo/hello")
    own.collect()
    loads = own.loads()
    with own.connect() as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.built_loads as select load_id from raw.loads")
        connection.execute("delete from raw.unbuilt_loads")
    own.clock.now = datetime.now(UTC)
    own.paths()

    done = look(own)

    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert len(own.paths()) <= 4
    assert own.loads() == loads
    newest = own.polls("head")[-1]
    assert own.repository("octo/hello")["observed_until"] == newest["started_at"]
    assert newest["error"] is None
    assert newest["ended_at"] is not None
    assert {own.polls(loop)[-1]["poll_id"] for loop in ("head", "open", "repository")} == {
        newest["poll_id"]
    }


def test_what_is_new_is_left_to_a_poll(own: Installation) -> None:
    of = workflow(own.world)
    run(of, own.world, own.clock.now - 30 * MINUTE)
    own.monitor("octo/hello")
    own.collect()
    own.clock.advance(5 * MINUTE)
    run(of, own.world, own.clock.now - MINUTE)
    before = own.everything(), own.loads(), own.repository("octo/hello")
    with (
        pytest.raises(WouldLoadError),
        own.sync("head", "open", is_watched=True, only_looks=True) as sync,
    ):
        stages.collect_runs(sync)
    assert (own.everything(), own.loads(), own.repository("octo/hello")) == before
    own.collect("head", "open")
    assert len(own.attempts()) == 2


def test_a_trouble_is_left_to_a_poll_too(
    own: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own.clock.now = datetime.now(UTC).replace(microsecond=0)
    workflow(own.world)
    own.monitor("octo/hello")
    own.collect()
    own.server.fault = failing("octo/hello", status=403)
    for name, value in own.settings.environment().items():
        monkeypatch.setenv(name, value)
    assert main(["look"]) == 1
    assert "octo/hello: GitHub answers 403" in capsys.readouterr().err


def test_what_waits_is_owed(own: Installation) -> None:
    """A load that no build took in, history, a sweep; an event, as far as the buffer says."""
    days = own.settings.backfill_days
    assert not has_backlog(own.settings)
    with own.connect() as connection:
        connection.execute(
            """
            insert into app.repositories (
                repository_id, full_name, head_since, swept_at, backfill_target
            ) values (5, 'octo/app', now(), now(), now() - make_interval(days => %s))
            """,
            [days],
        )
        assert not has_backlog(own.settings)
        connection.execute("update app.repositories set swept_at = now() - interval '1 day'")
        assert has_backlog(own.settings)
        connection.execute("update app.repositories set swept_at = now(), backfill_target = null")
        assert has_backlog(own.settings)
        connection.execute("delete from app.repositories")
        assert not has_backlog(own.settings)
        connection.execute(
            """
            insert into raw.webhook_batches (
                batch_id, drained_at, event_count, run_count, job_count, dead_letter_count
            ) values ('a', now(), 1, 1, 0, 0)
            """
        )
        assert has_backlog(own.settings)
        connection.execute("delete from raw.webhook_batches")
    away = dataclasses.replace(own.settings, redis_url="redis://127.0.0.1:1/0")
    assert has_backlog(away)
