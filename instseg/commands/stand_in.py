"""The default weights, and the embedded ones that stand in where they cannot be downloaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from instseg.core.events import Notice, OnEvent, Warned
from instseg.core.wording import count, interval, number
from instseg.files.weights import (
    DEFAULT,
    EMBEDDED,
    NAMED,
    NoDownloadError,
    locate,
    needs_download,
)

if TYPE_CHECKING:
    from instseg.files.model_metrics import Metrics

Loaded = TypeVar("Loaded")


def with_default_weights(load: Callable[[str], Loaded], on_event: OnEvent) -> Loaded:
    """What `load` makes of coco-v2 or, if that cannot be downloaded, of `photos`, with a warning.

    Args:
        load: Called with the name of the weights.
        on_event: Called with `Notice` and `Warned`.
    """
    if needs_download(DEFAULT):
        text = f"{DEFAULT}: not on this machine yet; downloading {NAMED[DEFAULT].url}"
        on_event(Notice(text=text))
    try:
        return load(DEFAULT)
    except NoDownloadError as problem:
        if not problem.unreachable:
            raise
        on_event(Warned(text=stands_in(problem)))
        return load(EMBEDDED)


def stands_in(problem: NoDownloadError) -> str:
    """One line: what is missing, what is used instead, how good that is, and both remedies.

    Raises:
        InputError: The embedded weights are missing too.
    """
    from instseg.files.model_file import describe  # only here, as it is rare
    from instseg.files.model_metrics import stored_metrics

    facts = describe(locate(EMBEDDED))
    metrics = stored_metrics(facts["card"])
    main = metrics.get("segm") or metrics.get("bbox")
    size = f"{facts['bytes'] / 1e6:.0f} MB"
    return (
        f"{problem.what}. Using the embedded weights {EMBEDDED} instead, which are less accurate "
        f"({size}, {_quality(main, problem)}). To have {problem.weights.name}, connect to the "
        f"internet or {problem.put_it}; --weights {EMBEDDED} uses these without a warning"
    )


def _quality(main: Metrics | None, problem: NoDownloadError) -> str:
    """`mask AP 0.152 (0.131 to 0.170) on 100 photos, coco-v2 has 0.418 on COCO val2017`."""
    if main is None:
        return "AP not told"
    limits = interval(main.intervals.get("AP"))
    sure = f" ({limits})" if limits else ""
    where = f" on {count(main.images, 'photo')}" if main.images else ""
    words = f"{main.name} AP {number(main.scores['AP'])}{sure}{where}"
    if published := problem.weights.published:
        theirs = published[main.kind == "segm"]
        words += f"; {problem.weights.name} has {number(theirs)} on COCO val2017"
    return words
