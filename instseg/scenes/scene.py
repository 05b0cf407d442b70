"""Drawn scenes with exact visible masks, the same for the same seed and index."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

from instseg.core.classes import COCO_CATEGORY_IDS, COCO_CLASSES
from instseg.core.errors import InputError
from instseg.core.events import OnEvent, ignore, told
from instseg.core.instances import Instances
from instseg.core.json_types import Json
from instseg.core.masks import Masks
from instseg.files.image_writing import write_image
from instseg.files.results import coco_annotations
from instseg.scenes.backgrounds import paint_background
from instseg.scenes.beyond_coco import BEYOND_COCO
from instseg.scenes.distractors import DISTRACTOR
from instseg.scenes.indoors import INDOORS
from instseg.scenes.outdoors import OUTDOORS
from instseg.scenes.pen import Sprite
from instseg.system.atomic import replacing

DRAWINGS = OUTDOORS | INDOORS | BEYOND_COCO
SCENE_CLASSES: tuple[str, ...] = tuple(name for name in COCO_CLASSES if name in DRAWINGS)
"""The classes of COCO that can be drawn, which the demo weights know."""

CLASS_NAMES: tuple[str, ...] = (*COCO_CLASSES, *BEYOND_COCO)
"""COCO's 81, in their order, and those that COCO does not have."""

CATEGORY_IDS: tuple[int, ...] = (*COCO_CATEGORY_IDS, *range(91, 91 + len(BEYOND_COCO)))
"""The category id of each: COCO's own, then 91 and on."""

_TRIES = 6


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """What a scene looks like.

    Attributes:
        size_hw: height and width of the picture in pixels.
        classes: what is drawn, any of `DRAWINGS`, each as often as it is named.
        objects: least and most objects that are tried; a crowded picture may hold fewer.
        distractors: least and most things of no class.
        object_px: shortest and longest long side of an object; by default 1/20 to 1/2 of the
            picture's shorter side.
        min_visible: the share of an object's drawn area that is never hidden by others.
        min_visible_px: the least visible area of an object in pixels.
        overlap: how often an object may be put where it hides a part of another one.
        cut: how often an object may reach over the border, by 30% of its width and height at most.
        noise: the strongest noise, in grey levels.
        seed: scenes of different seeds have nothing in common.

    Raises:
        InputError: there is no drawing of a class.
    """

    size_hw: tuple[int, int] = (320, 320)
    classes: tuple[str, ...] = SCENE_CLASSES
    objects: tuple[int, int] = (3, 8)
    distractors: tuple[int, int] = (0, 5)
    object_px: tuple[float, float] | None = None
    min_visible: float = 0.5
    min_visible_px: int = 60
    overlap: float = 0.35
    cut: float = 0.2
    noise: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = set(self.classes) - set(DRAWINGS)
        if unknown:
            raise InputError(
                f"{', '.join(sorted(unknown))} cannot be drawn; "
                f"choose from {', '.join(name for name in CLASS_NAMES if name in DRAWINGS)}"
            )


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A picture and what is on it.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        instances: the visible part of every object, named by `CLASS_NAMES`, with scores of 1.
    """

    image: npt.NDArray[np.uint8]
    instances: Instances


@dataclass(frozen=True)
class Placed:
    """The visible mask of an object (or a distractor, name None) and its place."""

    name: str | None
    mask: npt.NDArray[np.bool_]
    top: int
    left: int
    drawn_area: int

    def inside(self, size_hw: tuple[int, int]) -> "Placed":
        """This one, cut by the borders of the picture."""
        height, width = size_hw
        y0, x0 = max(0, -self.top), max(0, -self.left)
        mask = self.mask[y0 : height - self.top, x0 : width - self.left]
        return Placed(self.name, mask, self.top + y0, self.left + x0, self.drawn_area)

    def without(self, other: "Placed") -> "Placed":
        """This one after the other was painted over it; itself where they do not touch."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom = min(self.top + self.mask.shape[0], other.top + other.mask.shape[0])
        right = min(self.left + self.mask.shape[1], other.left + other.mask.shape[1])
        if top >= bottom or left >= right:
            return self

        def shared(one: "Placed") -> tuple[slice, slice]:
            return slice(top - one.top, bottom - one.top), slice(left - one.left, right - one.left)

        mine, cover = shared(self), other.mask[shared(other)]
        if not (self.mask[mine] & cover).any():
            return self
        mask = self.mask.copy()
        mask[mine] &= ~cover
        return Placed(self.name, mask, self.top, self.left, self.drawn_area)


class _Canvas:
    """A picture that grows object by object, and the visible masks of those on it."""

    def __init__(self, config: SceneConfig, rng: np.random.Generator):
        self._config = config
        self._rng = rng
        self.picture = paint_background(rng, config.size_hw)
        self.placed: list[Placed] = []

    def add(self, name: str | None, long_side_px: float) -> bool:
        """Paints an object of a class, or a distractor (None), where it hides none too much.

        What is not painted leaves no trace, so that everything painted of a class is labelled.
        """
        drawing = DISTRACTOR if name is None else DRAWINGS[name]
        sprite = drawing.sprite(self._rng, long_side_px)
        for _ in range(_TRIES):
            new = self._somewhere(name, sprite)
            visible = [old.without(new) for old in self.placed]
            changed = [a for a, b in zip(visible, self.placed, strict=True) if a is not b]
            if changed and self._rng.random() > self._config.overlap:
                continue
            mine = [new] if name else []
            if all(map(self._shows_enough, changed + mine)):
                self.placed = visible + mine
                self.picture.paste(sprite.image, (new.left, new.top), sprite.alpha)
                return True
        return False

    def _somewhere(self, name: str | None, sprite: Sprite) -> Placed:
        """The sprite at a random place; its mask still reaches over the border."""
        share = 0.3 * (self._rng.random() < self._config.cut)
        (height, width), (rows, columns) = self._config.size_hw, sprite.mask.shape
        top = int(self._rng.uniform(-share * rows, height - (1 - share) * rows))
        left = int(self._rng.uniform(-share * columns, width - (1 - share) * columns))
        area = int(np.count_nonzero(sprite.mask))
        return Placed(name, sprite.mask, top, left, area)

    def _shows_enough(self, placed: Placed) -> bool:
        area = np.count_nonzero(placed.inside(self._config.size_hw).mask)
        least = max(self._config.min_visible_px, self._config.min_visible * placed.drawn_area)
        return bool(area >= least)


