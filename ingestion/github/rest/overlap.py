"""Requests that overlap: work is done in threads, its outcomes are taken by the one that asked.

Only requests belong in there: the database connection, batches and counts are the main thread's.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

# GitHub allows 100 at once; more than this gains nothing, since the minute's points bind first.
WIDTH = 32

Item = TypeVar("Item")
Result = TypeVar("Result")


class Overlap(Generic[Item, Result]):
    """Work under way, at most twice as much of it as is done at once.

    What is done waits until it is taken: memory is bounded by that, not by how much there is to do.
    """

    def __init__(self, work: Callable[[Item], Result], width: int = WIDTH) -> None:
        self._work = work
        self._most = 2 * width
        self._threads = ThreadPoolExecutor(width, thread_name_prefix="github")
        self._items: dict[Future[Result], Item] = {}

    def __enter__(self) -> "Overlap[Item, Result]":
        return self

    def __exit__(self, *_: object) -> None:
        # What waits for a thread is dropped; what is being asked ends by itself.
        self._threads.shutdown(wait=True, cancel_futures=True)

    @property
    def has_room(self) -> bool:
        """Whether more may be given to it."""
        return len(self._items) < self._most

    @property
    def is_busy(self) -> bool:
        """Whether something is under way or waits to be taken."""
        return bool(self._items)

    def give(self, item: Item) -> None:
        """Let the work be done for an item."""
        self._items[self._threads.submit(self._work, item)] = item

    def take(self) -> Iterator[tuple[Item, Future[Result]]]:
        """What is done, at least one item; its future's `result()` raises what the work raised."""
        done, _ = wait(self._items, return_when=FIRST_COMPLETED)
        for future in done:
            yield self._items.pop(future), future


def overlapped(
    work: Callable[[Item], Result], items: Iterable[Item], width: int = WIDTH
) -> Iterator[tuple[Item, Future[Result]]]:
    """Do the work for all items, which are asked for as there is room; outcomes as they come."""
    left = iter(items)
    is_all_given = False
    with Overlap(work, width) as overlap:
        while True:
            while not is_all_given and overlap.has_room:
                try:
                    overlap.give(next(left))
                except StopIteration:
                    is_all_given = True
            if not overlap.is_busy:
                return
            yield from overlap.take()
