"""The answer of a comparison in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from instseg.core.wording import count, interval, printable, some
from instseg.evaluation.semantic import LEAST_IMAGES

FATES = {
    "dataset": "the dataset, whose pixels are ignored",
    "mask_rcnn": "Mask R-CNN, which count as background",
    "unet": "the U-Net, which count as background",
}
"""What becomes of classes that not all know."""


def verdict(comparison: Mapping[str, Any]) -> list[str]:
    """Sentences: which model is better, for which classes, and how reliable that is."""
    each = comparison["semantic"]["difference"]["scores"]["mIoU"]
    images = count(len(comparison["per_image"]), "image")
    value, limits = each["difference"], each["interval"]
    if value == 0 and each["p"] == 1:
        answer = "No difference: both have the same mIoU"
    elif limits is None:
        answer = f"{images} cannot tell whether the difference of {value:+.3f} mIoU is real"
    elif each["significant"]:
        better = "Mask R-CNN" if value > 0 else "The U-Net"
        low, high = sorted(map(abs, limits))
        answer = f"{better} is better by {abs(value):.3f} mIoU ({low:.3f} to {high:.3f})"
    else:
        answer = f"No difference in mIoU that these {images} can show"
        answer += f" (Mask R-CNN {value:+.3f}, {interval(limits, '+')})"
    differences = comparison["semantic"]["difference"]["per_class"]
    tested = [row for row in differences if row["IoU"]["p"] is not None]
    sure = [row for row in tested if row["IoU"]["significant"]]
    ours, unet = (
        [shown_name(row) for row in sure if (row["IoU"]["difference"] > 0) == positive]
        for positive in (True, False)
    )
    where = (
        f"Mask R-CNN is better in {_listed(ours)} of {count(len(tested), 'class')}, the U-Net in "
        f"{_listed(unet)}; of classes that do not differ, "
        "one in twenty is counted so by chance"
    )
    if not tested:
        where = "No class could be tested"
    rows = comparison["semantic"]["unet"]["per_class"]
    held = sum(row["images"] > 0 for row in rows)
    few = sum(0 < row["images"] < LEAST_IMAGES for row in rows)
    doubt = (
        f"{few} of {count(held, 'class')} {'is' if few == 1 else 'are'} in fewer than "
        f"{LEAST_IMAGES} images: too few to test"
        + (", and the interval of the mean may be too narrow" if limits else "")
    )
    return [answer, where, *([doubt] if few else [])]


def not_compared(left_out: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Sequence[str]]]:
    """Words for each side that knows classes which are not compared, and those classes."""
    for side, fate in FATES.items():
        if names := left_out[side]:
            yield f"classes not compared, as not all know them: {len(names)} of {fate}", names


def shown_name(row: Mapping[str, Any]) -> str:
    """The name of a class in a sentence or table."""
    return "background" if row["class"] == "BG" else printable(row["class"])


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)} ({some(names)})" if names else "none"
