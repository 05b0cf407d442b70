"""The rows of a comparison's tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from instseg.comparison.verdict import shown_name
from instseg.core.wording import interval, number
from instseg.evaluation.result import NAMES
from instseg.evaluation.semantic import SIGNIFICANT

MEANS = {
    "mIoU": "mean IoU",
    "mIoU_fg": "mean IoU without background",
    "mDice": "mean Dice",
    "mDice_fg": "mean Dice without background",
    "pACC": "pixel accuracy",
    "mBIoU": "mean boundary IoU",
    "mBIoU_fg": "mean boundary IoU without background",
}
AVERAGE_PRECISION = {"AP": "AP", "AP50": "AP at IoU 0.50", "AP75": "AP at IoU 0.75"}
COMPARED = ("U-Net", "Mask R-CNN", "difference", "95% interval", "significant")

Content = Mapping[str, Any]
"""What comparison.json holds."""

Row = list[str]


def class_rows(comparison: Content) -> list[Row]:
    """A row per class that is in the truth, the best for Mask R-CNN first."""
    semantic = comparison["semantic"]
    sides = (semantic["unet"], semantic["mask_rcnn"], semantic["difference"])
    rows = [
        (shown_name(unet), unet["images"], unet["IoU"], ours["IoU"], difference["IoU"])
        for unet, ours, difference in zip(*(side["per_class"] for side in sides), strict=True)
        if unet["pixels"]
    ]
    rows.sort(key=lambda row: -row[4]["difference"])
    return [
        [name, str(images), *_compared(unet, ours, difference)]
        for name, images, unet, ours, difference in rows
    ]


def mean_rows(comparison: Content) -> Iterator[Row]:
    """A row per mean over the classes."""
    semantic = comparison["semantic"]
    unet, ours, differences = (
        semantic[key]["scores"] for key in ("unet", "mask_rcnn", "difference")
    )
    for metric, words in MEANS.items():
        yield [words, *_compared(unet[metric], ours[metric], differences[metric])]


def instance_rows(comparison: Content, metrics: Iterable[str]) -> Iterator[Row]:
    """The other way round: a row for boxes and masks, and for each of COCO's numbers."""
    for kind, block in comparison["instances"].items():
        unet, ours = block["unet"]["scores"], block["mask_rcnn"]["scores"]
        for metric in metrics:
            each = block["difference"][metric]
            compared = _compared(unet[metric], ours[metric], each)
            yield [f"{NAMES[kind]} {AVERAGE_PRECISION[metric]}", *compared]


def rule_rows(comparison: Content) -> Iterator[Row]:
    """A row per overlap rule, and how it differs from the chosen one."""
    chosen = comparison["settings"]["rule"]
    for rule, block in comparison["rules"].items():
        scores = [number(block["scores"][metric]) for metric in ("mIoU", "mBIoU")]
        difference = _difference(block["difference"]["mIoU"])
        yield [rule, *scores, *(["", "", ""] if rule == chosen else difference)]


def threshold_rows(comparison: Content) -> Iterator[Row]:
    """A row per score threshold, with the mIoU by each overlap rule."""
    sweep = comparison["thresholds"]
    columns = zip(*sweep["mIoU"].values(), strict=True)
    for threshold, values in zip(sweep["score_threshold"], columns, strict=True):
        yield [f"{threshold:g}", *map(number, values)]


def cost_rows(comparison: Content) -> Iterator[Row]:
    """A row per price."""
    models = [comparison["models"][side] for side in ("unet", "mask_rcnn")]
    parameters = (model["parameters"] for model in models)
    yield ["parameters", *("" if each is None else f"{each:,}" for each in parameters)]
    if any(model["engine"] != "torch" for model in models):
        yield ["engine", *(model["engine"] for model in models)]
    if "seconds" in models[0]:
        seconds = (f"{model['seconds']['median']:#.3g}" for model in models)
        yield ["seconds an image, median", *seconds]
        yield ["memory, MB", *(f"{model['memory_mb']:.0f}" for model in models)]
    if "gpu_memory_mb" in models[0]:
        yield ["GPU memory, MB", *(f"{model['gpu_memory_mb']:.0f}" for model in models)]


def _compared(unet: float | None, ours: float | None, difference: Content) -> Row:
    """What stands under `COMPARED`."""
    return [number(unet), number(ours), *_difference(difference)]


def _difference(each: Content) -> Row:
    significant = "" if each["p"] is None else "yes" if each["p"] < SIGNIFICANT else "no"
    return [number(each["difference"], "+"), interval(each["interval"], "+"), significant]