def draw_scene(index: int, config: SceneConfig | None = None) -> Scene:
    """Draws scene number `index`, a function of the config and the index alone."""
    config = config or SceneConfig()
    rng = np.random.default_rng([config.seed, index])
    canvas = _Canvas(config, rng)
    shorter = min(config.size_hw)
    least_px, most_px = config.object_px or (shorter / 20, shorter / 2)
    wanted = int(rng.integers(config.objects[0], config.objects[1] + 1))
    extras = int(rng.integers(config.distractors[0], config.distractors[1] + 1))
    under = int(rng.integers(extras + 1))

    def long_side_px() -> float:
        """One in ten is smaller than 1.5 times the least, the others lean to the most."""
        lowest, highest = (1.0, 1.5) if rng.random() < 0.1 else (1.5, most_px / least_px)
        return float(least_px * lowest * (highest / lowest) ** (rng.random() ** 0.8))

    for _ in range(under):
        canvas.add(None, long_side_px())
    for _ in range(_TRIES * wanted):
        if len(canvas.placed) >= wanted:
            break
        canvas.add(config.classes[int(rng.integers(len(config.classes)))], long_side_px())
    for _ in range(extras - under):
        canvas.add(None, long_side_px() / 2)
    camera = np.random.default_rng([config.seed, index, 1])  # the same whatever was drawn
    image = developed(canvas.picture, camera, config.noise)
    return Scene(image=image, instances=placed_instances(canvas.placed, config.size_hw))


def developed(picture: Image.Image, rng: np.random.Generator, noise: int) -> npt.NDArray[np.uint8]:
    """The picture as a camera of its own brightness, contrast, colour cast and noise sees it."""
    levels = np.arange(256)
    gain, gamma = rng.uniform(0.8, 1.15), rng.uniform(0.8, 1.25)
    curves = [255 * cast * gain * (levels / 255) ** gamma for cast in rng.uniform(0.93, 1.07, 3)]
    picture = picture.point(np.concatenate(curves).clip(0, 255).astype(np.uint8).tolist())
    strength = int(rng.integers(noise + 1))
    if strength:
        shape = (picture.height, picture.width)
        grain = Image.fromarray(rng.integers(0, 2 * strength, shape, dtype=np.uint8))
        picture = ImageChops.add(picture, Image.merge("RGB", [grain] * 3), offset=-strength)
    return np.array(picture)


def placed_instances(placed: list[Placed], size_hw: tuple[int, int]) -> Instances:
    """What is placed on a picture of this size, with scores of 1."""
    offsets = np.array([(p.top, p.left) for p in placed], dtype=np.int64).reshape(-1, 2)
    masks = Masks.from_crops([p.mask for p in placed], offsets, size_hw)
    return Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=np.array([CLASS_NAMES.index(p.name) for p in placed], dtype=np.int64),
        scores=np.ones(len(placed), dtype=np.float32),
        masks=masks,
        class_names=CLASS_NAMES,
    )


def write_scenes(
    folder: str | Path,
    count: int,
    config: SceneConfig | None = None,
    *,
    start: int = 0,
    on_event: OnEvent = ignore,
) -> Path:
    """Writes scenes start..start+count-1 as a COCO dataset.

    Args:
        folder: gets `images/000000.jpg` (quality 95) and on, and `annotations.json`.
        count: number of scenes.
        config: what the scenes look like.
        start: index of the first scene.
        on_event: called with progress.

    Returns:
        The path of `annotations.json`: the config's classes with the ids of `CATEGORY_IDS`,
        and visible masks as compressed RLE.
    """
    folder, config = Path(folder), config or SceneConfig()
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for index in told(range(start, start + count), on_event, "drawing"):
        scene = draw_scene(index, config)
        file_name = f"{index:06d}.jpg"
        write_image(folder / "images" / file_name, scene.image)
        height, width = scene.image.shape[:2]
        images.append({"id": index, "file_name": file_name, "width": width, "height": height})
        for annotation in true_annotations(scene.instances):
            annotations.append({"id": len(annotations) + 1, "image_id": index, **annotation})
    info = {"description": "Drawn scenes"}
    document: Json = {"info": info, "images": images, "annotations": annotations}
    return write_annotations(folder, document, config.classes)


def true_annotations(instances: Instances) -> list[Json]:
    """COCO annotations without id, image_id and score."""
    annotations = coco_annotations(instances, CATEGORY_IDS)
    for annotation in annotations:
        del annotation["score"]
    return annotations


def write_annotations(folder: Path, document: Json, classes: tuple[str, ...]) -> Path:
    """Write a COCO document with the categories of these classes to `annotations.json`."""
    categories = [
        {"id": number, "name": name}
        for number, name in zip(CATEGORY_IDS, CLASS_NAMES, strict=True)
        if name in classes
    ]
    path = folder / "annotations.json"
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({**document, "categories": categories}))
    return path
