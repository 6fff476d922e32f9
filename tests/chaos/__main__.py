"""Seeds of chaos, one after the other or some beside each other.

    python -m tests.chaos --seeds 100 [--first 1] [--beside 2]
    python -m tests.chaos --seed 17

What fails keeps its folder, whose address is printed.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.installation import ChaosError, Template
from tests.chaos.seed import make_template, run_seed
from tests.conftest import MEMORY

PREFIX = "actionsight-chaos-"


def main() -> int:
    """Run seeds; 1 where one failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many (3)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (1)")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--beside", type=int, default=1, help="so many at once (1)")
    parser.add_argument("--template", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    if options.template is not None:
        return _one(options.seed, Template.read(options.template))
    seeds = (
        [options.seed]
        if options.seed is not None
        else range(options.first, options.first + options.seeds)
    )
    return _all(list(seeds), options.beside)


def _all(seeds: list[int], beside: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY if MEMORY.is_dir() else None))
    folder.chmod(0o755)
    _say(f"an installation collects the history, in {folder}")
    template = make_template(folder / "template")
    began = time.monotonic()
    under_way: set[subprocess.Popen[str]] = set()
    threads = ThreadPoolExecutor(beside)
    try:
        codes = threads.map(lambda seed: _in_process(seed, template, under_way), seeds)
        failed = [seed for seed, code in zip(seeds, codes, strict=True) if code]
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        # Each ends what it started.
        for process in list(under_way):
            process.terminate()
    _say(
        f"{len(seeds)} seeds in {(time.monotonic() - began) / 60:.0f} min, {len(failed)} failed"
        + "".join(f"\n  again: python -m tests.chaos --seed {seed}" for seed in failed)
    )
    if not failed:
        shutil.rmtree(folder)
    return bool(failed)


def _in_process(seed: int, template: Template, under_way: "set[subprocess.Popen[str]]") -> int:
    """A seed in a process of its own; what it prints is told with its number."""
    command = [sys.executable, "-m", "tests.chaos", f"--seed={seed}"]
    with subprocess.Popen(
        [*command, f"--template={template.folder}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        under_way.add(process)
        for line in process.stdout or ():
            _say(f"{seed:4}  {line.rstrip()}")
        process.wait()
        under_way.remove(process)
    return process.returncode


def _one(seed: int, template: Template) -> int:
    folder = template.folder.parent / f"seed-{seed}"
    began = time.monotonic()
    try:
        run_seed(seed, template, folder, _say)
    except Exception as error:
        if not isinstance(error, ChaosError):
            traceback.print_exc()
        _say(
            f"seed {seed} FAILED after {time.monotonic() - began:.0f} s: {error}\n  kept: {folder}"
        )
        return 1
    _say(f"seed {seed}: all is right after {time.monotonic() - began:.0f} s")
    shutil.rmtree(folder)
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
