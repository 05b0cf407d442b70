"""Finds problems that would silently make AP zero or meaningless, before the evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from instseg.core.boxes import are_corners
from instseg.evaluation.records import (
    Floats,
    Ids,
    ResultColumns,
    TruthColumns,
    best_matches,
    broken,
)
from instseg.evaluation.runs import broken_runs
from instseg.evaluation.truth_problems import (
    MANY,
    Problem,
    explain_truth,
    graded,
    misleading,
    serious,
)
from instseg.system.memory import no_garbage_collection

BETTER = 0.2  # minimum improvement of agreement with the truth for another interpretation, 0 to 1


@no_garbage_collection()
def explain_zeros(
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    kind: Literal["bbox", "segm", "boundary"],
) -> list[Problem]:
    """Find problems that would make the evaluator's metrics zero, -1 or meaningless.

    Half a million results take about two seconds. Codes: no-results, no-boxes, no-masks,
    bad-results, no-shared-image, unknown-images, few-images, no-shared-category,
    unknown-categories, shifted-categories, relative-boxes, box-format, boxes-outside,
    negative-boxes, mask-size, nan-scores, scores-outside, scores-cut, equal-scores,
    duplicate-results; and those of `explain_truth`.

    Args:
        truth: A COCO document: images, annotations, categories.
        results: COCO results: `image_id`, `category_id`, `score`, and `bbox` or `segmentation`
            (RLE). Both may be malformed, which is a problem too.
        kind: The kind to evaluate.

    Returns:
        The problems, none for valid data. A problem that hides others is returned alone.
    """
    field = "bbox" if kind == "bbox" else "segmentation"
    problems = [*explain_truth(truth), *_result_problems(results, field)]
    if problems:
        return problems
    known, found = TruthColumns.read(truth), ResultColumns.read(results, field)
    problems = [*_image_problems(known, found)]
    if any(problem.severity == "error" for problem in problems):
        return problems
    shape_problems = _box_problems if kind == "bbox" else _size_problems
    for check in (_category_problems, shape_problems, _score_problems, _duplicate_problems):
        problems += check(known, found)
    return problems


def _result_problems(results: Sequence[Mapping[str, Any]], field: str) -> Iterator[Problem]:
    lines = [*broken(results, "results", ("image_id", "category_id", "score", field))]
    if not lines and field == "segmentation":
        lines = [*broken_runs(results)]
    if lines and all(isinstance(r, Mapping) and field not in r for r in results):
        here, there = ("boxes", "masks") if field == "bbox" else ("masks", "boxes")
        yield serious(
            f"no-{here}",
            f"{here} are to be evaluated and none of the {len(results):,} results has a {field}; "
            f"evaluate {there}, or write results with {here}",
        )
    elif lines:
        yield from (serious("bad-results", line) for line in lines)
    elif not results:
        yield serious(
            "no-results",
            "there are no results, so every AP is zero; lower the score threshold of the program "
            "that wrote them, or see whether this is the right file",
        )


def _image_problems(known: TruthColumns, found: ResultColumns) -> Iterator[Problem]:
    given, counts = np.unique(found.image_ids, return_counts=True)
    strange = ~np.isin(given, known.image_ids)
    wrong, total, images = int(counts[strange].sum()), len(found.image_ids), len(known.image_ids)
    if wrong:
        mend = "evaluate against the annotations of the images that were predicted"
        if given[0] in (0, 1) and given[-1] <= images:
            mend = f"if they are positions in its list of {images:,} images, write each image's id"
        yield graded(
            "no-shared-image" if strange.all() else "unknown-images",
            f"{wrong:,} of {total:,} results are of images that the ground truth does not have: "
            f"their image ids are {_some(given[strange])}, those of the ground truth "
            f"{_some(known.image_ids)}; {mend}",
            is_serious=wrong > total / 2,
        )
        return
    with_objects = np.unique(known.object_images)
    covered = np.isin(with_objects, given)
    if covered.mean() < 0.75:
        yield misleading(
            "few-images",
            f"only {covered.sum():,} of {len(with_objects):,} images with objects have results, "
            f"the others ({_some(with_objects[~covered])}) count as missed; predict them too, or "
            "evaluate without them",
        )


def _category_problems(known: TruthColumns, found: ResultColumns) -> Iterator[Problem]:
    given, counts = np.unique(found.category_ids, return_counts=True)
    strange = ~np.isin(given, known.category_ids)
    wrong, total = int(counts[strange].sum()), len(found.category_ids)
    if reading := _better_categories(known, found):
        yield graded(
            "shifted-categories",
            f"the category ids of the results ({_some(given)}) are not the dataset's "
            f"({_some(known.category_ids)}): results that lie on an object agree with its class "
            f"far more often when read as {reading}; write the dataset's own ids",
            is_serious=wrong > 0,  # a bad model may look like it
        )
    elif wrong:
        mend = "or give the annotations that have these categories"
        for reading, ids in _category_readings(known, given).items():
            if np.isin(ids, known.category_ids).all():
                mend = f"they look like {reading}"
                break
        yield graded(
            "no-shared-category" if strange.all() else "unknown-categories",
            f"{wrong:,} of {total:,} results are of categories that the ground truth does not "
            f"have: their ids are {_some(given[strange])}, the dataset's are "
            f"{_some(known.category_ids)}; write the dataset's own ids, {mend}",
            is_serious=wrong > total / 2,
        )


def _category_readings(known: TruthColumns, ids: Ids) -> dict[str, Ids]:
    """Possible interpretations of the ids, as ids of the dataset; -1 for none."""
    ordered, count = known.category_ids, len(known.category_ids)
    padded = np.concatenate([ordered, [-1]])
    return {
        f"positions 1 to {count} in its list": padded[_or_last(ids - 1, count)],
        f"positions 0 to {count - 1} in its list": padded[_or_last(ids, count)],
        "ids one too low": ids + 1,
        "ids one too high": ids - 1,
    }


def _or_last(at: Ids, count: int) -> Ids:
    return np.where((at >= 0) & (at < count), at, count)


def _better_categories(known: TruthColumns, found: ResultColumns) -> str | None:
    """Another interpretation of the ids, by which results agree better with the objects."""
    objects, results, ious = best_matches(known, found, found.boxes_xywh)
    close = ious > 0.6
    if close.sum() < MANY:
        return None
    right, given = known.object_categories[objects[close]], found.category_ids[results[close]]
    agreement = {n: np.mean(ids == right) for n, ids in _category_readings(known, given).items()}
    best = max(agreement, key=lambda name: agreement[name])
    return best if agreement[best] > np.mean(given == right) + BETTER else None


def _box_problems(known: TruthColumns, found: ResultColumns) -> Iterator[Problem]:
    assert isinstance(found.shapes, np.ndarray)
    boxes, sides = found.shapes, known.sizes_of(found.image_ids)[:, ::-1]  # width, height
    example = f"as {[round(value, 3) for value in boxes[0].tolist()]}"
    beyond = np.mean((boxes[:, :2] + boxes[:, 2:] > 1.1 * sides).any(axis=1))
    small = np.mean(np.abs(boxes).max(axis=1) <= 1.5) > 0.99
    known_sides = sides[np.isfinite(sides)]
    if small and known_sides.size and np.median(known_sides) > MANY:
        yield serious(
            "relative-boxes",
            f"the boxes ({example}) are parts of the image, 0 to 1, where pixels are due; multiply "
            "x and width by the image's width, y and height by its height",
        )
    elif reading := _better_box_format(known, found, boxes, sides):
        yield serious(
            "box-format",
            f"the boxes ({example}) are {reading} where [x, y, width, height] is due; convert them",
        )
    elif beyond > 0.2:
        yield misleading(
            "boxes-outside",
            f"{beyond:.0%} of the boxes ({example}) reach far out of their image; give them in "
            "pixels of the original image, not of a resized one",
        )
    negative = (boxes[:, 2:] < 0).any(axis=1)
    if negative.any():
        yield misleading(
            "negative-boxes",
            f"{negative.sum():,} of {len(boxes):,} boxes have a width or height below 0, the first "
            f"is results[{np.argmax(negative)}], and find nothing; write [x, y, width, height]",
        )


def _better_box_format(
    known: TruthColumns, found: ResultColumns, boxes: Floats, sides: Floats
) -> str | None:
    """The format of the boxes, if it is not x, y, width, height.

    Corners are recognised because only as corners they fit into the image. For objects near the top
    left corner, and for centres, the overlap with the truth decides.
    """
    start, end = boxes[:, :2], boxes[:, 2:]
    corners, centres = "[x1, y1, x2, y2]", "[centre x, centre y, width, height]"
    ordered = (end >= start).all(axis=1)
    if are_corners(boxes, sides, least_share=0.95):
        return corners
    readings = {"": boxes, centres: np.hstack([start - end / 2, end])}
    if ordered.mean() > 0.95:
        readings[corners] = np.hstack([start, end - start])
    overlap = {}
    for name, boxes_xywh in readings.items():
        objects, _, ious = best_matches(known, found, boxes_xywh.__getitem__)
        if len(objects) < MANY:
            return None
        overlap[name] = ious.mean()
    best = max(overlap, key=lambda name: overlap[name])
    return best if overlap[best] > overlap[""] + BETTER else None


def _size_problems(known: TruthColumns, found: ResultColumns) -> Iterator[Problem]:
    sizes_hw = np.array([rle["size"] for rle in found.shapes], np.float64)
    stated = known.sizes_of(found.image_ids)
    wrong = (sizes_hw != stated).any(axis=1) & ~np.isnan(stated[:, 0])
    if not wrong.any():
        return
    first = int(np.argmax(wrong))
    mend = "resize the masks to the original images before encoding them"
    if (sizes_hw[wrong] == stated[wrong, ::-1]).all():
        mend = "height and width are swapped: an RLE's size is [height, width], its runs go down"
    yield graded(
        "mask-size",
        f"{wrong.sum():,} of {len(wrong):,} masks have another size than their image: "
        f"results[{first}] is {sizes_hw[first].astype(int).tolist()}, image "
        f"{found.image_ids[first]} is {stated[first].astype(int).tolist()}; {mend}",
        is_serious=wrong.mean() > 0.5,
    )


def _score_problems(_: TruthColumns, found: ResultColumns) -> Iterator[Problem]:
    scores = found.scores
    odd = ~np.isfinite(scores)
    if odd.any():
        yield serious(
            "nan-scores",
            f"{odd.sum():,} of {len(scores):,} scores are no finite numbers, the first is "
            f"results[{np.argmax(odd)}], so there is no order; see why the model gives such scores",
        )
        return
    low, high = scores.min(), scores.max()
    if low < 0 or high > 1:
        percent = low >= 0 and 1 < high <= 100
        yield misleading(
            "scores-outside",
            f"scores go from {low:.4g} to {high:.4g} and should lie in 0..1: AP needs only their "
            "order, but thresholds and calibration mean nothing; "
            + ("divide them by 100 if they are percentages" if percent else "write probabilities"),
        )
    if low >= 0.3 and high > low and len(scores) >= MANY:
        yield misleading(
            "scores-cut",
            f"no score is below {low:.2g}, as if the list had been cut: AP needs the low ones too; "
            "predict with a score threshold of 0.01",
        )
    if low == high and len(scores) >= MANY:
        yield misleading(
            "equal-scores",
            f"all {len(scores):,} scores are {low:.4g}, so AP depends on the order of the file; "
            "write the confidence of the model",
        )


def _duplicate_problems(_: TruthColumns, found: ResultColumns) -> Iterator[Problem]:
    repeats, total = found.repeats(), len(found.scores)
    if repeats >= max(2, 0.01 * total):
        yield graded(
            "duplicate-results",
            f"{repeats:,} of {total:,} results repeat another one exactly and count as false; "
            "keep one of each, and see whether the list was written twice",
            is_serious=repeats > 0.4 * total,
        )


def _some(values: Ids) -> str:
    """All of a few numbers, else the first ones and the last."""
    if len(values) <= 6:
        return ", ".join(map(str, values.tolist()))
    return f"{', '.join(map(str, values[:4].tolist()))} ... {values[-1]}"
