"""Shards of collection: which part of what is monitored one process collects.

A repository belongs to one of `SLOTS` slots by its owner (`app.collection_slot`), so that what one
installation of the App reads stays together; a shard is every n-th slot. Locks are of slots:
processes that were told of different numbers of shards wait for each other where these overlap.
"""

from collections.abc import Iterable
from dataclasses import dataclass

# As `app.collection_slot` has it.
SLOTS = 64


@dataclass(frozen=True)
class Shard:
    """The `number`-th (from 1) of `count` shards; 1 of 1 is all that is monitored."""

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count <= SLOTS:
            raise ValueError(f"there is no shard {self}: 1/1 to {SLOTS}/{SLOTS} are possible")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The shard that a text such as `2/4` names.

        Raises:
            ValueError: it names none.
        """
        number, slash, count = text.partition("/")
        if not (slash and all(part.isascii() and part.isdigit() for part in (number, count))):
            raise ValueError(f"{text!r} is no shard: write 2/4 for the second of four")
        return cls(int(number), int(count))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def slots(self) -> list[int]:
        """Its slots, the smallest first."""
        return list(range(self.number - 1, SLOTS, self.count))

    def place(self, family: str) -> str:
        """What the folder and the staging tables of its loads are called.

        Two of one number are never under way at once, whatever their counts: both have its slot.
        """
        return family if self.number == 1 else f"{family}_{self.number}"


ALL = Shard()


def shards(count: int) -> list[Shard]:
    """All shards of so many."""
    return [Shard(number, count) for number in range(1, count + 1)]


def holding(slots: Iterable[int], count: int) -> list[Shard]:
    """Those of so many shards that hold some of these slots."""
    return [Shard(number + 1, count) for number in sorted({slot % count for slot in slots})]
