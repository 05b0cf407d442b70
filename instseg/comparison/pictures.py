"""Pictures of the images on which both models differ most and least."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from instseg.comparison.compared_models import ComparedModels
from instseg.core.events import OnEvent, ignore, told
from instseg.core.json_types import Json
from instseg.files.image_writing import write_image
from instseg.visualize.side_by_side import SideBySide, draw_side_by_side

TITLES = {
    "difference_mask_rcnn.png": "Mask R-CNN furthest ahead",
    "difference_median.png": "The median difference",
    "difference_unet.png": "The U-Net furthest ahead",
    "overall_best.png": "Best for both together",
    "overall_median.png": "The median of both together",
    "overall_worst.png": "Worst for both together",
}
"""Of the pictures, by their file names."""


def draw_pictures(
    models: ComparedModels,
    per_image: Sequence[Json],
    chosen: Mapping[str, Sequence[int]],
    out: Path,
    on_event: OnEvent = ignore,
) -> None:
    """Draw what was chosen."""
    for name, rows in told(chosen.items(), on_event, "drawing", unit="pictures"):
        drawn = [predict_again(models, row, per_image[row]) for row in rows]
        write_image(out / name, draw_side_by_side(drawn, models.names))


def choose(per_image: Sequence[Json], count: int) -> dict[str, list[int]]:
    """Rows of the `count` images of each picture, by its file name; without images, no picture.

    Images are ranked by Mask R-CNN's mIoU on the image less the U-Net's, and by the mean of the
    two. Images without an object of a class that is compared are not ranked.
    """
    ranked = [row for row, each in enumerate(per_image) if each["unet"] is not None]
    if not (ranked and count):
        return {}
    keys: tuple[Callable[[Json], float], ...] = (
        lambda image: image["mask_rcnn"] - image["unet"],
        lambda image: image["mask_rcnn"] + image["unet"],
    )
    parts = []
    for key in keys:
        order = sorted(ranked, key=lambda row: -key(per_image[row]))
        middle = max(0, (len(order) - count) // 2)
        parts += [order[:count], order[middle : middle + count], order[::-1][:count]]
    return dict(zip(TITLES, parts, strict=True))


def predict_again(models: ComparedModels, row: int, scores: Json) -> SideBySide:
    """A photo and its semantic maps, predicted again: keeping all maps would take much memory."""
    photo, labels = models.data.load(row)
    return SideBySide(
        photo=photo,
        truth=models.truth(labels),
        unet=models.unet_map(models.segmenter(photo)),
        mask_rcnn=models.mask_rcnn_map(models.predictor(photo)),
        caption=(
            f"mIoU {scores['unet']:.3f} by the U-Net, {scores['mask_rcnn']:.3f} by Mask R-CNN: "
            f"{scores['file_name']}"
        ),
    )
