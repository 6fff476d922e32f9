"""What `GET /metrics` has, and what to do about it: the help of each metric."""

import re
from functools import cache

from actionsight.disk import Usage
from actionsight.event_buffer import Memory
from api.event_buffer import Status, Waiting
from api.prometheus import families
from api.prometheus.counters import Counters

_NAME = re.compile(r"actionsight_\w+")
_SUFFIX = re.compile(r"_(total|bucket|count|sum)$")


@cache
def help_texts() -> dict[str, str]:
    """The help of each family, by its name without a suffix such as `_total`."""
    series = (*families.INSTALLATION, *families.BUDGETS, *families.REPOSITORIES)
    told = [
        *Counters().collect(),
        *families.of_buffer(Waiting(Status.OK, 0, 0, Memory(0, 0))),
        *families.of_disk(Usage(0, 0)),
        families.of_cache(True),
        families.of_replica(True),
        families.of_database(True),
        families.of_states({}),
    ]
    return {each.name: each.help for each in series} | {
        each.name: each.documentation for each in told
    }


def names_in(expression: str) -> list[str]:
    """The families that an expression of PromQL reads, in its order."""
    return [_SUFFIX.sub("", name) for name in _NAME.findall(expression)]


def help_of(expression: str) -> str:
    """What to do about the first metric of an expression.

    Raises:
        KeyError: there is no such metric.
    """
    return help_texts()[names_in(expression)[0]]
