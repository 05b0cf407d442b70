"""What scores mean."""

import numpy as np
import pytest

from instseg.evaluation.coco_ap import measure_ap
from instseg.evaluation.operating_points import (
    calibration,
    operating_points,
    prediction_thresholds,
)

BOXES = [[x, 10, 8, 8] for x in range(10, 90, 10)]


def matches(found, boxes=BOXES, crowd=()):
    """Objects of one class in a row; `found` holds (index of the object or None, score)."""
    truth = {
        "images": [{"id": 1, "height": 100, "width": 100}],
        "annotations": [
            {
                "id": i + 1,
                "image_id": 1,
                "category_id": 7,
                "bbox": box,
                "area": 64,
                "iscrowd": int(i in crowd),
            }
            for i, box in enumerate(boxes)
        ],
        "categories": [{"id": 7, "name": "cup"}, {"id": 9, "name": "bowl"}],
    }
    results = [
        {
            "image_id": 1,
            "category_id": 7,
            "score": score,
            "bbox": [0, 60, 8, 8] if i is None else boxes[i],
        }
        for i, score in found
    ]
    return measure_ap(truth, results, "bbox").matches


def test_the_best_threshold_lies_between_the_kept_and_the_others():
    found = [(0, 0.9), (1, 0.8), (2, 0.7), (None, 0.3), (None, 0.2), (3, 0.1)]
    cup, bowl = operating_points(matches(found, BOXES[:4]))
    assert cup.threshold == pytest.approx(0.5)  # half-way between 0.7 and 0.3
    assert (cup.precision, cup.recall) == (1.0, 0.75)
    assert cup.f1 == pytest.approx(6 / 7)
    assert bowl is None


def test_equal_scores_are_kept_or_left_out_together():
    found = [(0, 0.9), (1, 0.5), (None, 0.5), (None, 0.5), (None, 0.5), (None, 0.5)]
    cup, _ = operating_points(matches(found, BOXES[:2]))
    assert cup.threshold == pytest.approx(0.7)
    assert (cup.precision, cup.recall) == (1.0, 0.5)


def test_where_all_are_kept_the_threshold_is_above_zero():
    cup, _ = operating_points(matches([(0, 0.6), (1, 0.4)], BOXES[:2]))
    assert 0 < cup.threshold < 0.4


def test_a_crowd_counts_neither_way():
    cup, _ = operating_points(matches([(1, 0.9), (0, 0.5)], BOXES[:2], crowd=[1]))
    assert (cup.f1, cup.precision, cup.recall) == (1.0, 1.0, 1.0)


def test_calibration_compares_scores_with_the_share_of_true_detections():
    found = [(0, 0.95), (1, 0.95), (2, 0.85), (None, 0.85), (None, 0.05)]
    scale = calibration(matches(found))
    assert scale.counts.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 2, 2]
    assert scale.confidence[[0, 8, 9]] == pytest.approx([0.05, 0.85, 0.95])
    assert scale.precision[[0, 8, 9]].tolist() == [0, 0.5, 1]
    assert np.isnan(scale.precision[1])
    assert scale.ece == pytest.approx((1 * 0.05 + 2 * 0.35 + 2 * 0.05) / 5)


def test_a_score_of_one_has_a_bin_and_no_detections_have_no_error():
    assert calibration(matches([(0, 1.0)])).counts[9] == 1
    assert np.isnan(calibration(matches([])).ece)


def test_scores_that_are_no_probabilities_have_thresholds_but_no_calibration():
    found = matches([(0, 3.0), (1, -1.5), (None, -2.0)], BOXES[:2])
    cup, _ = operating_points(found)
    assert cup.threshold == pytest.approx(-1.75)
    assert calibration(found).counts.sum() == 0


def of_classes(**classes):
    """Classes with objects in a row; each is (number of objects, [(is true, score), ...])."""
    truth = {"images": [], "annotations": [], "categories": []}
    results = []
    for k, (name, (objects, found)) in enumerate(classes.items(), start=1):
        truth["categories"].append({"id": k, "name": name})
        truth["images"].append({"id": k, "height": 100, "width": 3000})
        boxes = [[20 * i, 10, 8, 8] for i in range(objects)]
        for box in boxes:
            row = {"image_id": k, "category_id": k, "bbox": box, "area": 64, "iscrowd": 0}
            truth["annotations"].append({"id": len(truth["annotations"]) + 1, **row})
        free = iter(boxes)
        for true, score in found:
            box = next(free) if true else [10, 60, 8, 8]
            results.append({"image_id": k, "category_id": k, "bbox": box, "score": score})
    return measure_ap(truth, results, "bbox").matches


def test_a_class_of_many_objects_has_its_own_threshold_and_one_of_few_that_of_all():
    many = [*((True, 0.9),) * 20, *((False, 0.5),) * 20]
    few = [(True, 0.3), (False, 0.2)]  # its own best would be 0.25
    found = prediction_thresholds(of_classes(many=(20, many), few=(19, few), none=(0, [])))
    assert found.overall == pytest.approx(0.7)
    assert found.per_class == pytest.approx((0.7, 0.7, 0.7))
    few_more = prediction_thresholds(of_classes(many=(20, many), few=(20, few)))
    assert few_more.per_class == pytest.approx((0.7, 0.25))


def test_much_of_what_is_shown_is_true():
    """Of 20 objects, 4 are found above 4 others; the best F1 would keep 20 of 66 as well."""
    found = [*((True, 0.9),) * 4, *((False, 0.8),) * 2, *((False, 0.4),) * 44, *((True, 0.2),) * 16]
    (point,) = operating_points(of_classes(cup=(20, found)))
    assert point.f1 == pytest.approx(40 / 86)
    assert point.threshold == pytest.approx(0.1)
    chosen = prediction_thresholds(of_classes(cup=(20, found)))
    assert chosen.per_class == (chosen.overall,) == (pytest.approx(0.85),)


def test_a_class_that_is_mostly_wrong_has_no_lower_threshold_than_all():
    good = [(True, 0.6)] * 40
    wrong = [(False, 0.5), (False, 0.5), (True, 0.3)]
    overall, (_, bad) = (lambda found: (found.overall, found.per_class))(
        prediction_thresholds(of_classes(good=(40, good), bad=(20, wrong)))
    )
    assert overall == bad == pytest.approx(0.55)
    wrong = [(False, 0.9), (False, 0.9), (True, 0.8)]
    found = prediction_thresholds(of_classes(good=(40, good), bad=(20, wrong)))
    assert found.overall == pytest.approx(0.3)
    assert found.per_class == pytest.approx((0.3, 0.4))


def test_without_an_object_found_there_are_no_thresholds():
    found = prediction_thresholds(of_classes(cup=(3, [(False, 0.5)]), bowl=(0, [])))
    assert found.overall is None
    assert found.per_class == (None, None)
