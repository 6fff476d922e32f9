"""One collection in a process of its own, measured; the last line that it prints is JSON.

    python -m benchmarks.collection.collect [--loop NAME]… [--watched] [--record FILE]

The settings come from the environment, as for any other command.
"""

import argparse
import cProfile
import json
import resource
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.collection.timing import Stopwatches


def main() -> None:
    """Collect, and tell what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", action="append", default=[])
    parser.add_argument("--watched", action="store_true", help="as a person's own command")
    parser.add_argument("--lifted", action="store_true", help="keep no limit of the minute")
    parser.add_argument("--record", type=Path, help="write the address of each request there")
    parser.add_argument("--profile", type=Path, help="write what cProfile sees of the main thread")
    arguments = parser.parse_args()

    began = time.perf_counter()
    from actionsight.github.rate_limit.models import Limits
    from actionsight.settings import load
    from ingestion.github import stages
    from ingestion.github.sync import LOOPS, start_sync

    result: dict[str, Any] = {"import_seconds": time.perf_counter() - began}
    watches = _watches()
    asked: list[str] = []
    if arguments.record:
        _record(asked)
    settings = load()
    loops = [loop for loop in LOOPS if not arguments.loop or loop in arguments.loop]
    began, cpu = time.perf_counter(), time.process_time()
    results = []
    limits = Limits(concurrent=1_000, points_per_minute=1_000_000) if arguments.lifted else None
    with (
        _profiled(arguments.profile),
        start_sync(settings, loops=loops, is_watched=arguments.watched, limits=limits) as sync,
    ):
        for stage in (stages.collect_repositories, stages.collect_runs, stages.collect_jobs):
            moment = time.perf_counter()
            results.append(stage(sync))
            result[f"{stage.__name__}_seconds"] = time.perf_counter() - moment
            result[f"{stage.__name__}_peak_bytes"] = peak_bytes()
    result |= {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "requests": sum(result.request_count for result in results),
        "unchanged": sum(result.unchanged_count for result in results),
        "loads": sum(len(result.load_ids) for result in results),
        "changed": {k: v for result in results for k, v in result.rows_changed.items()},
        "troubles": results[-1].troubles,
        "peak_bytes": peak_bytes(),
        "watches": {k: [v, watches.calls[k]] for k, v in watches.slowest()},
    }
    if arguments.record:
        arguments.record.write_text("\n".join(asked))
    print(json.dumps(result))


def peak_bytes() -> int:
    """The most memory that this process itself has had at once."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    # Elsewhere than on Linux; there it may be the starting process's.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _watches() -> Stopwatches:
    import dlt
    import psycopg
    from psycopg import sql

    from actionsight.github.transport import Transport
    from ingestion.github.loader import Loader

    def statement(cursor: Any, query: Any, *_: object, **__: object) -> str:
        text = query.as_string(cursor) if isinstance(query, sql.Composable) else str(query)
        return "sql " + " ".join(text.split())[:90]

    watches = Stopwatches()
    for step in ("extract", "normalize", "load"):
        watches.put_on(dlt.Pipeline, step, f"dlt {step}")
    watches.put_on(Loader, "load_rows", "load_rows")
    watches.put_on(Transport, "send", "http")
    watches.put_on(psycopg.Cursor, "execute", statement)
    watches.put_on(psycopg.Cursor, "executemany", statement)
    return watches


def _record(asked: list[str]) -> None:
    from actionsight.github.transport import HTTPResponse, Transport

    send = Transport.send

    def recorded(self: Transport, method: str, url: str, **options: Any) -> HTTPResponse:
        asked.append(url)
        return send(self, method, url, **options)

    Transport.send = recorded  # pyrefly: ignore[method-assign]


@contextmanager
def _profiled(path: Path | None) -> Generator[None]:
    """cProfile around the main thread, when somebody wants it."""
    if path is None:
        yield
        return
    with cProfile.Profile() as profile:
        yield
    profile.dump_stats(path)


if __name__ == "__main__":
    main()
