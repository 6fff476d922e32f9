"""`compare=previous`: the same statistics of the period before, and which differences are no noise.

The period before is as long as the range and ends where that begins; of a range that is not over it
is as much as has passed. What was not collected of it is no zero: it is not compared.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal, TypeAlias

from pydantic import Field, create_model

from api.database import Connection, array_of
from api.errors import bad_query
from api.filters import RunFilter
from api.parameters import Parameters, day_after
from api.records import Filter, Next, PartialRecord, Record, Time
from api.stats.intervals import wilson
from api.stats.metrics import Derived, Percentiles, terms

# Less is no difference, in parts of the value before and in seconds.
LEAST_PART = 0.2
LEAST_SECONDS = 10
LEAST_RUNS = 20


class ComparisonParameters(Parameters):
    """Whether the period before is told, too."""

    compare: Literal["previous"] | None = Field(
        None,
        description="`previous`: each object also has the statistics of the period of the same "
        "length before its range (of a range that is not over: of as much as has passed), and says "
        "which differences are no noise.",
    )


class Compared(Record):
    """The period that the range was compared with."""

    from_: Time = Field(alias="from")
    to: Time = Field(description="Its end, excluded.")
    is_complete: bool = Field(
        description="Whether all of it was collected, of every repository of the answer."
    )
    reason: str | None = Field(description="Why it is not; null: it is.")


@dataclass(frozen=True)
class RateRule:
    """A rate differs clearly where the 95 % Wilson intervals of its parts are apart."""

    part: str
    whole: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The terms that decide."""
        return (self.part, self.whole)

    def is_clear(self, _: str, now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
        """Whether the difference of a term is no noise."""
        bounds = [wilson(each[self.part] or 0, each[self.whole] or 0) for each in (now, before)]
        if bounds[0] is None or bounds[1] is None:
            return False
        return bounds[0][0] > bounds[1][1] or bounds[0][1] < bounds[1][0]


@dataclass(frozen=True)
class PercentileRule:
    """A percentile differs clearly by 20 % and 10 s, over enough values on both sides."""

    count: str
    percent: int

    @property
    def parts(self) -> tuple[str, ...]:
        """The terms that decide."""
        return (self.count,)

    def is_clear(self, name: str, now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
        """Whether the difference of a term is no noise."""
        least = 8 if self.percent < 90 else 20
        if min(now[self.count], before[self.count]) < least:
            return False
        difference: float = abs(now[name] - before[name])
        return difference >= LEAST_SECONDS and difference >= LEAST_PART * float(before[name])


@dataclass(frozen=True)
class AmountRule:
    """A count or a sum differs clearly by 20 %, with enough runs on both sides."""

    runs: str = "run_count"

    @property
    def parts(self) -> tuple[str, ...]:
        """The terms that decide."""
        return (self.runs,)

    def is_clear(self, name: str, now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
        """Whether the difference of a term is no noise."""
        values = now[name], before[name]
        if min(now[self.runs], before[self.runs]) < LEAST_RUNS or None in values:
            return False
        difference: float = abs(values[0] - values[1])
        return difference > 0 and difference >= LEAST_PART * float(abs(values[1]))


# None: of what is no quantity no difference is clear.
Rule: TypeAlias = RateRule | PercentileRule | AmountRule | None


@cache
def rules_of_terms() -> Mapping[str, Rule]:
    """When a difference of each term of /stats is clear."""
    rules: dict[str, Rule] = {}
    for name, term in terms().items():
        if isinstance(term, Percentiles):
            percent = int(name.removeprefix(f"{term.prefix}_p").removesuffix("_seconds"))
            rules[name] = PercentileRule(term.count.name, percent)
        elif isinstance(term, Derived) and term.unit == "rate":
            rules[name] = RateRule(*term.parts)
        else:
            rules[name] = None if term.unit == "boolean" else AmountRule()
    return rules


@dataclass(frozen=True)
class Comparison:
    """A range and the period before it.

    Attributes:
        previous: the same filter over the period before.
        length: of the whole range; so much later lies what is compared.
        uncollected: the repositories of which the period before was not collected.
    """

    previous: RunFilter
    length: timedelta
    uncollected: frozenset[int]

    @property
    def compared(self) -> dict[str, Any]:
        """As the answer says it. All of it is in the answer's key, since it depends on now."""
        start: datetime = self.previous.values["from"]
        reason = None
        if self.uncollected:
            count, of = len(self.uncollected), len(self.previous.repository_ids)
            reason = f"The history of {count} of {of} repositories does not reach back so far."
        return {
            "from": start,
            "to": self.previous.values["to"],
            "is_complete": reason is None,
            "reason": reason,
        }

    def by_day(self) -> "Comparison":
        """The same, where each day of the period before counts as the one of the range.

        Raises:
            Problem: 400, the range is not one of whole days.
        """
        if self.length % timedelta(days=1):
            raise bad_query("compare", "by time needs a range of whole days")
        return replace(self, previous=replace(self.previous, days_later=self.length.days))

    def is_collected(self, row: Mapping[str, Any]) -> bool:
        """Whether the period before a row, of a repository or of all, was collected."""
        if "repository_id" in row:
            return row["repository_id"] not in self.uncollected
        return not self.uncollected


def read_comparison(
    connection: Connection,
    query: ComparisonParameters,
    chosen: RunFilter,
    now: datetime | None = None,
) -> Comparison | None:
    """What the filter's range is compared with; None: with nothing.

    Raises:
        Problem: 400, the range has no beginning.
    """
    if query.compare is None:
        return None
    now = (now or datetime.now(UTC)).replace(second=0, microsecond=0)
    start: datetime | None = chosen.values.get("from")
    if start is None:
        raise bad_query("compare", "needs a range that begins: `from`, or `period`")
    # Without an end a range reaches over today.
    end: datetime = chosen.values.get("to") or max(
        day_after(now.date()), start + timedelta(minutes=1)
    )
    length = end - start
    elapsed = min(max(now - start, timedelta()), length)
    try:
        before = start - length
    except OverflowError:
        raise bad_query("from", "has no period before it") from None
    values = {**chosen.values, "from": before, "to": before + elapsed}
    previous = replace(chosen, values=values)
    return Comparison(previous, length, _uncollected(connection, chosen.repository_ids, before))


def _uncollected(
    connection: Connection, repository_ids: Iterable[int], start: datetime
) -> frozenset[int]:
    """The repositories whose history is not known from a moment on; before its creation one has
    none."""
    rows = connection.execute(
        """
        select monitored.repository_id
        from app.repositories as monitored
        left join marts.repositories using (repository_id)
        where monitored.repository_id = any(%(repositories)s)
            and (
                monitored.backfilled_from
                <= greatest(%(start)s::timestamptz, repositories.created_at)
            ) is not true
        """,
        {"repositories": array_of(repository_ids), "start": start},
    ).fetchall()
    return frozenset(row["repository_id"] for row in rows)


def key_of(applied: Mapping[str, Any], comparison: Comparison | None) -> Mapping[str, Any]:
    """What the key of an answer holds: the filter, and what it is compared with, as of now."""
    return {**applied, **told(comparison)}


def told(comparison: Comparison | None) -> dict[str, Any]:
    """What the answer says of the comparison."""
    return {} if comparison is None else {"compared": comparison.compared}


def with_parts(names: Iterable[str], rules: Mapping[str, Rule]) -> tuple[str, ...]:
    """The terms, and those that decide whether differences of them are clear."""
    chosen = tuple(names)
    parts = (part for name in chosen if (rule := rules[name]) for part in rule.parts)
    return tuple(dict.fromkeys((*chosen, *parts)))


def compared_row(
    names: Iterable[str],
    rules: Mapping[str, Rule],
    now: Mapping[str, Any],
    before: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """`previous` and `is_clear` of a row; what was not collected (None) shows nothing clear."""
    chosen = tuple(names)
    return {
        "previous": None if before is None else {name: before[name] for name in chosen},
        "is_clear": {
            name: before is not None
            and (rule := rules[name]) is not None
            and rule.is_clear(name, now, before)
            for name in chosen
        },
    }


@cache
def comparable(
    item: type[Record], statistics: type[Record], *, names: tuple[str, ...] | None = None
) -> type[Record]:
    """The record of a row that may be compared: `previous` has the statistics that are compared."""
    fields: dict[str, Any] = {
        name: (bool, Field(False)) for name in names or statistics.model_fields
    }
    clear = create_model(
        f"{item.__name__}IsClear",
        __base__=PartialRecord,
        __doc__="Of each term, whether its difference from the period before is no noise.",
        **fields,
    )
    return create_model(
        f"Comparable{item.__name__}",
        __base__=(item, PartialRecord),
        __doc__=item.__doc__,
        previous=(
            statistics | None,
            Field(None, description="The same of the period before; null: it was not collected."),
        ),
        is_clear=(clear, Field(None)),
    )


COMPARED: Any = (
    Compared | None,
    Field(None, description="What was compared; where `compare` asks for it."),
)


@cache
def comparable_list(item: type[Record], **further: Any) -> type[Record]:
    """The body of a list that may be compared."""
    return create_model(
        f"{item.__name__}List",
        __base__=PartialRecord,
        data=(list[item], ...),  # type: ignore[valid-type]
        next=(Next, ...),
        filter=(Filter, ...),
        compared=COMPARED,
        **further,
    )


@cache
def comparable_one(item: type[Record]) -> type[Record]:
    """The body of a single object that may be compared."""
    return create_model(
        f"{item.__name__}Answer",
        __base__=PartialRecord,
        data=(item, ...),
        filter=(Filter, ...),
        compared=COMPARED,
    )
