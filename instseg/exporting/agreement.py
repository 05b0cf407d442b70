"""How closely an exported file agrees with the model in torch, photo by photo."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from instseg.core.json_types import Json
from instseg.core.wording import count
from instseg.engines.build import DetectorLimits
from instseg.engines.runtimes import Outputs, Run
from instseg.models.detections import Choice, Detections
from instseg.models.inference import Detector
from instseg.models.mask_rcnn import Model

BOX_PX = 1e-3  # an fp32 file's boxes agree so far
SCORE = 1e-3
LABELS = 1e-4  # share of the pixels of an fp32 semantic map that may differ, at equal scores
Photo = tuple[str, NDArray[np.uint8]]


@dataclass(frozen=True, kw_only=True)
class ScoreDifference:
    """AP, or mIoU, of the model and of the file on the same photos.

    Attributes:
        model: That of the model in torch.
        file: That of the exported file.
        difference: The file's minus the model's.
        interval: Its 95% confidence interval; None if both have the same score in
            all half-samples of the photos.
    """

    model: float
    file: float
    difference: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The largest differences between an exported file and the model.

    Attributes:
        photos: Number of photos that both have seen.
        detections: Number of the model's detections in them; 0 for semantic networks.
        unequal: Names of the photos in which the detections are not the same: their number, or
            the number of a class. The differences below leave these photos out.
        box_px: Largest difference of a box's coordinate in pixels of the photo.
        score: Largest difference of a score, or of a pixel's probability.
        mask: Largest difference of a cell of a soft mask, 0..1.
        labels: For semantic networks, the share of the pixels whose labels differ; else None.
        ap: By kind, `bbox` and `segm`; empty without ground truth and for semantic networks.
        miou: For semantic networks, mean IoU; None without ground truth.
        calibrated: Number of these photos that the int8 file was calibrated with, so that it may
            seem closer than it is; None for other files.
    """

    photos: int
    detections: int = 0
    unequal: tuple[str, ...] = ()
    box_px: float = 0.0
    score: float = 0.0
    mask: float = 0.0
    labels: float | None = None
    ap: dict[str, ScoreDifference]
    miou: ScoreDifference | None = None
    calibrated: int | None = None

    @property
    def scores(self) -> dict[str, ScoreDifference]:
        """The scores that were measured, by what they are called."""
        scores = {f"{kind} AP": each for kind, each in self.ap.items()}
        return scores if self.miou is None else {**scores, "mIoU": self.miou}

    @property
    def holds(self) -> bool:
        """Whether this is as close as an fp32 file has to be."""
        close = self.box_px <= BOX_PX and self.score <= SCORE and (self.labels or 0.0) <= LABELS
        return close and not self.unequal

    def to_dict(self) -> Json:
        """The certificate in the metadata of the file."""
        return asdict(self)

    def __str__(self) -> str:
        seen = count(self.photos, "photo")
        if self.calibrated:
            seen += f" ({self.calibrated} of them also for calibration)"
        if self.labels is not None:
            return (
                f"{seen}: labels differ in {self.labels:.2%} of pixels, scores by {self.score:.1e}"
            )
        line = f"{seen}, {count(self.detections, 'detection')}"
        if 0 < self.photos == len(self.unequal):
            return f"{line}: other detections in each photo"
        line += f": boxes differ by {self.box_px:.1e} px, scores by {self.score:.1e}, "
        line += f"masks by {self.mask:.1e}"
        if self.unequal:
            line += f"; other detections in {count(len(self.unequal), 'photo')}"
        return line


class Reference:
    """The model in torch, float32, with the limits of the exported file."""

    def __init__(self, model: Model, limits: DetectorLimits) -> None:
        self.detector = Detector(model, torch.device("cpu"), torch.float32)
        self.limits, self.class_names = limits, model.card.class_names

    def __call__(self, image: NDArray[np.uint8], threshold: float | None = None) -> Detections:
        """Detect, with one score threshold for all classes if it is given."""
        thresholds = self.limits.score_thresholds
        if threshold is not None:
            thresholds = torch.full_like(thresholds, threshold)
        choice = Choice(
            score_threshold=float(thresholds[1:].min()), max_detections=self.limits.max_detections
        )
        (found,) = self.detector([torch.from_numpy(image).permute(2, 0, 1)], choice)
        kept = found.scores > thresholds[found.class_ids]
        return Detections(
            boxes=found.boxes[kept],
            class_ids=found.class_ids[kept],
            scores=found.scores[kept],
            soft_masks=found.soft_masks[kept],
        )


def as_detections(outputs: Outputs) -> Detections:
    """The outputs of an exported detector."""
    found = {name: torch.from_numpy(values) for name, values in outputs.items()}
    return Detections(
        boxes=found["boxes"],
        class_ids=found["labels"].long(),
        scores=found["scores"],
        soft_masks=found["masks"],
    )


def detector_agreement(photos: Iterable[Photo], reference: Reference, run: Run) -> Agreement:
    """Compare the detections in photos."""
    seen = detections = 0
    unequal, largest = [], np.zeros(3)
    for name, image in photos:
        expected, found = reference(image), as_detections(run(image))
        seen += 1
        detections += len(expected.boxes)
        order = pairs(expected, found)
        if order is None:
            unequal.append(name)
            continue
        gaps = (
            (expected.boxes - found.boxes[order]).abs(),
            (expected.scores - found.scores[order]).abs(),
            (expected.soft_masks - found.soft_masks[order]).abs(),
        )
        largest = np.maximum(largest, [float(gap.max()) if gap.numel() else 0.0 for gap in gaps])
    box_px, score, mask = map(float, largest)
    return Agreement(
        photos=seen,
        detections=detections,
        unequal=tuple(unequal),
        box_px=box_px,
        score=score,
        mask=mask,
        ap={},
    )


def pairs(expected: Detections, found: Detections) -> torch.Tensor | None:
    """For each expected detection the nearest of its class, each once; None if there is none."""
    if len(expected.boxes) != len(found.boxes):
        return None
    gaps = (expected.boxes[:, None] - found.boxes[None]).abs().amax(2)  # [N,N]
    gaps[expected.class_ids[:, None] != found.class_ids[None]] = torch.inf
    order = torch.zeros(len(gaps), dtype=torch.int64)
    for i in range(len(gaps)):
        nearest = int(gaps[i].argmin())
        if gaps[i, nearest] == torch.inf:
            return None
        order[i] = nearest
        gaps[:, nearest] = torch.inf
    return order


def segmenter_agreement(
    photos: Iterable[Photo],
    reference: Callable[[NDArray[Any]], tuple[NDArray[np.uint8], NDArray[np.float32]]],
    run: Run,
) -> Agreement:
    """Compare the semantic maps of photos, and the probabilities of their labels."""
    seen = pixels = differing = 0
    score = 0.0
    for _, image in photos:
        labels, scores = reference(image)
        found = run(image)
        seen += 1
        pixels += labels.size
        differing += int((labels != found["labels"]).sum())
        score = max(score, float(np.abs(scores - found["scores"]).max()))
    return Agreement(photos=seen, score=score, labels=differing / max(pixels, 1), ap={})
