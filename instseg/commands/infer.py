"""`instseg infer`: photos in, overlay pictures and a COCO document out."""

from __future__ import annotations

import os
import re
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from instseg.commands.terminal import console, download_bar, error, progress_bar, table
from instseg.core.errors import InputError
from instseg.core.instances import Instances
from instseg.core.semantic import Rule, to_semantic
from instseg.files.coco_json import match_image_ids, read_image_ids
from instseg.files.image import read_image, write_image
from instseg.files.listing import list_images
from instseg.files.results import CsvWriter, PredictionWriter, write_class_names, write_label_map
from instseg.system.ahead import map_ahead
from instseg.visualize.draw import draw_instances

if TYPE_CHECKING:
    from instseg.predict.predictor import Predictor

THREADS = 4  # that read and write

Image = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class InferConfig:
    """Finds the instances in photos: an overlay picture of each, and predictions.json.

    Args:
        inputs: Photos, folders, globs, or @list.txt with a path a line.
        weights: coco-v2, coco-v1, demo, or the path of a model file or .pth.
        architecture: What a .pth file holds: resnet50_fpn or resnet50_fpn_v2.
        out: Folder for everything that is written.
        device: auto, cpu, cuda, cuda:1 or mps.
        precision: Arithmetic; auto takes bf16 where the processor has it natively.
        preset: fast looks at photos at 0.6 of the usual size.
        seed: Of random numbers; finding instances uses none.
        score_threshold: Instances that score lower are left out, 0 to 1.
        thresholds: stored takes the threshold of each class that evaluate has stored in the model
            file, and --score-threshold only where there is none.
        classes: Only these class names, with commas between them.
        max_detections: The best so many of a photo.
        cross_class_nms: Leave out the lower scored of two instances whose masks overlap by more
            than this IoU, whatever their classes.
        tile: Look at large photos in squares of this many pixels.
        overlap: Share of a tile that its neighbour sees too.
        flip: Look at the mirrored photo too, and join what is found.
        recursive: Look for photos in the folders of folders too.
        coco_json: COCO dataset whose image ids are taken over.
        overlay: Write an overlay picture of each photo.
        label_map: Write labels/NAME.png too, the class of each pixel, and labels/classes.json,
            the name of each class.
        overlap_rule: Which instance a label map shows where several overlap: score, the one with
            the higher score; smallest-on-top; or class-priority, see --class-priority.
        class_priority: Class names with commas between them, the one to be on top first.
        csv: Write instances.csv too, with area, box, centroid, class and score.
        crops: Write crops/NAME/ too, each instance cut out of its photo.
        resume: Skip what an earlier run into the same folder has done.
    """

    inputs: list[str] = field(default_factory=list)
    weights: str = "coco-v2"
    architecture: str | None = None
    out: Path = Path("out/infer")
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    preset: Literal["default", "fast"] = "default"
    seed: int = 0
    score_threshold: float = 0.5
    thresholds: Literal["one", "stored"] = "one"
    classes: list[str] | str | None = None
    max_detections: int = 100
    cross_class_nms: float | None = None
    tile: int | None = None
    overlap: float = 0.2
    flip: bool = False
    recursive: bool = False
    coco_json: Path | None = None
    overlay: bool = True
    label_map: bool = False
    overlap_rule: Rule = "score"
    class_priority: list[str] | str | None = None
    csv: bool = False
    crops: bool = False
    resume: bool = False


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo and how it is called in the results.

    Args:
        path: Where it is read.
        name: `folder/photo.jpg` below the folder that holds all photos; each has its own.
        picture: `folder/photo`, or `name` where another photo is called or comes to that too.
    """

    path: Path
    name: str
    picture: str


def run(config: InferConfig) -> int:
    """Returns 0, 1 if some photos failed, 2 if all did."""
    if not config.label_map and (config.overlap_rule != "score" or config.class_priority):
        raise InputError("--overlap-rule and --class-priority need --label-map")
    photos = name_photos(list_images(config.inputs, recursive=config.recursive))
    ids = None
    if config.coco_json is not None:
        ids = match_image_ids(read_image_ids(config.coco_json), [photo.name for photo in photos])
    predictor = _load(config)
    if config.label_map:
        _check_label_map(config, predictor.class_names)
        write_class_names(config.out / "labels" / "classes.json", predictor.class_names)
    begin_s = time.monotonic()
    counts: Counter[str] = Counter()
    failed: list[Photo] = []
    with ExitStack() as stack:
        names, category_ids = predictor.class_names, predictor.category_ids
        predictions = stack.enter_context(
            PredictionWriter(config.out, names, category_ids, resume=config.resume)
        )
        csv_path = config.out / "instances.csv"
        csv = CsvWriter(csv_path, category_ids, keep=predictions.done) if config.csv else None
        if csv:
            stack.enter_context(csv)
        todo = [photo for photo in photos if photo.name not in predictions.done]
        results = stack.enter_context(closing(_process(config, predictor, todo, failed, ids)))
        for photo, found in results:
            if csv:
                csv.add(photo.name, found)
            image_id = ids[photo.name] if ids else None
            predictions.add(photo.name, found.size_hw, found, image_id)
            counts.update(found.names)
    done, skipped = len(todo) - len(failed), len(photos) - len(todo)
    _report(config, counts, done, skipped, len(failed), time.monotonic() - begin_s)
    return 0 if not failed else 2 if len(failed) == len(photos) else 1


def name_photos(paths: Iterable[Path]) -> list[Photo]:
    """Give every photo a name of its own that mirrors the folders; the same file counts once."""
    absolute = {Path(os.path.abspath(path)): path for path in paths}  # noqa: PTH100
    root = Path(os.path.commonpath([path.parent for path in absolute]))
    names = {path.relative_to(root).as_posix(): absolute[path] for path in absolute}
    if {name.split("/")[0] for name in names} & {"labels", "crops"}:  # our own folders
        names = {f"{root.name or 'root'}/{name}": path for name, path in names.items()}
    stems = {name: PurePosixPath(name).with_suffix("").as_posix() for name in names}
    times = Counter([*stems.values(), *names])
    return [
        Photo(path=path, name=name, picture=stems[name] if times[stems[name]] == 1 else name)
        for name, path in names.items()
    ]


def _load(config: InferConfig) -> Predictor:
    import torch

    from instseg.predict.predictor import Predictor

    torch.manual_seed(config.seed)
    with download_bar() as progress:
        return Predictor(
            config.weights,
            architecture=config.architecture,
            device=config.device,
            precision=config.precision,
            preset=config.preset,
            score_threshold=config.score_threshold,
            stored_thresholds=config.thresholds == "stored",
            classes=_names(config.classes),
            max_detections=config.max_detections,
            cross_class_nms=config.cross_class_nms,
            tile=config.tile,
            overlap=config.overlap,
            flip=config.flip,
            progress=progress,
        )


def _names(listed: list[str] | str | None) -> list[str] | None:
    return [name.strip() for name in listed.split(",")] if isinstance(listed, str) else listed


def _check_label_map(config: InferConfig, class_names: Sequence[str]) -> None:
    """Raise InputError for what would stop the first label map."""
    if bool(config.class_priority) != (config.overlap_rule == "class-priority"):
        raise InputError(
            "--overlap-rule class-priority needs --class-priority, and nothing else does"
        )
    try:
        label_map(config, Instances.empty((1, 1), class_names))
    except ValueError as problem:
        raise InputError(f"--label-map: {problem}") from problem


def label_map(config: InferConfig, found: Instances) -> NDArray[np.uint8]:
    """The class of each pixel of a photo, as `config` wants it: uint8 (H, W)."""
    return to_semantic(found, rule=config.overlap_rule, priority=_names(config.class_priority))


def _process(
    config: InferConfig,
    predictor: Predictor,
    photos: list[Photo],
    failed: list[Photo],
    ids: dict[str, int] | None,
) -> Generator[tuple[Photo, Instances], None, None]:
    """Read, find and draw, all at once; yields a photo when its pictures are written.

    Args:
        config: What to write.
        predictor: What finds instances.
        photos: What to look at.
        failed: Photos that cannot be read are added here, after a line on standard error.
        ids: If given, photos without an id count as failed.
    """

    def read(photo: Photo) -> tuple[Photo, Image | InputError]:
        if ids is not None and photo.name not in ids:
            return photo, InputError(f"{photo.path}: has no image id in {config.coco_json}")
        try:
            return photo, read_image(photo.path)
        except InputError as problem:
            return photo, problem

    def write(result: tuple[Photo, Image, Instances]) -> tuple[Photo, Instances]:
        photo, image, found = result
        write_pictures(config, photo, image, found)
        return photo, found

    with progress_bar("finding instances") as update, ThreadPoolExecutor(THREADS) as pool:
        images = _readable(map_ahead(pool, read, photos), failed)
        results = map_ahead(pool, write, _find(predictor, images))
        update(0, len(photos))
        for done, result in enumerate(results, start=1):
            yield result
            update(done + len(failed), len(photos))


def _readable(
    readings: Iterable[tuple[Photo, Image | InputError]], failed: list[Photo]
) -> Iterator[tuple[Photo, Image]]:
    for photo, image in readings:
        if isinstance(image, InputError):
            error(image)
            failed.append(photo)
        else:
            yield photo, image


def _find(
    predictor: Predictor, photos: Iterable[tuple[Photo, Image]]
) -> Iterator[tuple[Photo, Image, Instances]]:
    """Keep each photo beside what is found in it, however far the predictor reads ahead."""
    waiting: deque[tuple[Photo, Image]] = deque()

    def images() -> Iterator[Image]:
        for photo, image in photos:
            waiting.append((photo, image))
            yield image

    for found in predictor.stream(images()):
        yield *waiting.popleft(), found


def write_pictures(config: InferConfig, photo: Photo, image: Image, found: Instances) -> None:
    """Write the pictures of one photo that `config` asks for."""
    if config.overlay:
        write_image(config.out / f"{photo.picture}.png", draw_instances(image, found))
    if config.label_map:
        path = config.out / "labels" / f"{photo.picture}.png"
        write_label_map(path, label_map(config, found), found.class_names)
    if config.crops:
        for number, instance in enumerate(found):
            left, top, right, bottom = instance.masks.boxes_xyxy()[0].astype(int)
            if right > left:  # else its mask is empty
                window = slice(top, bottom), slice(left, right)
                alpha = instance.masks.dense(0)[window] * np.uint8(255)
                class_name = re.sub(r"\W+", "-", instance.names[0])
                path = config.out / "crops" / photo.picture / f"{number:03d}_{class_name}.png"
                write_image(path, np.dstack([image[window], alpha]))


def _report(
    config: InferConfig, counts: Counter[str], done: int, skipped: int, failed: int, seconds: float
) -> None:
    if counts:
        table(["class", "instances"], counts.most_common())
    written = {
        "predictions.json": True,
        "overlays": config.overlay,
        "labels/": config.label_map,
        "instances.csv": config.csv,
        "crops/": config.crops,
    }
    what = ", ".join(name for name, wanted in written.items() if wanted and done) or "nothing new"
    line = f"{config.out}: wrote {what}: {_count(counts.total(), 'instance')}"
    line += f" in {_count(done, 'photo')}, {seconds:.1f} s ({done / seconds:.2g} photos/s)"
    if skipped:
        line += f"; {_count(skipped, 'photo')} done before"
    if failed:
        line += f"; {_count(failed, 'photo')} failed"
    console.print(line)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")
