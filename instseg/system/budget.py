"""How many photos are in memory at once: a budget of bytes for a pipeline of generators."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")


class Wait(Enum):
    """What a source gives instead of an item while too little memory is free.

    Each step of a pipeline that gets it gives the oldest of the results that it still holds, and
    passes it on if there are none.
    """

    WAIT = "wait"


WAIT = Wait.WAIT


class Need(NamedTuple):
    """Predicted bytes of an item.

    Attributes:
        held: From when it is read until it is released.
        working: More while it is worked on.
    """

    held: int
    working: int


class MemoryBudget:
    """Admits items to a pipeline while their predicted bytes fit.

    Items are released in the order in which they were admitted. An item is always admitted when
    there is no other, so that the pipeline never stands still.

    Args:
        room_bytes: What all items together may need.
        workers: How many items are worked on at the same time.
    """

    def __init__(self, room_bytes: float, workers: int) -> None:
        self.room_bytes, self.workers = room_bytes, workers
        self._inside: deque[Need] = deque()

    def __len__(self) -> int:
        return len(self._inside)

    def fits(self, need: Need) -> bool:
        """Whether one more item fits beside those inside."""
        return predicted([*self._inside, need], self.workers) <= self.room_bytes

    def admit(self, items: Iterable[Item], need: Callable[[Item], Need]) -> Iterator[Item | Wait]:
        """The items, as soon as they fit; until then `WAIT`.

        Args:
            items: Taken when they are needed.
            need: Predicted bytes of an item.
        """
        for item in items:
            needed = need(item)
            while self._inside and not self.fits(needed):
                yield WAIT
            self._inside.append(needed)
            yield item

    def release(self) -> None:
        """The oldest item is no longer in memory."""
        self._inside.popleft()


def predicted(needs: Iterable[Need], workers: int) -> int:
    """Peak bytes of items that are in memory together.

    Args:
        needs: Of each item.
        workers: How many of them are worked on at the same time.
    """
    needs = list(needs)
    working = heapq.nlargest(workers, (need.working for need in needs))
    return sum(need.held for need in needs) + sum(working)
