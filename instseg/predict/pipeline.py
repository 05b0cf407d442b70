"""Reading, the network and what follows it at the same time, one photo after another in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from instseg.core.errors import InputError
from instseg.predict.memory import NOTHING, READERS, MemoryPlan
from instseg.system.ahead import Wait, batched_or_wait, map_or_wait, pool_of
from instseg.system.budget import MemoryBudget, Need
from instseg.system.threads import Workers, only_here

Item = TypeVar("Item")
Image = TypeVar("Image")
Found = TypeVar("Found")
In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Seen(Generic[Item, Image, Found]):
    """A photo that was read and predicted.

    Attributes:
        item: What was read.
        image: What the network got; None if it cannot be read.
        found: What the network found, or why there is nothing.
    """

    item: Item
    image: Image | None
    found: Found | Exception


@dataclass
class WorkTime:
    """Seconds that threads have worked, on average."""

    seconds: float = 0.0
    _adding: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def of(self, work: Callable[[In], Out], threads: int) -> Callable[[In], Out]:
        """The same function, called from so many threads; its time is added."""

        def timed(argument: In) -> Out:
            begin = time.monotonic()
            try:
                return work(argument)
            finally:
                with self._adding:
                    self.seconds += (time.monotonic() - begin) / threads

        return timed


def look_ahead(
    items: Iterable[Item] | Iterator[Item | Wait],
    read: Callable[[Item], Image],
    predict: Callable[[list[Image]], Sequence[Found]],
    *,
    batch_size: int,
    workers: Workers,
) -> Generator[Seen[Item, Image, Found] | Wait]:
    """Read and predict photos in threads, a few in advance, so that memory use is bounded.

    An exception of one photo does not end the others: it is what was found of this photo.

    Args:
        items: What is read, taken when it is needed; or as a `MemoryBudget` admits them.
        read: Reads one.
        predict: The network, called with up to `batch_size` photos, by all workers at once. If it
            fails for a batch, it is called with each photo of the batch.
        batch_size: Photos of a batch.
        workers: Threads that run the network.

    Yields:
        Each photo, in order; `WAIT` if there is none, and no memory for the next one.
    """

    def image_of(item: Item) -> tuple[Item, Image | Exception]:
        return item, attempt(read, item)

    with (
        pool_of(READERS) as readers,
        pool_of(workers.count, only_here(workers.threads)) as network,
    ):
        batches = batched_or_wait(map_or_wait(readers, image_of, items), batch_size)
        predicted = map_or_wait(network, partial(_predict, predict), batches, workers.count)
        for batch in predicted:
            if isinstance(batch, Wait):
                yield batch
            else:
                yield from batch


def look_within(
    plan: MemoryPlan,
    items: Iterable[Item],
    need: Callable[[Item], Need],
    read: Callable[[Item], Image],
    predict: Callable[[list[Image]], Sequence[Found]],
    *,
    batch_size: int,
    workers: Workers,
) -> tuple[MemoryBudget, Generator[Seen[Item, Image, Found] | Wait]]:
    """As `look_ahead`, with no more items at the same time than the memory holds.

    Args:
        plan: Has the limit of the memory.
        items: What is read.
        need: The memory that an item needs; `read` refuses one that does not fit even alone.
        read: As there.
        predict: As there.
        batch_size: As there.
        workers: As there.

    Returns:
        The budget, which is to be released once for each item, and the items.
    """

    def admitted_need(item: Item) -> Need:
        own = need(item)
        return own if plan.fits(own) else NOTHING

    budget = plan.budget(workers.count)
    admitted = budget.admit(items, admitted_need)
    return budget, look_ahead(admitted, read, predict, batch_size=batch_size, workers=workers)


def _predict(
    predict: Callable[[list[Image]], Sequence[Found]],
    batch: list[tuple[Item, Image | Exception]],
) -> list[Seen[Item, Image, Found]]:
    found = iter(_each(predict, [image for _, image in batch if not isinstance(image, Exception)]))
    return [
        Seen(item, None, image) if isinstance(image, Exception) else Seen(item, image, next(found))
        for item, image in batch
    ]


def _each(
    predict: Callable[[list[Image]], Sequence[Found]], images: list[Image]
) -> Sequence[Found | Exception]:
    """What was found in each image, or why there is nothing."""
    if not images:
        return []
    found = attempt(predict, images)
    if not isinstance(found, Exception):
        return found
    if len(images) == 1:
        return [found]
    return [each for image in images for each in _each(predict, [image])]


def raised(
    seen: Generator[Seen[Item, Image, Found] | Wait],
    name: Callable[[int, Item], str],
    budget: MemoryBudget | None = None,
) -> Iterator[Found]:
    """What was found in each photo; ends with the exception of the first that failed.

    Args:
        seen: From `look_ahead`.
        name: Names a photo by its number, from 0, and its item.
        budget: That has admitted the items.

    Raises:
        InputError: The memory does not suffice for a photo, which is named.
    """
    with closing(seen):  # at once, even while someone holds the exception
        for number, each in enumerate(each for each in seen if not isinstance(each, Wait)):
            if budget:
                budget.release()
            problem = each.found
            if not isinstance(problem, Exception):
                yield problem
                continue
            if lacks_memory(problem):
                raise InputError(described(name(number, each.item), problem)) from problem
            problem.add_note(f"in {name(number, each.item)}")
            raise problem


def lacks_memory(problem: Exception) -> bool:
    """Whether a photo is too large for the memory of the machine or the GPU."""
    import torch  # loaded already, if a network has failed

    kinds = (MemoryError, torch.OutOfMemoryError)
    words = str(problem)
    return isinstance(problem, kinds) or "allocate memory" in words or "not enough memory" in words


def described(name: str, problem: Exception) -> str:
    """One line that names the photo."""
    if isinstance(problem, InputError):
        return str(problem)
    if lacks_memory(problem):
        return f"{name}: is too large for the memory; make it smaller or use tiles"
    words = " ".join(str(problem).split())
    return f"{name}: cannot be processed ({type(problem).__name__}: {words})"


def attempt(work: Callable[..., Out], *args: object) -> Out | Exception:
    """The return value of `work`, or the exception that it raises."""
    try:
        return work(*args)
    except Exception as problem:
        return problem
