"""Writes a drawn dataset in COCO format."""

from dataclasses import dataclass

from instseg.commands.terminal import console, progress_bar
from instseg.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class MakeScenesConfig:
    """Draws scenes with exact masks as a COCO dataset.

    Args:
        out: Folder that gets images/ and annotations.json.
        images: Number of scenes.
        classes: What is drawn, with commas between; the 16 that the demo weights know if not
            given. Besides them there are lighthouse and hot air balloon, which COCO does not have.
        seed: Scenes of another seed have nothing in common with these.
        start: Index of the first scene; further scenes of the same seed continue a dataset.
        size: Height and width of the scenes in pixels.
        least_objects: Least number of objects in a scene.
        most_objects: Greatest number of objects in a scene.
    """

    out: str = "out/make_scenes"
    images: int = 100
    classes: str = ""
    seed: int = 0
    start: int = 0
    size: int = 320
    least_objects: int = 3
    most_objects: int = 8


def run(config: MakeScenesConfig) -> int:
    """Writes the dataset and says where; returns the exit code."""
    # Here, so that --help need not wait for it.
    from instseg.scenes.scene import SCENE_CLASSES, SceneConfig, write_scenes

    if min(config.images, config.least_objects) < 1 or config.size < 32:
        raise InputError("--images and --least-objects must be at least 1, --size at least 32")
    if config.most_objects < config.least_objects:
        raise InputError("--most-objects must not be less than --least-objects")
    classes = tuple(name.strip() for name in config.classes.split(",") if name.strip())
    scenes = SceneConfig(
        classes=classes or SCENE_CLASSES,
        size_hw=(config.size, config.size),
        objects=(config.least_objects, config.most_objects),
        seed=config.seed,
    )
    with progress_bar("drawing") as update:
        path = write_scenes(
            config.out,
            config.images,
            scenes,
            start=config.start,
            progress=lambda done: update(done, config.images),
        )
    console.print(f"{config.images} scenes in {path.parent / 'images'}, annotations in {path}")
    return 0
