"""Work in threads, a few items in advance."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from itertools import islice
from typing import TypeVar

AHEAD = 3


class Wait(Enum):
    """What a source gives instead of an item while there is no memory for it.

    Each step of a pipeline that gets it gives the oldest of the results that it still holds, and
    passes it on if there are none, until one leaves the pipeline.
    """

    WAIT = "wait"


WAIT = Wait.WAIT

In = TypeVar("In")
Out = TypeVar("Out")


@contextmanager
def pool_of(
    threads: int, initializer: Callable[[], object] | None = None
) -> Iterator[ThreadPoolExecutor]:
    """Threads for the block; work that none of them has begun when it ends is dropped.

    Args:
        threads: How many.
        initializer: Called first in each of them.
    """
    pool = ThreadPoolExecutor(threads, initializer=initializer)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def map_ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[In], Out],
    items: Iterable[In | Wait],
    ahead: int = AHEAD,
) -> Iterator[Out]:
    """Like `map`, in threads, a limited number of items in advance, so that memory use is bounded.

    Args:
        pool: The threads.
        function: Applied to each item.
        items: Taken when they are needed.
        ahead: Items that are begun before the result of the one before them is taken.

    Yields:
        The results, in order.
    """
    for result in map_or_wait(pool, function, items, ahead):
        if not isinstance(result, Wait):
            yield result


def map_or_wait(
    pool: ThreadPoolExecutor,
    function: Callable[[In], Out],
    items: Iterable[In | Wait],
    ahead: int = AHEAD,
) -> Iterator[Out | Wait]:
    """As `map_ahead`, but a `WAIT` that finds no result is passed on to the next step."""
    waiting: deque[Future[Out]] = deque()
    for item in items:
        if isinstance(item, Wait):
            yield waiting.popleft().result() if waiting else WAIT
            continue
        waiting.append(pool.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def batched(items: Iterable[In], size: int) -> Iterator[list[In]]:
    """Lists of `size` items, the last of which may be shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def batched_or_wait(items: Iterable[In | Wait], size: int) -> Iterator[list[In] | Wait]:
    """As `batched`, but at a `WAIT` a batch is given as it is, or the `WAIT` if it is empty."""
    batch: list[In] = []
    for item in items:
        if not isinstance(item, Wait):
            batch.append(item)
            if len(batch) < size:
                continue
        yield batch or WAIT
        batch = []
    if batch:
        yield batch
