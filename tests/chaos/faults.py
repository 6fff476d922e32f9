"""The faults: each begins when it is called, and is over when it returns."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil  # pyrefly: ignore[untyped-import]

from github_standin.server import faults as github_faults
from github_standin.server.latency import Latency
from github_standin.server.secondary_limits import SecondaryLimits
from github_standin.server.server import Server
from github_standin.webhooks.sender import Sender
from tests.chaos import github
from tests.chaos.installation import ACTIONSIGHT, Installation, wait_until
from tests.small_disk import SmallDisk

FIND_SECONDS = 10


@dataclass
class Scene:
    """What faults strike.

    Attributes:
        disk: where its data folder lies; None: no small disk can be mounted here.
        sender: what delivers GitHub's webhooks.
        chance: of the seed, for what the schedule leaves open.
    """

    installation: Installation
    github: Server
    sender: Sender
    disk: SmallDisk | None
    chance: random.Random
    # What is away or full already is not so a second time.
    filling: threading.Lock = field(default_factory=threading.Lock)
    leaving: threading.Lock = field(default_factory=threading.Lock)


def kill(scene: Scene, victim: str) -> str:
    """SIGKILL one of the processes of a role."""
    process = _find(scene, victim)
    if process is None:
        return "there is none"
    with suppress(psutil.NoSuchProcess):
        process.kill()
    return f"process {process.pid}"


def stall(scene: Scene, victim: str, seconds: float) -> str:
    """SIGSTOP one of them for some seconds."""
    process = _find(scene, victim)
    if process is None:
        return "there is none"
    with suppress(psutil.NoSuchProcess):
        process.suspend()
        time.sleep(seconds)
        process.resume()
    return f"process {process.pid}"


def kill_up(scene: Scene) -> str:
    """SIGKILL `up` itself, and start it again."""
    with scene.installation.restarting:
        scene.installation.kill_up()
        scene.installation.start_up()
    return "it is ready again"


def deploy(scene: Scene) -> str:
    """End `up` by SIGTERM, migrate, and start it again; then GitHub is asked for what it lost."""
    with scene.installation.restarting:
        scene.installation.end_up()
        scene.installation.run("migrate")
        scene.installation.start_up()
    lost = [sent for sent in scene.sender.attempts() if not sent.is_ok]
    for sent in lost:
        scene.sender.redeliver(sent)
    return f"{len(lost)} deliveries are asked for again"


def fill_disk(scene: Scene, seconds: float) -> str:
    """Leave not a block of the disk for some seconds."""
    if scene.disk is None:
        return "no disk can be mounted here"
    with scene.filling, scene.disk.full():
        time.sleep(seconds)
    return "there is room again"


def github_away(scene: Scene, seconds: float) -> str:
    """Nobody listens at GitHub's address for some seconds."""
    with scene.leaving:
        port = urlsplit(scene.github.url).port or 0
        scene.github.stop()
        time.sleep(seconds)
        scene.github.start(port)
    return "it is back"


def github_faults_(scene: Scene, kind: str, share: float, seconds: float) -> str:
    """A share of what is asked meets a fault of the stand-in's."""
    scene.github.fault = github_faults.named(
        kind, scene.github, share=share, seed=scene.chance.randrange(2**32), paths="^/repos"
    )
    time.sleep(seconds)
    scene.github.fault = None
    return f"{scene.github.traffic.status()['by_status']}"


def github_refuses(scene: Scene, seconds: float) -> str:
    """GitHub's secondary limit bites at once."""
    scene.github.secondary_limits = SecondaryLimits(points=3, retry_after=3)
    time.sleep(seconds)
    scene.github.secondary_limits = None
    return f"{sum(scene.github.refusals.values())} refusals so far"


def github_slow(scene: Scene, seconds: float) -> str:
    """Each answer of GitHub's takes seconds."""
    scene.github.latency = Latency(2.0, seed=scene.chance.randrange(2**32))
    time.sleep(seconds)
    scene.github.latency = None
    return "it is quick again"


def second_daemon(scene: Scene, seconds: float) -> str:
    """Another daemon of Dagster's beside the one that runs, as where a deploy overlaps."""
    process = _find(scene, "daemon")
    if process is None:
        return "there is none"
    with subprocess.Popen(
        process.cmdline(),
        env=process.environ(),
        cwd=process.cwd(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # Where SIGINT is ignored, as in a shell's background, Dagster ignores SIGTERM, too.
        preexec_fn=_reset_sigint,
    ) as twin:
        time.sleep(seconds)
        twin.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            twin.wait(10)
        twin.kill()
    return f"exit {twin.returncode}"


def two_syncs(scene: Scene) -> str:
    """Two `actionsight sync` at once, beside all else. In trouble they may fail."""
    both = [scene.installation.start(ACTIONSIGHT, "sync") for _ in range(2)]
    return f"exits {[process.wait() for process in both]}"


def two_drains(scene: Scene) -> str:
    """Two drains at once, beside the daemon's."""
    process = _find(scene, "code server")
    if process is None:
        return "there is none"
    command = [sys.executable, "-m", "ingestion.webhooks", "--quiet", "drain", "--wait"]
    both = [
        subprocess.Popen(
            command,
            env=process.environ(),
            cwd=process.cwd(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    return f"exits {[process.wait() for process in both]}"


def rerun_storm(scene: Scene, runs: int) -> str:
    """Some runs are run again and again, each time as soon as they have ended."""
    github.storm(scene.github.world, scene.chance, runs)
    return f"{github.ATTEMPTS_OF_STORM} attempts of each"


def privatize(scene: Scene) -> str:
    """A public repository becomes private; who has no right to it reads it until that is seen."""
    world = scene.github.world
    repository = world.repository_named(github.PUBLIC[1])
    if repository is None or not github.is_public(repository):
        return "it is private already"
    world.privatize_repository(repository)
    return repository.full_name


def redeliveries(scene: Scene, count: int) -> str:
    """Somebody lets GitHub deliver again what was delivered, or what was not."""
    attempts = scene.sender.attempts()
    for sent in scene.chance.sample(attempts, min(count, len(attempts))):
        scene.sender.redeliver(sent)
    return f"{min(count, len(attempts))} deliveries"


FAULTS: dict[str, Callable[..., str]] = {
    "github_faults": github_faults_,
    **{
        of.__name__: of
        for of in (
            kill,
            stall,
            kill_up,
            deploy,
            fill_disk,
            github_away,
            github_refuses,
            github_slow,
            second_daemon,
            two_syncs,
            two_drains,
            rerun_storm,
            privatize,
            redeliveries,
        )
    },
}


def _reset_sigint() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _find(scene: Scene, role: str) -> psutil.Process | None:
    """One of a role's processes, waited for; a run of Dagster's is there only now and then."""
    found: list[psutil.Process] = []

    def is_there() -> bool:
        found[:] = scene.installation.processes(role)
        return bool(found)

    with suppress(AssertionError):
        wait_until(role, is_there, FIND_SECONDS)
    found.sort(key=lambda process: process.pid)
    return scene.chance.choice(found) if found else None
