"""One seed: a copy of the template, its schedule, and what must hold afterwards."""

import random
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from github_standin.server.server import Server, serving
from tests.chaos import checks, github, load
from tests.chaos.faults import FAULTS, Scene
from tests.chaos.installation import (
    CLIENT_ID,
    COLLECTOR,
    ChaosError,
    Installation,
    Secrets,
    Template,
    wait_until,
)
from tests.chaos.schedule import SECONDS, Fault, schedule
from tests.small_disk import SmallDisk, small_disk

MEGABYTES = 900
# A busy machine takes long to send what a quiet one sends at once.
OVER_SECONDS = 600

Say = Callable[[str], None]


def make_template(folder: Path) -> Template:
    """Collect a history once, by `actionsight sync`, in a new folder."""
    until = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    shared = Secrets()
    folder.mkdir(parents=True)
    with _serving(until) as server:
        installation = Installation(folder / "data", folder, server, shared)
        installation.run("sync")
        token = installation.run("tokens", "create", "--name", "chaos").split()[-1]
    template = Template(folder, until, shared, token)
    template.save()
    return template


def run_seed(seed: int, template: Template, folder: Path, say: Say) -> None:
    """Run the schedule of a seed, in a new folder.

    Raises:
        ChaosError: something is not as it should be.
    """
    planned = schedule(seed)
    say(f"seed {seed}: GitHub's clock is {planned.clock_skew_seconds:+} s off")
    for fault in planned.faults:
        say(f"  planned {fault}")
    chance = random.Random(seed)  # noqa: S311
    folder.mkdir(parents=True)
    with ExitStack() as until_end:
        disk = _disk(until_end, folder / "disk")
        data_dir = folder / "disk" / "data"
        data_dir.parent.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", template.data_dir, data_dir], check=True)
        for server_state in data_dir.glob("*/process.json"):
            server_state.unlink()  # seeds beside each other would look for the same ports
        server = until_end.enter_context(_serving(template.until))
        server.world.skew_clock(timedelta(seconds=planned.clock_skew_seconds))
        installation = Installation(data_dir, folder, server, template.secrets)
        server.world.people.register_app(
            CLIENT_ID,
            template.secrets.client,
            [f"{installation.api_url}/login/github/authorized"],
        )
        try:
            _Run(installation, server, disk, template, chance, say).go(planned.faults)
        except BaseException:
            installation.end_all()
            # With all that it logged, before its disk goes.
            subprocess.run(["cp", "-a", data_dir, folder / "data"], check=False)
            raise
        finally:
            installation.end_all()


@dataclass
class _Run:
    installation: Installation
    github: Server
    disk: SmallDisk | None
    template: Template
    chance: random.Random
    say: Say
    _begun: float = field(default_factory=time.monotonic)

    def go(self, faults: tuple[Fault, ...]) -> None:
        installation, world = self.installation, self.github.world
        installation.start_up()
        self._tell("`actionsight up` is ready")
        people = load.readers(installation, self.github, self.template.operator_token, self.chance)
        with load.sending(self.github, installation, self.template.secrets.webhook) as senders:
            github.plan_traffic(world, self.chance, SECONDS)
            with load.reading(people):
                scene = Scene(installation, self.github, senders[0], self.disk, self.chance)
                self._strike(scene, faults)
                wait_until("the traffic is over", lambda: github.is_over(world), OVER_SECONDS)
                wait_until(
                    "all is sent",
                    lambda: not any(sender.status()["waiting"] for sender in senders),
                    OVER_SECONDS,
                )
            self._tell("the traffic is over")
            self._check(senders, people)
        installation.end_up()
        checks.check_nothing_is_left(installation)
        self._tell("`up` has ended and left nothing")

    def _strike(self, scene: Scene, faults: tuple[Fault, ...]) -> None:
        """Begin each fault at its moment, whatever others do; return when all are over."""
        begun = time.monotonic()
        failures: list[str] = []

        def strike(fault: Fault) -> None:
            try:
                told = FAULTS[fault.name](scene, **fault.options)
                self._tell(f"over: {fault}: {told}")
            except Exception as error:
                failures.append(f"{fault}: {type(error).__name__}: {error}")

        threads = []
        for fault in faults:
            time.sleep(max(0.0, begun + fault.at_seconds - time.monotonic()))
            threads.append(threading.Thread(target=strike, args=[fault], daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()
        time.sleep(max(0.0, begun + SECONDS - time.monotonic()))
        if failures:
            raise ChaosError("; ".join(failures))

    def _check(self, senders: list[load.Sender], people: list[load.Reader]) -> None:
        installation, world = self.installation, self.github.world
        self._tell(f"webhooks: {load.answers_of(senders)}")
        self._tell(f"readers: { ({each.name: dict(each.answers) for each in people}) }")
        checks.check_webhooks_were_answered(senders)
        self._tell(f"well after {checks.wait_until_well(installation):.0f} s")
        self._tell(f"quiet after {checks.wait_until_quiet(installation)}")
        self._tell(checks.check_account_of_deliveries(installation, senders))
        installation.run("sync", "--sweep")
        self._tell("synced")
        checks.wait_until_quiet(installation)
        self._tell(checks.wait_until_marts_are_right(installation, world))
        checks.wait_until_nothing_is_locked(installation)
        problems = [problem for each in people for problem in each.check_all()]
        if problems:
            raise ChaosError(f"{len(problems)} wrong answers: {problems[:5]}")
        checks.check_status(installation)
        self._tell("nothing is locked, every answer is right")

    def _tell(self, what: str) -> None:
        self.say(f"  {time.monotonic() - self._begun:5.1f} s  {what}")


def _serving(until: datetime) -> AbstractContextManager[Server]:
    return serving(
        github.make_world(until), token=COLLECTOR, rate_limit=1_000_000, administers_hooks=True
    )


def _disk(until_end: ExitStack, folder: Path) -> SmallDisk | None:
    try:
        return until_end.enter_context(small_disk(folder, MEGABYTES))
    except pytest.skip.Exception:
        return None
