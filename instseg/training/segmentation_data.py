"""Training and validation data of `train_unet`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import ClassesCounted, Notice, OnEvent, told
from instseg.core.overlap_rule import Rule
from instseg.core.wording import split_names
from instseg.data.coco import CocoData
from instseg.data.sampling import Order
from instseg.data.semantic_augmentation import default_steps, parse_semantic_augmentations
from instseg.data.semantic_data import (
    CocoSemantic,
    SemanticData,
    Statistics,
    Subset,
    kind_of,
    statistics,
)
from instseg.data.sound import read_sound
from instseg.data.split import read_split, split, write_split
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.system.processes import from_first, process_rank
from instseg.training.segmentation import SemanticSamples

LARGEST_CROP = 512  # unless another is asked for
LARGE_IGNORED_SHARE = 0.2  # of the pixels, which is worth saying


@dataclass(frozen=True, kw_only=True)
class ObjectMaps:
    """COCO datasets and drawn scenes, merged into semantic maps.

    Attributes:
        folder: Folder of the run, for drawn scenes and repaired datasets.
        resumed: Whether the run is resumed, and has already drawn its scenes.
        rule: Which object is on top.
        priority: Class names, comma-separated, for the rule class-priority.
        auto_repair: See `read_sound`.
        scene_size: Height and width of drawn scenes in pixels.
        on_event: Called with progress.
    """

    folder: Path
    resumed: bool
    rule: Rule
    priority: str
    auto_repair: bool
    scene_size: int
    on_event: OnEvent

    def of(
        self, part: str, coco_json: str | Path | CocoData, images: str | Path | None
    ) -> CocoSemantic:
        """A COCO dataset as semantic maps; `part` is `train` or `val`."""
        data = coco_json
        if not isinstance(data, CocoData):
            assert images is not None, "the options were checked"
            data = read_sound(
                Path(data),
                Path(images),
                repaired=self.folder / f"sound_{part}.json",
                auto_repair=self.auto_repair,
                on_event=self.on_event,
            )
        if part == "train":
            data.require_objects()
        return self._collapsed(data)

    def drawn(self, name: str, count: int, seed: int) -> CocoSemantic:
        """Scenes as semantic maps, in a folder of this name."""
        folder = self.folder / name
        path = folder / "annotations.json"
        if process_rank() == 0 and not (self.resumed and path.exists()):
            scenes = SceneConfig(seed=seed, size_hw=(self.scene_size, self.scene_size))
            write_scenes(folder, count, scenes, on_event=self.on_event)
        from_first(None)  # the others wait for the files
        return self._collapsed(CocoData.read(path, folder / "images"))

    def _collapsed(self, data: CocoData) -> CocoSemantic:
        priority = split_names(self.priority) if self.priority else None
        for name in priority or ():
            if name not in data.class_names[1:]:
                raise ArgumentError(f"{{priority}}: {data.coco_json} has no class {name!r}")
        return CocoSemantic(data=data, rule=self.rule, priority=priority)


def parted(
    data: SemanticData, path: Path, *, val_share: float, seed: int, resumed: bool
) -> tuple[SemanticData, SemanticData]:
    """Split data into training and validation data, by the names in split.json.

    Args:
        data: All data.
        path: Path of split.json.
        val_share: Share of the files for validation.
        seed: Random seed of the split.
        resumed: Whether the file exists already.
    """
    names = [data.name(row) for row in range(len(data))]
    if resumed:
        found = read_split(path, names)
    else:
        found = split(names, val_share, seed)
        if process_rank() == 0:
            write_split(path, found)
    return Subset.named(data, found.train), Subset.named(data, found.val)


def require_same_classes(data: SemanticData, val: SemanticData) -> None:
    """Raise InputError if training and validation data differ in their classes."""
    if val.class_names != data.class_names:
        unshared = sorted(set(val.class_names) ^ set(data.class_names)) or ["the order"]
        raise InputError(
            f"the validation data has other classes than the training data ({unshared[0]} is not "
            "in both); give both the same list"
        )


def checked_statistics(
    data: SemanticData, val: SemanticData | None, on_event: OnEvent
) -> Statistics:
    """Read every image once, report the frequency of each class, and return statistics of `data`.

    Raises:
        InputError: Some of the images are invalid.
    """
    parts = {"training": data} if val is None else {"training": data, "validation": val}
    found = {}
    for words, part in parts.items():
        rows = told(range(len(part)), on_event, f"reading {words} images")
        found[words] = statistics(part, rows)
        if not found[words].class_pixels.any():
            raise InputError(f"the {words} images have no labelled pixel; say what values mean")
        if (share := found[words].ignored_share) > LARGE_IGNORED_SHARE:
            on_event(Notice(text=f"{share:.0%} of the pixels of the {words} images are ignored"))
    kind, *others = [kind_of(part.load(0)[0]) for part in parts.values()]
    if val is not None and others != [kind]:
        raise InputError(
            f"{val.name(0)}: is {others[0]}, the training image {data.name(0)} is {kind}; "
            "save all alike"
        )
    counts = {words: each.class_pixels for words, each in found.items()}  # [N, K+1]
    on_event(
        ClassesCounted(
            class_names=data.class_names,
            images={words: len(part) for words, part in parts.items()},
            pixels={words: each.sum(axis=0).tolist() for words, each in counts.items()},
            images_with={
                words: np.count_nonzero(each, axis=0).tolist() for words, each in counts.items()
            },
        )
    )
    for words, each in counts.items():
        pixels = each.sum(axis=0).tolist()
        absent = [name for name, count in zip(data.class_names, pixels, strict=True) if not count]
        if absent:
            on_event(Notice(text=f"no pixel of the {words} images is of {', '.join(absent)}"))
    return found["training"]


def semantic_samples(
    data: SemanticData,
    order: Order,
    *,
    epochs: int,
    image: NDArray[Any],
    statistics: Statistics,
    min_size: int | None,
    crop: int | None,
    augment: Sequence[Any] | None,
) -> SemanticSamples:
    """Augmented and cropped training images.

    Args:
        data: Images with semantic maps.
        order: Order of the images.
        epochs: Number of epochs.
        image: One of them; all have its channels and dtype.
        statistics: Statistics of the images.
        min_size: Size of the shorter side after resizing.
        crop: Size of the square crop; None chooses it.
        augment: Augmentation steps; None for the default.
    """
    channels = image.shape[2]
    side = min_size or math.isqrt(int(np.median(statistics.pixels)))
    steps = default_steps(channels) if augment is None else augment
    return SemanticSamples(
        data=data,
        epochs=epochs,
        order=order,
        augmentation=parse_semantic_augmentations(steps, channels=channels, dtype=image.dtype),
        min_size=min_size,
        crop=crop or min(side, LARGEST_CROP),
    )
