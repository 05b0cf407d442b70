"""The confusion matrix, on hand-made cases."""

import json

import numpy as np
import pytest

from instseg.evaluation.confusion import confusion_matrix
from instseg.evaluation.overlaps import find_overlaps

PLACES = [[x, 10, 20, 20] for x in (0, 30, 60, 90)]
BACKGROUND, FORK, CUP, PLATE = range(4)  # in the order of their ids: 3, 7, 40
IDS = {FORK: 3, CUP: 7, PLATE: 40}


def truth(*objects):
    """Objects as (class, box), crowds as (class, box, 1)."""
    return {
        "images": [{"id": 1, "height": 50, "width": 150}],
        "annotations": [
            {"image_id": 1, "category_id": IDS[k], "bbox": box, "iscrowd": sum(crowd)}
            for k, box, *crowd in objects
        ],
        "categories": [
            {"id": 40, "name": "plate"},
            {"id": 3, "name": "fork"},
            {"id": 7, "name": "cup"},
        ],
    }


def result(k, box, score=0.9):
    return {"image_id": 1, "category_id": IDS.get(k, k), "bbox": box, "score": score}


def matrix_of(document, results, kind, **thresholds):
    return confusion_matrix(find_overlaps(document, results, kind, min_iou=0.1), **thresholds)


def cells(matrix):
    """The cells that are not zero: (truth, prediction) to count."""
    return {(int(i), int(j)): int(matrix[i, j]) for i, j in zip(*np.nonzero(matrix), strict=True)}


def test_every_kind_of_cell():
    document = truth((FORK, PLACES[0]), (CUP, PLACES[1]), (PLATE, PLACES[2]))
    results = [result(FORK, PLACES[0]), result(PLATE, PLACES[1]), result(CUP, PLACES[3])]
    matrix = matrix_of(document, results, "bbox")
    assert matrix.dtype == np.int64
    assert matrix.shape == (4, 4)
    assert cells(matrix) == {
        (FORK, FORK): 1,
        (CUP, PLATE): 1,
        (PLATE, BACKGROUND): 1,
        (BACKGROUND, CUP): 1,
    }


def test_the_better_score_takes_the_object():
    document = truth((CUP, PLACES[0]))
    results = [result(CUP, PLACES[0], 0.6), result(FORK, PLACES[0], 0.8)]
    matrix = matrix_of(document, results, "bbox")
    assert cells(matrix) == {(CUP, FORK): 1, (BACKGROUND, CUP): 1}


def test_of_equal_overlaps_the_own_class_wins():
    document = truth((FORK, PLACES[0]), (CUP, PLACES[0]), (PLATE, PLACES[0]))
    matrix = matrix_of(document, [result(CUP, PLACES[0])], "bbox")
    assert cells(matrix) == {(CUP, CUP): 1, (FORK, BACKGROUND): 1, (PLATE, BACKGROUND): 1}


def test_the_iou_that_makes_a_match():
    document = truth((CUP, PLACES[0]))
    half = [result(CUP, [0, 10, 10, 20])]  # IoU 0.5 exactly
    assert cells(matrix_of(document, half, "bbox")) == {(CUP, CUP): 1}
    apart = {(CUP, BACKGROUND): 1, (BACKGROUND, CUP): 1}
    assert cells(matrix_of(document, half, "bbox", iou_threshold=0.51)) == apart


def test_score_thresholds_for_all_and_by_class():
    results = [result(CUP, PLACES[0], 0.3), result(FORK, PLACES[1], 0.29)]

    def counted(**threshold):
        return cells(matrix_of(truth(), results, "bbox", **threshold))

    assert counted() == {(BACKGROUND, CUP): 1}
    assert counted(score_threshold=0.0) == {(BACKGROUND, CUP): 1, (BACKGROUND, FORK): 1}
    assert counted(score_threshold=np.array([0.3, 0.8, 0.3])) == {}
    assert counted(score_threshold=np.array([0.1, 0.8, 0.3])) == {(BACKGROUND, FORK): 1}


def test_a_crowd_excuses_its_own_class():
    document = truth((CUP, [0, 0, 150, 50], 1), (FORK, PLACES[0]))
    results = [result(CUP, PLACES[1]), result(FORK, PLACES[2]), result(CUP, PLACES[0])]
    matrix = matrix_of(document, results, "bbox")
    assert cells(matrix) == {(FORK, CUP): 1, (BACKGROUND, FORK): 1}


def test_more_than_a_hundred_detections_count():
    document = truth(*[(CUP, [x, 10, 1, 1]) for x in range(140)])
    results = [result(CUP, [x, 10, 1, 1]) for x in range(140)]
    assert cells(matrix_of(document, results, "bbox")) == {(CUP, CUP): 140}


def test_nothing_found_nothing_there_and_unlisted_categories():
    assert cells(matrix_of(truth((CUP, PLACES[0])), [], "bbox")) == {(CUP, BACKGROUND): 1}
    assert cells(matrix_of(truth(), [], "bbox")) == {}
    assert cells(matrix_of(truth(), [result(999, PLACES[0])], "bbox")) == {}


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_golden_sums(coco_dir, kind):
    golden = coco_dir / "golden"
    document = json.loads((golden / "instances_val2014_100.json").read_text())
    results = json.loads((golden / f"instances_val2014_fake{kind}100_results.json").read_text())
    matrix = matrix_of(document, results, kind, score_threshold=0.5)
    ids = sorted(c["id"] for c in document["categories"])
    objects = [a["category_id"] for a in document["annotations"] if not a["iscrowd"]]
    assert matrix[1:].sum(axis=1).tolist() == [objects.count(i) for i in ids]
    found = [r["category_id"] for r in results if r["score"] >= 0.5]
    excused = np.array([found.count(i) for i in ids]) - matrix[:, 1:].sum(axis=0)
    assert (excused >= 0).all()
    assert matrix[0, 0] == 0
