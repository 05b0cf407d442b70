"""`make_scenes`: a drawn dataset in COCO format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instseg.core.errors import ArgumentError
from instseg.core.events import OnEvent, ignore
from instseg.core.html_table import html_table
from instseg.core.options import python_only, takes
from instseg.core.wording import count

SMALLEST_OBJECT_PX = 8


@dataclass(frozen=True, kw_only=True)
class MakeScenesOptions:
    """Draws scenes with exact masks and writes them as a COCO dataset.

    Args:
        out: Output folder, for images/ and annotations.json.
        images: Number of scenes, or of the frames of a video.
        video: Draw one video of moving objects, 25 frames per second: video.mp4 beside its frames
            in images/, and a track_id for each annotation. The objects cross, hide one another,
            leave, and others enter; four of the classes are drawn.
        classes: Classes to draw, comma-separated; if not given, the 16 classes of the demo weights.
            lighthouse and hot air balloon, which are not classes of COCO, can be drawn as well.
        seed: Random seed; different seeds give different scenes.
        start: Index of the first scene; to extend a dataset, give the same seed and the number of
            scenes that exist.
        size: Height and width of the scenes in pixels.
        least_objects: Minimum number of objects per scene; of a video, at the same time.
        most_objects: Maximum number of objects per scene; of a video, at the same time.
        object_size: LEAST,MOST, the longer side of objects in pixels; by default from 1/20 to 1/2
            of `size`, and in videos from 1/8 to 1/3.
        on_event: Called with progress.

    Raises:
        ArgumentError: Options do not go together or are out of range.
    """

    out: str | Path = "out/make_scenes"
    images: int = 100
    video: bool = False
    classes: str | Sequence[str] = ""
    seed: int = 0
    start: int = 0
    size: int = 320
    least_objects: int = 3
    most_objects: int = 8
    object_size: str = ""
    on_event: OnEvent = python_only(ignore)

    def __post_init__(self) -> None:
        if min(self.images, self.least_objects) < 1 or self.size < 32:
            raise ArgumentError(
                "{images} and {least_objects} must be at least 1, {size} at least 32"
            )
        if self.most_objects < self.least_objects:
            raise ArgumentError("{most_objects} must not be less than {least_objects}")
        if min(self.seed, self.start) < 0:
            raise ArgumentError("{seed} and {start} must be at least 0")
        if self.video and (self.start or self.size % 2):
            raise ArgumentError("{video} needs an even {size}, and does not go with {start}")
        self.object_px()

    def object_px(self) -> tuple[float, float] | None:
        """The two numbers of `object_size`.

        Raises:
            ArgumentError: They are no two numbers of 8 to `size`, in order.
        """
        if not self.object_size:
            return None
        try:
            least, most = map(float, self.object_size.split(","))
        except ValueError:
            least = most = 0
        if not SMALLEST_OBJECT_PX <= least <= most <= self.size:
            raise ArgumentError(
                f"{{object_size}} must be LEAST,MOST, such as 20,200: in order, and from "
                f"{SMALLEST_OBJECT_PX} to {self.size}",
                object_size=self.object_size,
            )
        return least, most


@dataclass(frozen=True, kw_only=True, repr=False)
class DrawnScenes:
    """A drawn dataset on the disk.

    Attributes:
        coco_json: Its annotations.
        images: Folder of its pictures.
        count: How many there are.
        classes: What was drawn.
        video: The MP4 file of a drawn video; else None.
    """

    coco_json: Path
    images: Path
    count: int
    classes: tuple[str, ...]
    video: Path | None = None

    def __repr__(self) -> str:
        drawn = count(self.count, "frame" if self.video else "scene")
        return f"DrawnScenes({drawn}, coco_json={str(self.coco_json)!r})"

    def _repr_html_(self) -> str:
        rows = [
            ("frames" if self.video else "scenes", f"{self.count:,}"),
            ("images", self.images),
            ("annotations", self.coco_json),
            ("classes", ", ".join(self.classes)),
            *([("video", self.video)] if self.video else []),
        ]
        return html_table(["drawn scenes", ""], rows)


@takes(MakeScenesOptions)
def make_scenes(options: MakeScenesOptions) -> DrawnScenes:
    """Draw scenes with exact masks as a COCO dataset.

    Raises:
        InputError: There is no drawing of a class, the folder cannot be written, or PyAV is not
            installed for a video.
    """
    from instseg.scenes.scene import SCENE_CLASSES, SceneConfig, write_scenes
    from instseg.scenes.video import VIDEO_NAME, write_video

    given = options.classes.split(",") if isinstance(options.classes, str) else options.classes
    classes = tuple(name.strip() for name in given if name.strip()) or SCENE_CLASSES
    scenes = SceneConfig(
        classes=classes,
        size_hw=(options.size, options.size),
        objects=(options.least_objects, options.most_objects),
        object_px=options.object_px(),
        seed=options.seed,
    )
    on_event = options.on_event
    if options.video:
        path = write_video(options.out, options.images, scenes, on_event=on_event)
    else:
        path = write_scenes(
            options.out, options.images, scenes, start=options.start, on_event=on_event
        )
    return DrawnScenes(
        coco_json=path,
        images=path.parent / "images",
        count=options.images,
        classes=classes,
        video=path.parent / VIDEO_NAME if options.video else None,
    )
