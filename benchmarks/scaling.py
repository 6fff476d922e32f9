"""What an installation of so many repositories needs, by what one of each was measured to take.

    .venv/bin/python -m benchmarks.scaling

Prints the tables of docs/scaling.md: multiplication, and no measurement. Where each figure is from
stands there.
"""

from collections.abc import Callable, Iterator, Sequence

REPOSITORIES = (100, 1_000, 10_000)

# How busy a repository is.
RUNS_A_DAY = 50
JOBS_A_RUN = 5
ATTEMPTS_A_RUN = 1.05
EVENTS = 3  # of each run and each job
PEAK = 10  # the busiest minutes by the average of a day

# Requests of a repository.
POLLS_AN_HOUR = 12
SWEEP_A_DAY = 16
UNTOLD = 0.05  # jobs that webhooks do not tell of, so that they are listed
FIRST_DAYS = 90
BACKGROUND = 12_500 * 0.6  # an hour: of an App's installation, what is not left to people

# Bytes, with indexes.
BYTES = {
    "raw runs and jobs": 754,
    "intermediate": 612,
    "marts but steps": 1_799,
}
STEPS = 1_745  # a job's
PAYLOAD = 2_420  # a webhook's, as are the next two
LEDGER = 590
WORDS = 808
POLL = 250

# Days, as the settings say unless somebody says otherwise.
# A week's payloads go with its last.
STEP_DAYS, PAYLOAD_DAYS, WEBHOOK_DAYS, LEDGER_DAYS, POLL_DAYS = 90, 37, 30, 90, 30

# A second, on two cores.
DRAINED = 6_124  # webhooks
BUILT = 3_000  # webhooks, drained and built
REBUILT_JOBS = 2_140

Formula = Callable[[int], str]


def jobs(repositories: int, days: float) -> float:
    """Jobs of so many days."""
    return repositories * RUNS_A_DAY * JOBS_A_RUN * days


def events(repositories: int, days: float) -> float:
    """Webhooks of so many days."""
    return repositories * RUNS_A_DAY * (1 + JOBS_A_RUN) * EVENTS * days


def requests(repositories: int, polls_an_hour: float, listed: float) -> float:
    """Requests to GitHub an hour, where so many of the attempts have their jobs listed."""
    listings = RUNS_A_DAY * ATTEMPTS_A_RUN * listed / 24
    return repositories * (polls_an_hour + SWEEP_A_DAY / 24 + listings)


def first_load(repositories: int) -> float:
    """Requests of the first collection."""
    runs = RUNS_A_DAY * FIRST_DAYS
    return repositories * (runs / 100 + runs * ATTEMPTS_A_RUN)


def stored(repositories: int, *, keeps_all: bool) -> dict[str, float]:
    """Bytes after a year, by what they are of."""

    def days(kept: int) -> int:
        return 365 if keeps_all else kept

    return {
        **{name: size * jobs(repositories, 365) for name, size in BYTES.items()},
        "steps": STEPS * jobs(repositories, days(STEP_DAYS)),
        "payloads": PAYLOAD * events(repositories, days(PAYLOAD_DAYS)),
        "ledger": LEDGER * events(repositories, days(LEDGER_DAYS)),
        "webhooks' words": WORDS * events(repositories, days(WEBHOOK_DAYS)),
        "polls": POLL * repositories * POLLS_AN_HOUR * 24 * days(POLL_DAYS),
    }


def table(heading: str, rows: Sequence[tuple[str, Formula]]) -> str:
    """A table with a column for each size."""
    sizes = " | ".join(f"{size:,} repositories" for size in REPOSITORIES)
    lines = [f"| {heading} | {sizes} |", "|---" * (len(REPOSITORIES) + 1) + "|"]
    for name, formula in rows:
        lines.append(f"| {name} | {' | '.join(formula(size) for size in REPOSITORIES)} |")
    return "\n".join(lines)


def tables() -> Iterator[str]:
    """Each table of the document."""
    yield table(
        "what comes",
        [
            ("runs a day", lambda size: f"{size * RUNS_A_DAY:,}"),
            ("jobs a day", lambda size: f"{jobs(size, 1):,.0f}"),
            ("jobs a year", lambda size: _millions(jobs(size, 365))),
            ("webhooks a day", lambda size: f"{events(size, 1):,.0f}"),
            ("webhooks a second", lambda size: f"{events(size, 1) / 86_400:,.0f}"),
            ("at peak", lambda size: f"{_peak(size):,.0f}"),
            ("of what a drain takes", lambda size: f"{_peak(size) / DRAINED:.1%}"),
            ("of what drain and builds take", lambda size: f"{_peak(size) / BUILT:.1%}"),
        ],
    )
    yield table(
        "requests to GitHub",
        [
            (
                "an hour, no webhooks, polls every 5 minutes",
                lambda size: f"{requests(size, POLLS_AN_HOUR, 1):,.0f}",
            ),
            ("webhooks, every hour", lambda size: f"{requests(size, 1, UNTOLD):,.0f}"),
            ("webhooks, every 6 hours", lambda size: f"{requests(size, 1 / 6, UNTOLD):,.0f}"),
            ("of the first load", lambda size: _millions(first_load(size))),
            (
                "its days, by one installation of the App",
                lambda size: f"{first_load(size) / BACKGROUND / 24:,.0f}",
            ),
        ],
    )
    for heading, keeps_all in (("a year, all kept", True), ("with retention", False)):
        names = stored(1, keeps_all=keeps_all)
        yield table(
            heading,
            [
                *((name, _bytes_of(name, keeps_all=keeps_all)) for name in names),
                ("**all**", _bytes_of(None, keeps_all=keeps_all)),
            ],
        )
    yield table(
        "a year's marts",
        [("made anew", lambda size: f"{jobs(size, 365) / REBUILT_JOBS / 3600:,.0f} h")],
    )


def _peak(repositories: int) -> float:
    return events(repositories, 1) / 86_400 * PEAK


def _bytes_of(name: str | None, *, keeps_all: bool) -> Formula:
    def formula(repositories: int) -> str:
        sizes = stored(repositories, keeps_all=keeps_all)
        size = sum(sizes.values()) if name is None else sizes[name]
        return f"{size / 1e9:,.0f} GB" if size >= 1e9 else f"{size / 1e9:,.1f} GB"

    return formula


def _millions(count: float) -> str:
    return f"{count / 1e6:,.1f} million"


if __name__ == "__main__":
    print("\n\n".join(tables()))
