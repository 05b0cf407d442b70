"""What a report says of each detection and object."""

from __future__ import annotations

from collections.abc import Sequence

from instseg.evaluation.judged import Judged


def detection_note(judged: Judged, i: int, class_names: Sequence[str]) -> str:
    """Which object a detection overlaps, and how well.

    Args:
        judged: The detections.
        i: The detection.
        class_names: Names by class id.
    """
    if judged.in_crowd[i]:
        return "in a crowd, not counted"
    target = int(judged.errors.targets[i])
    if target < 0:
        target = int(judged.best[1][i])
    if target < 0:
        return "no object here"
    note = f"IoU {judged.iou(i, target):.2f}"
    mark = judged.detection_mark(i)
    if mark == "hit":
        return note
    if mark == "duplicate":
        return f"{note} with an object that is already found"
    return f"{note} with {class_names[judged.overlaps.object_classes[target] + 1]}"


def object_note(judged: Judged, i: int, class_names: Sequence[str]) -> str:
    """How an object is found, or why not.

    Args:
        judged: The objects.
        i: The object.
        class_names: Names by class id.
    """
    partner = int(judged.partners[i])
    if partner >= 0:
        iou, score = judged.iou(partner, i), judged.overlaps.scores[partner]
        name = class_names[judged.overlaps.detection_classes[partner] + 1]
        return f"IoU {iou:.2f} with {name}, score {score:.2f}"
    if i in judged.unsure:
        score, iou = judged.unsure[i]
        least = judged.thresholds[judged.overlaps.object_classes[i]]
        return f"found with score {score:.2f}, below the threshold {least:.2f}; IoU {iou:.2f}"
    return "not found"
