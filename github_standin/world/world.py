"""The in-memory world that the stand-in shows, and the small factory by which tests build one.

Everything is deterministic: ids that are not given count up from fixed beginnings. All public
methods may be called from any thread; `lock` is held by the server while it answers a request, so
what a test changes under it is seen whole.
"""

import hashlib
import itertools
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from github_standin.world.model import (
    NO_RUNNER,
    Account,
    Attempt,
    Change,
    ChangeAction,
    Job,
    Repository,
    Run,
    Workflow,
    account,
)
from github_standin.world.people import People
from github_standin.world.tokens import Tokens

Clock = Callable[[], datetime]

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class World:
    """Repositories, workflows, runs with attempts, jobs; *clock* says which part of it exists
    yet."""

    def __init__(self, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.repositories: dict[int, Repository] = {}
        self.workflows: dict[int, Workflow] = {}
        self.runs: dict[int, Run] = {}
        self.changes: list[Change] = []
        # Tokens follow the clock that is given here, by which a client reckons, and none set later.
        self.people = People(self.repositories, self.now, self.lock, Tokens(clock))
        # By every name that a repository was given here; an old one redirects until it is reused.
        self._numbers: dict[str, int] = {}
        self._ordered: dict[int, list[Run]] = {}
        self._run_of_job: dict[int, int] = {}
        self._run_numbers: dict[int, Iterator[int]] = {}
        self._repository_ids = itertools.count(700_000_001)
        self._workflow_ids = itertools.count(80_000_001)
        # Beyond 32 bits, as GitHub's are.
        self._run_ids = itertools.count(17_000_000_001)
        self._job_ids = itertools.count(48_000_000_001)

    def now(self) -> datetime:
        """The present moment of this world."""
        return self.clock()

    def skew_clock(self, by: timedelta) -> None:
        """Let the world's clock go ahead of what it would show, or behind it."""
        with self.lock:
            before = self.clock
            self.clock = lambda: before() + by

    # building

    def add_repository(
        self,
        full_name: str,
        *,
        repository_id: int | None = None,
        owner: Account | None = None,
        created_at: datetime = LONG_AGO,
        **fields: Any,
    ) -> Repository:
        """Add a repository; *fields* are further attributes of `Repository`."""
        owner = owner or account(full_name.partition("/")[0], "Organization")
        with self.lock:
            number = next(self._repository_ids) if repository_id is None else repository_id
            repository = Repository(number, full_name, owner, created_at, **fields)
            self.repositories[number] = repository
            self._numbers[full_name.lower()] = number
            self._ordered[number] = []
            return repository

    def add_workflow(
        self,
        repository: Repository,
        name: str = "CI",
        *,
        path: str = ".github/workflows/ci.yml",
        workflow_id: int | None = None,
        created_at: datetime = LONG_AGO,
        **fields: Any,
    ) -> Workflow:
        """Add a workflow to *repository*; *fields* are further attributes of `Workflow`."""
        with self.lock:
            number = next(self._workflow_ids) if workflow_id is None else workflow_id
            fields.setdefault("updated_at", created_at)
            workflow = Workflow(number, repository.id, name, path, created_at, **fields)
            self.workflows[number] = workflow
            return workflow

    def add_run(
        self,
        workflow: Workflow,
        created_at: datetime,
        jobs: Iterable[Job] = (),
        *,
        run_id: int | None = None,
        event: str = "push",
        head_branch: str | None = "main",
        head_sha: str | None = None,
        actor: Account | None = None,
        run_started_at: datetime | None = None,
        ended_at: datetime | None = None,
        conclusion: str | None = None,
        updated_at: datetime | None = None,
        **fields: Any,
    ) -> Run:
        """Add a run with its first attempt; *fields* are further attributes of `Run`.

        `run_number` counts the workflow's runs in the order in which they are added.
        """
        with self.lock:
            number = next(self._run_ids) if run_id is None else run_id
            repository = self.repositories[workflow.repository_id]
            actor = actor or account("octocat")
            sha = head_sha or hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()
            values: dict[str, Any] = {
                "name": workflow.name,
                "path": workflow.path,
                "run_number": next(self._run_numbers.setdefault(workflow.id, itertools.count(1))),
                "display_title": f"Run of {workflow.name}",
                "head_repository": repository,
                "check_suite_id": number + 1_000_000_000,
            } | fields
            run = Run(
                id=number,
                repository_id=repository.id,
                workflow_id=workflow.id,
                created_at=created_at,
                event=event,
                head_branch=head_branch,
                head_sha=sha,
                actor=actor,
                **values,
            )
            first = Attempt(
                1,
                created_at,
                run_started_at or created_at,
                [],
                actor,
                ended_at=ended_at,
                conclusion=conclusion,
                updated_at=updated_at,
            )
            run.attempts.append(first)
            self._adopt(run, first, jobs)
            self._list(run)
            return run

    def add_attempt(
        self,
        run: Run,
        run_started_at: datetime,
        jobs: Iterable[Job] = (),
        *,
        carry_over: bool = True,
        created_at: datetime | None = None,
        triggering_actor: Account | None = None,
        **fields: Any,
    ) -> Attempt:
        """Re-run *run* at *run_started_at*; the attempt shows the run's `created_at` unless given
        another.

        With *carry_over*, jobs of the newest attempt whose name is not among *jobs* are listed
        again, as GitHub does when failed jobs are re-run: with new ids and a later `created_at`,
        their old times, and no runner. *fields* are further attributes of `Attempt`.
        """
        with self.lock:
            own = list(jobs)
            before = run.attempts[-1]
            attempt = Attempt(
                before.number + 1,
                created_at or run.created_at,
                run_started_at,
                [],
                triggering_actor or run.actor,
                **fields,
            )
            names = {job.name for job in own}
            carried = [
                replace(job, id=0, created_at=run_started_at, runner=NO_RUNNER)
                for job in before.jobs
                if carry_over and job.name not in names
            ]
            self._adopt(run, attempt, carried + own)
            run.attempts.append(attempt)
            return attempt

    def add_jobs(self, run: Run, jobs: Iterable[Job], attempt: int = 1) -> None:
        """Add *jobs* to an attempt of *run*, such as one that depends on others."""
        with self.lock:
            self._adopt(run, run.attempts[attempt - 1], jobs)

    def _adopt(self, run: Run, attempt: Attempt, jobs: Iterable[Job]) -> None:
        for job in jobs:
            job.id = job.id or next(self._job_ids)
            self._run_of_job[job.id] = run.id
            attempt.jobs.append(job)

    # changing

    def rename_repository(self, repository: Repository, full_name: str) -> None:
        """Give *repository* another name; the old one redirects until somebody reuses it."""
        with self.lock:
            self._numbers[full_name.lower()] = repository.id
            self._change(repository, "renamed", full_name=full_name)

    def transfer_repository(self, repository: Repository, owner: Account | str) -> None:
        """Give *repository* to another owner (an organization, where only a login is given); the
        old name redirects until somebody reuses it."""
        to = account(owner, "Organization") if isinstance(owner, str) else owner
        full_name = f"{to.login}/{repository.name}"
        with self.lock:
            self._numbers[full_name.lower()] = repository.id
            self._change(repository, "transferred", full_name=full_name, owner=to)

    def privatize_repository(self, repository: Repository) -> None:
        """Make *repository* private."""
        self._change(repository, "privatized", visibility="private")

    def publicize_repository(self, repository: Repository) -> None:
        """Make *repository* public."""
        self._change(repository, "publicized", visibility="public")

    def archive_repository(self, repository: Repository) -> None:
        """Make *repository* read-only."""
        self._change(repository, "archived", archived=True)

    def unarchive_repository(self, repository: Repository) -> None:
        """Make *repository* writable again."""
        self._change(repository, "unarchived", archived=False)

    def change_default_branch(self, repository: Repository, name: str) -> None:
        """Let another branch be the default one of *repository*."""
        self._change(repository, "edited", default_branch=name)

    def _change(self, of: Repository, action: ChangeAction, **values: Any) -> None:
        with self.lock:
            before = {attribute: getattr(of, attribute) for attribute in values}
            number = len(self.changes) + 1
            self.changes.append(Change(number, self.now(), of.id, action, before))
            for attribute, value in values.items():
                setattr(of, attribute, value)

    def delete_repository(self, repository: Repository) -> None:
        """Make *repository* answer 404, as a deleted or an unreadable one does."""
        with self.lock:
            for run in reversed(self._ordered.pop(repository.id)):
                self._forget(run)
            del self.repositories[repository.id]

    def delete_workflow(self, workflow: Workflow) -> None:
        """Drop *workflow* from listings and answer 404 for it; its runs remain."""
        with self.lock:
            del self.workflows[workflow.id]

    def break_workflow(self, workflow: Workflow) -> None:
        """Let the file of *workflow* be wrong: its path stands in place of its name, also in the
        runs that are added from now on."""
        with self.lock:
            workflow.name, workflow.updated_at = workflow.path, self.now()

    def mend_workflow(self, workflow: Workflow, name: str) -> None:
        """Let the file be right again."""
        with self.lock:
            workflow.name, workflow.updated_at = name, self.now()

    def delete_run(self, run: Run) -> None:
        """Delete *run* with its attempts and jobs."""
        with self.lock:
            ordered = self._ordered[run.repository_id]
            del ordered[bisect_left(ordered, _order(run), key=_order)]
            self._forget(run)

    def restore_run(self, run: Run) -> None:
        """Show a deleted *run* again."""
        with self.lock:
            for attempt in run.attempts:
                for job in attempt.jobs:
                    self._run_of_job[job.id] = run.id
            self._list(run)

    def expire_runs(self, repository: Repository, days: float) -> list[Run]:
        """Delete what retention of so many *days* leaves no more; the runs that are gone."""
        with self.lock:
            ordered = self._ordered[repository.id]
            oldest = self.now() - timedelta(days=days)
            stop = bisect_left(ordered, oldest, key=lambda run: run.created_at)
            expired, ordered[:stop] = ordered[:stop], []
            for run in expired:
                self._forget(run)
            return expired

    def _list(self, run: Run) -> None:
        self.runs[run.id] = run
        ordered = self._ordered[run.repository_id]
        ordered.insert(bisect_right(ordered, _order(run), key=_order), run)

    def _forget(self, run: Run) -> None:
        del self.runs[run.id]
        for attempt in run.attempts:
            for job in attempt.jobs:
                self._run_of_job.pop(job.id, None)

    def lose_attempt(self, run: Run, number: int) -> None:
        """Answer 404 for attempt *number* of *run* and for its jobs."""
        with self.lock:
            run.attempts[number - 1].is_missing = True

    # looking

    def repository_named(self, full_name: str) -> Repository | None:
        """The repository that bears this name now, in any case of letters."""
        found = self._numbered(full_name)
        return found if found and found.full_name.lower() == full_name.lower() else None

    def moved_repository(self, full_name: str) -> Repository | None:
        """The repository that bore this name before it was renamed or transferred."""
        found = self._numbered(full_name)
        return found if found and found.full_name.lower() != full_name.lower() else None

    def _numbered(self, full_name: str) -> Repository | None:
        return self.repositories.get(self._numbers.get(full_name.lower(), -1))

    def workflows_of(self, repository_id: int) -> list[Workflow]:
        """The listed workflows of a repository, by id."""
        of_it = [w for w in self.workflows.values() if w.repository_id == repository_id]
        return sorted(of_it, key=lambda workflow: workflow.id)

    def runs_newest_first(
        self, repository_id: int, since: datetime | None = None, until: datetime | None = None
    ) -> list[Run]:
        """The runs of a repository that exist now, created from *since* to *until*, both
        inclusive."""
        now = self.now()
        runs = self._ordered[repository_id]
        bound = now if until is None else min(now, until)
        start = 0 if since is None else bisect_left(runs, since, key=lambda run: run.created_at)
        stop = bisect_right(runs, bound, key=lambda run: run.created_at)
        return runs[start:stop][::-1]

    def last_push(self, repository: Repository) -> datetime:
        """What a repository shows as its last push: the newest run that exists now."""
        runs = self._ordered[repository.id]
        stop = bisect_right(runs, self.now(), key=lambda run: run.created_at)
        return runs[stop - 1].created_at if stop else repository.created_at

    def run_of_job(self, job_id: int) -> Run | None:
        """The run to which a job belongs."""
        return self.runs.get(self._run_of_job.get(job_id, -1))


def _order(run: Run) -> tuple[datetime, int]:
    return run.created_at, run.id
