"""What is found in many photos, where photos that fail do not end the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from instseg.core.events import OnEvent, PhotoFailed, ignore, told
from instseg.files.image import read_image
from instseg.predict.pipeline import described, look_within
from instseg.system.ahead import Wait

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from instseg.predict.predictor import Predictor

Found = TypeVar("Found")


def attempted(
    predictor: Predictor,
    paths: Sequence[Path],
    look: Callable[[list[NDArray[np.uint8]]], Sequence[Found]],
    *,
    task: str = "predicting",
    on_event: OnEvent = ignore,
) -> Iterator[tuple[Path, Found | None]]:
    """Look at photos one after another, in order; memory use does not grow.

    Args:
        predictor: Whose threads and memory are used.
        paths: The photos.
        look: Such as `predictor.predict_batch`, called by several threads.
        task: Name of the task in progress events.
        on_event: Called with the progress, and with `PhotoFailed` for photos that cannot be read or
            processed.

    Yields:
        A photo, and what was found; None if it failed.
    """
    workers, plan = predictor.workers(len(paths)), predictor.plan

    def read(path: Path) -> NDArray[np.uint8]:
        plan.require(path, plan.need_of_file(path))
        return read_image(path)

    budget, seen = look_within(
        plan,
        paths,
        plan.need_of_file,
        read,
        look,
        batch_size=predictor.batch_size,
        workers=workers,
    )
    with closing(seen):
        there = (each for each in seen if not isinstance(each, Wait))
        for each in told(there, on_event, task, total=len(paths)):
            budget.release()
            if isinstance(each.found, Exception):
                text = described(str(each.item), each.found)
                on_event(PhotoFailed(name=str(each.item), text=text))
                yield each.item, None
            else:
                yield each.item, each.found
