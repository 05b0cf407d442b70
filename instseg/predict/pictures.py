"""The pictures written for a photo: an overlay, a semantic map, crops."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import ArgumentError
from instseg.core.instances import Instances
from instseg.core.overlap_rule import Rule
from instseg.core.semantic import to_semantic
from instseg.files.image_writing import write_image
from instseg.files.results import write_semantic_map
from instseg.files.windows import ArrayWindows, Windows
from instseg.predict.photos import LONGEST_NAME, NamedPhoto, shorten
from instseg.visualize.draw import draw_instances
from instseg.visualize.instance_colors import ColorBy


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Which pictures are written for each photo.

    Attributes:
        overlay: The photo with its instances drawn on it, PICTURE.png.
        semantic_map: The class of each pixel, labels/PICTURE.png.
        rule: Which instance is on top in a semantic map where several overlap; see `to_semantic`.
        priority: Class names from highest to lowest priority, for the rule class-priority.
        crops: Each instance cut out of its photo, crops/PICTURE/NUMBER_CLASS.png.
        color_by: Whether overlays have one colour for each class or for each instance.
    """

    overlay: bool = True
    semantic_map: bool = False
    rule: Rule = "score"
    priority: Sequence[str] | None = None
    crops: bool = False
    color_by: ColorBy = "class"

    def check(self, class_names: Sequence[str]) -> None:
        """Raise ArgumentError if no semantic map can be made of these classes."""
        if self.semantic_map:
            try:
                self.labels(Instances.empty((1, 1), class_names))
            except ValueError as problem:
                raise ArgumentError(f"{{semantic_map}}: {problem}") from problem

    def labels(self, found: Instances) -> NDArray[np.uint8]:
        """The class of each pixel of a photo: uint8 (H, W)."""
        return to_semantic(found, rule=self.rule, priority=self.priority)

    def check_places(self, out: Path, photos: Sequence[NamedPhoto]) -> None:
        """Raise ArgumentError if a picture would take the place of one of the photos."""
        resolved = cache(Path.resolve)
        inputs = {resolved(photo.path.parent) / photo.path.name for photo in photos}
        for photo in photos:
            for wanted, folder in ((self.overlay, out), (self.semantic_map, out / "labels")):
                path = folder / f"{photo.picture}.png"
                if wanted and resolved(path.parent) / path.name in inputs:
                    raise ArgumentError(f"{path}: is a photo of the input; choose another {{out}}")

    def folders(self, out: Path, photo: NamedPhoto) -> Iterator[Path]:
        """The folders of the pictures of a photo."""
        if self.overlay:
            yield (out / photo.picture).parent
        if self.semantic_map:
            yield (out / "labels" / photo.picture).parent
        if self.crops:
            yield out / "crops" / photo.picture

    def missing(self, out: Path, photo: NamedPhoto, *, crops: bool) -> set[str]:
        """The kinds of pictures that are wanted, crops if the photo has any, and do not exist."""
        paths = {
            "overlays": (self.overlay, out / f"{photo.picture}.png"),
            "labels/": (self.semantic_map, out / "labels" / f"{photo.picture}.png"),
            "crops/": (self.crops and crops, out / "crops" / photo.picture),
        }
        return {kind for kind, (wanted, path) in paths.items() if wanted and not path.exists()}

    def write(
        self,
        out: Path,
        photo: NamedPhoto,
        image: NDArray[np.uint8],
        found: Instances,
        weights: str,
        *,
        show_labels: bool = True,
    ) -> None:
        """Write the pictures of one photo.

        Args:
            out: Output folder.
            photo: Its path and name.
            image: uint8 RGB (H, W, 3).
            found: Its instances.
            weights: The name of the weights that found them, which overlays tell as a PNG comment.
            show_labels: Whether overlays name the classes.

        Raises:
            InputError: One of them cannot be written.
        """
        if self.overlay:
            comment = f"instances found by instseg with the weights {weights}"
            overlay = draw_instances(image, found, color_by=self.color_by, show_labels=show_labels)
            write_image(out / f"{photo.picture}.png", overlay, comment=comment, photo=True)
        if self.semantic_map:
            path = out / "labels" / f"{photo.picture}.png"
            write_semantic_map(path, self.labels(found), found.class_names)
        if self.crops:
            for number, instance in enumerate(found):
                write_crop(out / "crops" / photo.picture, number, ArrayWindows(image), instance)


def write_crop(folder: Path, number: int, image: Windows, instance: Instances) -> None:
    """Write one instance, cut out of its photo, with its mask as alpha; nothing if that is empty.

    Args:
        folder: Output folder.
        number: Index of the instance in its photo; the file is named NUMBER_CLASS.png.
        image: The photo.
        instance: Of length 1.
    """
    masks = instance.masks
    left, top, right, bottom = masks.boxes_xyxy()[0].astype(int).tolist()
    if right <= left:
        return
    y, x = masks.offsets_yx[0].tolist()
    alpha = masks.crops[0][top - y : bottom - y, left - x : right - x] * np.uint8(255)
    pixels = image.read((slice(top, bottom), slice(left, right)))
    class_name = re.sub(r"\W+", "-", instance.names[0])
    name = shorten(f"{number:03d}_{class_name}", LONGEST_NAME - len(".png"))
    write_image(folder / f"{name}.png", np.dstack([pixels, alpha]), photo=True)
