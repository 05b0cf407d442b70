"""Work in threads, a few items in advance."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

AHEAD = 3

In = TypeVar("In")
Out = TypeVar("Out")


def map_ahead(
    pool: ThreadPoolExecutor, function: Callable[[In], Out], items: Iterable[In]
) -> Iterator[Out]:
    """Like `map`, in threads, a limited number of items in advance, so that memory use is bounded.

    Args:
        pool: The threads.
        function: Applied to each item.
        items: Taken when they are needed.

    Yields:
        The results, in order.
    """
    waiting: deque[Future[Out]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def batched(items: Iterable[In], size: int) -> Iterator[list[In]]:
    """Lists of `size` items, the last of which may be shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
