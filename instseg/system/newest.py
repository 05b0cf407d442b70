"""What a live source gives, read in time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from typing import TypeVar

Item = TypeVar("Item")

KEPT = 2


def newest(items: Generator[Item], kept: int = KEPT) -> Generator[Item]:
    """Take items in a thread as soon as they come; those that nobody takes in time are dropped.

    Args:
        items: Closed at the end.
        kept: The last items that wait to be taken.
    """
    waiting: deque[Item] = deque(maxlen=kept)
    changed, stop = threading.Condition(), threading.Event()
    ended: list[BaseException | None] = []

    def take() -> None:
        problem = None
        try:
            for item in items:
                with changed:
                    waiting.append(item)
                    changed.notify()
                if stop.is_set():
                    break
            items.close()
        except BaseException as error:  # raised again where the items are taken
            problem = error
        with changed:
            ended.append(problem)
            changed.notify()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: waiting or ended)
                if not waiting:
                    break
                item = waiting.popleft()
            yield item
    finally:
        stop.set()
        thread.join()
    if ended[0] is not None:
        raise ended[0]
