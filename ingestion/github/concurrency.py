"""Requests that overlap: work is done in threads, its outcomes are taken by the one that asked.

Only requests belong in there: the database connection, batches and counts are the main thread's.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

# GitHub allows 100 at once; more than this gains nothing, since the minute's points bind first.
WIDTH = 32

Item = TypeVar("Item")
Result = TypeVar("Result")


class BoundedPool(Generic[Item, Result]):
    """Work under way, at most twice as much of it as is done at once.

    What is done waits until it is taken: memory is bounded by that, not by how much there is to do.
    The threads hold nobody up who is interrupted: they may be waiting for GitHub for minutes.
    """

    def __init__(self, work: Callable[[Item], Result], width: int = WIDTH) -> None:
        self._work = work
        self._width = width
        self._count = 0
        self._threads: list[Thread] = []
        self._todo: SimpleQueue[Item | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Item, Future[Result]]] = SimpleQueue()
        self._is_over = False

    def __enter__(self) -> "BoundedPool[Item, Result]":
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        for _thread in self._threads:
            self._todo.put(None)

    @property
    def has_room(self) -> bool:
        """Whether more may be given to it."""
        return self._count < 2 * self._width

    @property
    def is_busy(self) -> bool:
        """Whether something is under way or waits to be taken."""
        return self._count > 0

    def submit(self, item: Item) -> None:
        """Let the work be done for an item."""
        self._count += 1
        self._todo.put(item)
        if len(self._threads) < min(self._width, self._count):
            thread = Thread(target=self._serve, name="github", daemon=True)
            self._threads.append(thread)
            thread.start()

    def next_done(self) -> tuple[Item, Future[Result]]:
        """The next that is done; its future's `result()` raises what the work raised."""
        done = self._done.get()
        self._count -= 1
        return done

    def _serve(self) -> None:
        while not self._is_over and (item := self._todo.get()) is not None:
            outcome: Future[Result] = Future()
            try:
                outcome.set_result(self._work(item))
            except Exception as error:
                outcome.set_exception(error)
            self._done.put((item, outcome))


def map_concurrently(
    work: Callable[[Item], Result], items: Iterable[Item], width: int = WIDTH
) -> Iterator[tuple[Item, Future[Result]]]:
    """Do the work for all items, which are asked for as there is room; outcomes as they come."""
    left = iter(items)
    is_all_given = False
    with BoundedPool(work, width) as pool:
        while True:
            while not is_all_given and pool.has_room:
                try:
                    pool.submit(next(left))
                except StopIteration:
                    is_all_given = True
            if not pool.is_busy:
                return
            yield pool.next_done()
