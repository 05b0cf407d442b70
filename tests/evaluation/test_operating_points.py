"""What scores mean."""

import numpy as np
import pytest

from instseg.evaluation.coco_ap import measure_ap
from instseg.evaluation.operating_points import calibration, operating_points

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
