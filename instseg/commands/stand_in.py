"""The words about the embedded weights that stand in for weights which cannot be downloaded."""

from __future__ import annotations

from instseg.core.wording import count, interval, number
from instseg.files.model_file import describe
from instseg.files.model_metrics import Metrics, stored_metrics
from instseg.files.weights import EMBEDDED, NoDownloadError, locate


def stands_in(problem: NoDownloadError) -> str:
    """One line: what is missing, what is used instead, how good that is, and both remedies.

    Raises:
        InputError: The embedded weights are missing too.
    """
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
