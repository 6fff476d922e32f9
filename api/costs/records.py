"""What /costs answers, and the formulas of its numbers over executed jobs."""

from typing import Any, LiteralString

from pydantic import Field, create_model

from api.records import Count, Day, Filter, Next, PartialRecord, Record, RunnerClass, Usd
from api.stats.comparison import COMPARED, AmountRule, Rule, comparable
from api.stats.groups import GroupKeys
from api.stats.metrics import Derived, Metric, fields_of, terms

CAUSES: tuple[LiteralString, ...] = ("rerun", "superseded", "timed_out", "cancelled")
# Terms of /stats, over the same rows.
_SHARED = (
    "billable_minutes",
    "self_hosted_minutes",
    "unknown_minutes",
    "estimated_cost_usd",
    "list_price_usd",
    "unpriced_job_count",
    "is_lower_bound",
    "wasted_minutes",
    *(f"{cause}_wasted_minutes" for cause in CAUSES),
)


def _wasted_usd(cause: LiteralString) -> LiteralString:
    """Null where no executed job has completed, or nothing that was wasted has a price."""
    wasted: LiteralString = f"filter (where jobs.waste_cause = '{cause}')"
    return (
        "case when count(jobs.wasted_minutes) = 0 then null "
        f"when count(jobs.wasted_minutes) {wasted} = 0 then 0 "
        f"else sum(jobs.estimated_cost_usd) {wasted} end"
    )


def _formulas() -> dict[str, tuple[LiteralString, str]]:
    """SQL over `jobs`, and its type."""
    formulas: dict[str, tuple[LiteralString, str]] = {
        "run_count": ("count(distinct jobs.run_id)", "count"),
        "job_count": ("count(*)", "count"),
    }
    for name in _SHARED:
        term = terms()[name]
        if isinstance(term, Metric):
            formulas[name] = (term.formula, term.unit)
    for cause in CAUSES:
        formulas[f"{cause}_wasted_usd"] = (_wasted_usd(cause), "usd")
    return formulas


FORMULAS = _formulas()
DERIVED = {name: term for name in _SHARED if isinstance(term := terms()[name], Derived)}


class _Counts(PartialRecord):
    """Of what the numbers are."""

    run_count: Count = Field(description="Runs of which a job executed in the range.")
    job_count: Count = Field(description="Jobs that began to execute in the range.")


_USD: dict[str, Any] = {
    f"{cause}_wasted_usd": (
        Usd | None,
        Field(None, description=f"Cost of the minutes in `{cause}_wasted_minutes`."),
    )
    for cause in CAUSES
}
Costs: type[Record] = create_model(
    "Costs",
    __base__=_Counts,
    __doc__="Minutes and money of executed jobs.",
    **fields_of(_SHARED),
    **_USD,
)
NAMES = tuple(Costs.model_fields)
RULES: dict[str, Rule] = {
    name: None if name == "is_lower_bound" else AmountRule() for name in NAMES
}


class Projection(Record):
    """What a month will have cost."""

    until: Day = Field(description="The last day of the month.")
    estimated_cost_usd: Usd | None = Field(
        description="What is spent, and for today and each day to come the mean of the elapsed "
        "days of the same weekday (of all where there is none); null on the first day."
    )


_PROJECTION: Any = (
    Projection | None,
    Field(description="Of a month that is not over, from its first day on; else null."),
)
WholeCosts = create_model(
    "WholeCosts",
    __base__=(comparable(Costs, Costs), PartialRecord),
    __doc__="Minutes and money of the range.",
    projection=_PROJECTION,
)


class CostGroupKeys(GroupKeys):
    """The keys of a group: those that `group_by` names, and the names of ids."""

    runner_class: RunnerClass | None = Field(None, description="Class of the jobs' runners.")


CostGroup: type[Record] = create_model(
    "CostGroup", __base__=(CostGroupKeys, Costs), projection=_PROJECTION
)
ComparableCostGroup = comparable(CostGroup, Costs)
CostsAnswer = create_model(
    "CostsAnswer",
    __base__=PartialRecord,
    __doc__="One object; with `group_by` a list of groups, and the token of its next page.",
    data=(WholeCosts | list[ComparableCostGroup], ...),  # type: ignore[valid-type]
    next=(Next, Field(None)),
    filter=(Filter, ...),
    compared=COMPARED,
)


class UnpricedJobs(Record):
    """Jobs whose cost is not known, by the labels that they asked for."""

    labels: list[str] = Field(description="In lower case, sorted, each once.")
    runner_class: RunnerClass = Field(
        description="`unknown`: the price list has no pattern for the labels. Any other: it has no "
        "price of that day, or it is not known whether the repository was public."
    )
    job_count: Count = Field(description="Executed, completed jobs without a price.")
    minutes: Count = Field(description="Each job rounded up.")
