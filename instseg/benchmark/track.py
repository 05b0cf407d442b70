"""Track ids on drawn videos: ours beside ByteTrack by boxes alone, on the same detections."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion

from instseg.core.events import OnEvent, ignore, told
from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.predict.predictor import Predictor
from instseg.scenes.moving import FRAME_RATE, draw_video
from instseg.scenes.scene import SceneConfig
from instseg.video.tracking import Tracker

if TYPE_CHECKING:
    from instseg.video.one_class import Method

Tracked: TypeAlias = list[tuple[Instances, NDArray[np.int64]]]  # a frame each

SIDES = {"ours": True, "peer": False}  # whether masks are compared
SCENES: dict[str, SceneConfig] = {
    "four classes": SceneConfig(objects=(8, 12)),
    "persons": SceneConfig(objects=(10, 14), classes=("person",)),
    "large kites": SceneConfig(objects=(10, 14), classes=("kite",), object_px=(80, 160)),
}
SMALL_PX = 150  # area of a mask that is missed more often
MISSED, SMALL_MISSED, UNSURE = 0.1, 0.6, 0.2  # how often
FALSE = 0.3  # found per frame where there is nothing
SHIFT = 0.02  # standard deviation of places and sides, as a share of them


def measure_tracking(
    seeds: int,
    frames: int,
    *,
    seed: int = 0,
    method: Method = "bytetrack",
    weights: str | None = None,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """HOTA and IDF1 of both sides, with masks and by boxes alone.

    Args:
        seeds: Number of videos of each kind of scene.
        frames: Frames of each.
        seed: The first seed.
        method: The method of both sides.
        weights: Weights that detect; if None, detections are made of the truth: some missed, moved
            or false, with scores.
        on_event: Called with progress.

    Returns:
        `ours` and `peer`: means by measure, the last of them ids for each true object; `ratio`;
        `videos`: figures of each; `worse`: in how many HOTA or IDF1 is lower with masks.
    """
    predictor = Predictor(weights, score_threshold=0.3) if weights else None
    chosen = [(scene, seed + i) for scene in SCENES for i in range(seeds)]
    videos = []
    for scene, number in told(chosen, on_event, "tracking", unit="videos"):
        config = SceneConfig(**{**vars(SCENES[scene]), "seed": number})
        find = _detector(predictor, number)
        truth: Tracked = []
        found = []
        for frame in draw_video(frames, config):
            truth.append((frame.instances, frame.track_ids))
            found.append(find(frame.image, frame.instances))
        figures: dict[str, Any] = {"scene": scene, "seed": number}
        for side, masks in SIDES.items():
            tracker = Tracker(frame_rate=FRAME_RATE, method=method, masks=masks)
            figures[side] = score_tracks(truth, [(each, tracker.update(each)) for each in found])
        videos.append(figures)
    means = {side: _means([video[side] for video in videos]) for side in SIDES}
    ratio = {name: value / means["peer"][name] for name, value in means["ours"].items()}
    worse = sum(
        any(video["ours"][name] < video["peer"][name] - 1e-9 for name in ("HOTA", "IDF1"))
        for video in videos
    )
    return {**means, "ratio": ratio, "videos": videos, "worse": worse}


def _means(figures: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.mean(each[name] for each in figures) for name in figures[0]}


def _detector(
    predictor: Predictor | None, seed: int
) -> Callable[[NDArray[np.uint8], Instances], Instances]:
    if predictor:
        return lambda image, _: predictor(image)
    rng = np.random.default_rng([seed, 1])
    return lambda _, truth: with_errors(truth, rng)


def with_errors(truth: Instances, rng: np.random.Generator) -> Instances:
    """Detections as a network may give them: some are missing, moved, unsure or false."""
    kept, scores = [], []
    for row, (mask, area) in enumerate(zip(truth.masks.dense(), truth.masks.areas(), strict=True)):
        missed = rng.random() < (MISSED if area > SMALL_PX else SMALL_MISSED)
        unsure, grow = rng.random() < UNSURE, int(rng.integers(-1, 2))
        y, x = np.rint(rng.normal(0, SHIFT * np.sqrt(area), 2)).astype(int).tolist()
        score = rng.uniform(0.3, 0.6) if unsure else rng.uniform(0.6, 1)
        if grow:
            mask = binary_dilation(mask) if grow > 0 else binary_erosion(mask)
        moved = Masks.from_dense(mask[None]).placed((y, x), truth.size_hw)
        if not missed and moved.areas()[0]:
            kept.append((int(truth.class_ids[row]), moved))
            scores.append(score)
    for _ in range(int(rng.poisson(FALSE)) if len(truth) else 0):
        class_id = int(truth.class_ids[int(rng.integers(len(truth)))])
        rows, columns = rng.integers(16, 60, 2).tolist()
        place = rng.uniform((0, 0), truth.size_hw).astype(int)
        blob = np.hypot(*np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]) < 1
        kept.append((class_id, Masks.from_crops([blob], [place], truth.size_hw)))
        scores.append(rng.uniform(0.3, 0.8))
    if not kept:
        return Instances.empty(truth.size_hw, truth.class_names)
    masks = Masks.concatenate([mask for _, mask in kept])
    boxes = masks.boxes_xyxy()
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return Instances(
        boxes=(boxes + rng.normal(0, SHIFT, boxes.shape) * sides).astype(np.float32),
        class_ids=np.array([class_id for class_id, _ in kept]),
        scores=np.array(scores),
        masks=masks,
        class_names=truth.class_names,
    )


def score_tracks(truth: Tracked, found: Tracked) -> dict[str, float]:
    """HOTA, IDF1 and the like of one video by `trackeval`, by the IoU of masks within classes.

    Args:
        truth: The instances of each frame and their track ids.
        found: The same of a tracker; instances without an id (-1) count as not found.
    """
    from trackeval.metrics import HOTA, Identity

    true_ids: list[NDArray[np.int64]] = []
    found_ids: list[NDArray[np.int64]] = []
    ious: list[NDArray[np.float64]] = []
    numbers: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for (objects, ids), (detections, own) in zip(truth, found, strict=True):
        rows = np.flatnonzero(own >= 0)
        chosen = detections[rows]
        for side, given, kept in ((0, ids, true_ids), (1, own[rows], found_ids)):
            known = numbers[side]
            kept.append(
                np.array([known.setdefault(i, len(known)) for i in given.tolist()], np.int64)
            )
        names = [np.array(each.names, dtype=object) for each in (objects, chosen)]
        same = names[0][:, None] == names[1]  # the ids of classes are each model's own
        ious.append(objects.masks.iou(chosen.masks) * same)
    data = {
        "gt_ids": true_ids,
        "tracker_ids": found_ids,
        "similarity_scores": ious,
        "num_timesteps": len(truth),
        "num_gt_ids": len(numbers[0]),
        "num_tracker_ids": len(numbers[1]),
        "num_gt_dets": sum(len(each) for each in true_ids),
        "num_tracker_dets": sum(len(each) for each in found_ids),
    }
    hota = HOTA().eval_sequence(data)
    identity = Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    return {
        "HOTA": float(np.mean(hota["HOTA"])),
        "AssA": float(np.mean(hota["AssA"])),
        "IDF1": float(identity["IDF1"]),
        "ids": len(numbers[1]) / max(1, len(numbers[0])),
    }
