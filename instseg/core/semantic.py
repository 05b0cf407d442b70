"""Semantic maps: instances merged into one map of class ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from instseg.core.instances import Instances, Masks
from instseg.core.options import checks_types
from instseg.core.overlap_rule import Rule

IGNORE = 255
"""The label of ignored pixels."""


@checks_types
def to_semantic(
    instances: Instances,
    *,
    rule: Rule = "score",
    score_threshold: float | None = None,
    priority: Sequence[str] | None = None,
    ignore: Masks | None = None,
) -> NDArray[np.uint8]:
    """A semantic map: at each pixel the class id of the instance on top, 0 where there is none.

    Which instance is on top where several overlap:
        score: the one with the higher score.
        smallest-on-top: the one with the smaller mask, whatever its score; then the score.
        class-priority: the one whose class comes first in `priority`; other classes come after
            these; then the score.
    If all of these are equal, the earlier instance is on top.

    Args:
        instances: N instances of at most 254 classes.
        rule: one of the three above.
        score_threshold: only instances with a higher score, as in `Predictor`; None takes all.
        priority: class names from highest to lowest, for "class-priority".
        ignore: regions of unknown content (COCO's crowds) in the same image; their pixels without
            an instance become 255.

    Returns:
        uint8 (H, W), 0..K or 255.

    Raises:
        ValueError: for an unknown rule or class name, for more than 254 classes, and for regions
            to ignore of another image size.
    """
    if len(instances.class_names) > IGNORE:
        raise ValueError(
            f"class_names: expected at most {IGNORE - 1} classes for an 8-bit semantic map, "
            f"got {len(instances.class_names) - 1}"
        )
    kept = instances
    if score_threshold is not None:
        kept = instances[instances.scores > score_threshold]
    labels = np.zeros(instances.size_hw, dtype=np.uint8)
    if ignore is not None:
        if ignore.size_hw != instances.size_hw:
            raise ValueError(f"ignore: expected size {instances.size_hw}, got {ignore.size_hw}")
        for window, crop in zip(ignore.windows(), ignore.crops, strict=True):
            labels[window][crop] = IGNORE

    top_first = np.lexsort((-kept.scores, _rank(kept, rule, priority)))
    windows = kept.masks.windows()
    for i in top_first[::-1]:
        labels[windows[i]][kept.masks.crops[i]] = kept.class_ids[i]
    return labels


def _rank(instances: Instances, rule: Rule, priority: Sequence[str] | None) -> NDArray[np.int64]:
    """Lower is nearer to the top; the score decides between equals."""
    if rule == "score":
        return np.zeros(len(instances), dtype=np.int64)
    if rule == "smallest-on-top":
        return instances.masks.areas()
    if priority is None:
        raise ValueError("priority: expected class names for rule 'class-priority', got None")
    unknown = set(priority) - set(instances.class_names)
    if unknown:
        raise ValueError(f"priority: expected names among class_names, got {sorted(unknown)}")
    places = {name: place for place, name in enumerate(priority)}
    return np.array([places.get(name, len(places)) for name in instances.names], dtype=np.int64)


def from_semantic(
    labels: NDArray[np.uint8], class_names: Sequence[str], scores: Mapping[int, float] | None = None
) -> Instances:
    """All pixels of each class of a semantic map as one instance, by class id.

    Args:
        labels: uint8 (H, W), 0..K or 255; 0 and 255 are no class.
        class_names: K+1 names, [0] is "BG".
        scores: The score of each class id, 0..1; 1 where there is none.
    """
    found = [number for number in np.unique(labels).tolist() if 0 < number < IGNORE]
    crops, offsets = [], []
    for number in found:
        mask = labels == number
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        crops.append(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        offsets.append((int(rows[0]), int(columns[0])))
    masks = Masks.from_crops(crops, offsets, (labels.shape[0], labels.shape[1]))
    return Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=np.array(found, dtype=np.int64),
        scores=np.array([(scores or {}).get(number, 1.0) for number in found]),
        masks=masks,
        class_names=tuple(class_names),
    )


def translation(own: Sequence[str], shared: Sequence[str], *, other: int = 0) -> NDArray[np.uint8]:
    """The shared label of each label, uint8 (256,): `other` where there is none, 255 of 255."""
    table = np.full(IGNORE + 1, other, dtype=np.uint8)
    for label, name in enumerate(own):
        if name in shared:
            table[label] = shared.index(name)
    table[IGNORE] = IGNORE
    return table
