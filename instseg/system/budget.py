"""How many photos are in memory at once: a budget of bytes for a pipeline of generators."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from instseg.system.ahead import WAIT, Wait

Item = TypeVar("Item")


class Need(NamedTuple):
    """Predicted bytes of an item in a pipeline.

    Attributes:
        held: From when it is read until it is released.
        extra: More in each step of the pipeline, such as reading, network and drawing.
    """

    held: int
    extra: tuple[int, ...]


class MemoryBudget:
    """Admits items to a pipeline while their predicted bytes fit.

    Items are released in the order in which they were admitted. An item is always admitted when
    there is no other, so that the pipeline never stands still.

    Args:
        room_bytes: What all items together may need.
        threads: Of each step of the pipeline: how many items are in it at the same time.
    """

    def __init__(self, room_bytes: float, threads: Sequence[int]) -> None:
        self.room_bytes, self.threads = room_bytes, threads
        self._inside: deque[Need] = deque()

    def __len__(self) -> int:
        return len(self._inside)

    def fits(self, need: Need) -> bool:
        """Whether one more item fits beside those inside."""
        return peak_bytes([*self._inside, need], self.threads) <= self.room_bytes

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


def peak_bytes(needs: Sequence[Need], threads: Sequence[int]) -> int:
    """Peak of items that are in memory together, each in one step at a time.

    Args:
        needs: Of each item.
        threads: Of each step: how many items are in it at the same time.
    """
    free, resting = list(threads), set(range(len(needs)))
    total = sum(need.held for need in needs)
    extras = [
        (extra, step, i) for i, need in enumerate(needs) for step, extra in enumerate(need.extra)
    ]
    for extra, step, i in sorted(extras, reverse=True):
        if free[step] and i in resting:
            free[step] -= 1
            resting.remove(i)
            total += extra
    return total
