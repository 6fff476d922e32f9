"""Lengths of time, whole seconds, and the spans of what runs beside each other."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

Span = tuple[datetime, datetime]

# GitHub writes the zero time in places, and no run lasts longer.
EARLIEST = datetime(2018, 1, 1, tzinfo=UTC)
LONGEST = timedelta(days=35)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def seconds(earlier: datetime | None, later: datetime | None) -> int | None:
    """From one time to another; None if either is unknown or they are the wrong way round."""
    if earlier is None or later is None or later < earlier:
        return None
    return (later - earlier) // SECOND


def reading(earlier: datetime | None, later: datetime | None) -> int | None:
    """From one time to another; None if either is unknown or the reading is impossible."""
    return None if is_impossible(earlier, later) else seconds(earlier, later)


def is_impossible(earlier: datetime | None, later: datetime | None) -> bool:
    """Whether it is negative, longer than 35 days, or has an end before 2018."""
    if earlier is None or later is None:
        return False
    return later < earlier or later - earlier > LONGEST or earlier < EARLIEST


def day_of(time: datetime) -> date:
    """The UTC date."""
    return time.astimezone(UTC).date()


def hour_of(time: datetime) -> datetime:
    """The UTC hour's beginning."""
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hours_of(span: Span) -> list[datetime]:
    """The hours that a half-open span touches; of one without length, the hour it lies in."""
    start, end = span
    hours = [hour_of(start)]
    while hours[-1] + HOUR < end:
        hours.append(hours[-1] + HOUR)
    return hours


def clipped(span: Span, hour: datetime) -> Span:
    """The part of a span that lies in the hour."""
    return max(span[0], hour), min(span[1], hour + HOUR)


def covered_seconds(spans: Iterable[Span]) -> int:
    """Length of the union."""
    lengths = [end - start for start, end, running in _pieces(list(spans)) if running]
    return sum(lengths, start=timedelta()) // SECOND


def seconds_alone(spans: Sequence[Span]) -> list[int]:
    """Of each span, how long no other was there."""
    alone = [timedelta()] * len(spans)
    for start, end, running in _pieces(spans):
        if len(running) == 1:
            alone[running[0]] += end - start
    return [length // SECOND for length in alone]


def most_at_once(spans: Iterable[Span]) -> int:
    """The most at any moment; an end and a start in one second are not two at once."""
    return max((len(running) for _, _, running in _pieces(list(spans))), default=0)


def _pieces(spans: Sequence[Span]) -> list[tuple[datetime, datetime, list[int]]]:
    """The pieces between all bounds of the spans, each with the places of those that hold it."""
    bounds = sorted({bound for span in spans for bound in span})
    return [
        (
            start,
            end,
            [place for place, span in enumerate(spans) if span[0] <= start and end <= span[1]],
        )
        for start, end in pairwise(bounds)
    ]
