"""Work in threads, a few items in advance."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

AHEAD = 3

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
    items: Iterable[In],
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
    waiting: deque[Future[Out]] = deque()
    for item in items:
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
