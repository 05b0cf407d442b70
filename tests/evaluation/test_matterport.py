"""AP, matches and recall of one image, as Matterport's tutorials call for them."""

import numpy as np
import pytest

from instseg.core.instances import Instances, Masks
from instseg.evaluation import matterport as utils

NAMES = ("BG", "cat", "dog")


def arrays(*rows, size=(100, 100)):
    """Boxes, ids, scores and masks (H, W, N) of rows (class id, score, y1 x1 y2 x2)."""
    boxes = np.array([row[2] for row in rows], int).reshape(-1, 4)
    masks = np.zeros((*size, len(rows)), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    ids, scores = np.array([row[0] for row in rows], int), np.array([row[1] for row in rows], float)
    return boxes, ids, scores, masks


def instances(*rows):
    boxes, ids, scores, masks = arrays(*rows)
    return Instances(
        boxes=boxes[:, [1, 0, 3, 2]],
        class_ids=ids,
        scores=scores,
        masks=Masks.from_dense(np.moveaxis(masks, 2, 0)),
        class_names=NAMES,
    )


TRUTH = [
    (1, 1, (0, 0, 10, 10)),
    (1, 1, (20, 0, 30, 10)),
    (2, 1, (40, 0, 50, 10)),
    (2, 1, (60, 0, 70, 10)),
]
FOUND = [  # in no order: by score right, wrong, right, right
    (2, 0.6, (60, 0, 70, 10)),
    (1, 0.9, (0, 0, 10, 10)),
    (1, 0.8, (80, 80, 90, 90)),
    (1, 0.7, (20, 0, 30, 10)),
]


def both(truth, found, function, **options):
    """The result of Matterport's form, which must be that of two Instances."""
    boxes, ids, _, masks = arrays(*truth)
    found_boxes, found_ids, scores, found_masks = arrays(*found)
    long = function(boxes, ids, masks, found_boxes, found_ids, scores, found_masks, **options)
    short = function(instances(*truth), instances(*found), **options)
    for one, other in zip(long, short, strict=True):
        np.testing.assert_array_equal(one, other)
    return long


def test_ap_is_the_area_under_the_raised_precision():
    ap, precisions, recalls, overlaps = both(TRUTH, FOUND, utils.compute_ap)
    assert ap == pytest.approx(0.25 * 1 + 0.25 * 0.75 + 0.25 * 0.75)
    assert recalls == pytest.approx(np.array([0, 0.25, 0.25, 0.5, 0.75, 1]))
    assert precisions == pytest.approx(np.array([1, 1, 0.75, 0.75, 0.75, 0]))
    assert overlaps.shape == (4, 4) and overlaps[0].tolist() == [1, 0, 0, 0]


def test_perfect_wrong_and_nothing():
    perfect = [(class_id, 0.9, box) for class_id, _, box in TRUTH]
    assert both(TRUTH, perfect, utils.compute_ap).AP == 1
    swapped = [(3 - class_id, 0.9, box) for class_id, _, box in TRUTH]
    assert both(TRUTH, swapped, utils.compute_ap).AP == 0
    assert both(TRUTH, [], utils.compute_ap).AP == 0
    assert np.isnan(both([], FOUND, utils.compute_ap).AP)


def test_matches_number_the_predictions_by_score():
    gt_match, pred_match, _ = both(TRUTH, FOUND, utils.compute_matches)
    assert pred_match.tolist() == [0, -1, 1, 3]
    assert gt_match.tolist() == [0, 2, -1, 3]


def test_padding_changes_nothing():
    boxes, ids, _, masks = arrays(*TRUTH)
    found_boxes, found_ids, scores, found_masks = arrays(*FOUND)
    padded = utils.compute_ap(
        np.pad(boxes, ((0, 3), (0, 0))),
        np.pad(ids, (0, 3)),
        np.pad(masks, ((0, 0), (0, 0), (0, 3))),
        np.pad(found_boxes, ((0, 2), (0, 0))),
        np.pad(found_ids, (0, 2)),
        np.pad(scores, (0, 2)),
        np.pad(found_masks, ((0, 0), (0, 0), (0, 2))),
    )
    ap, *_ = padded
    assert ap == pytest.approx(0.625)


def test_the_range_is_the_mean_over_thresholds_and_is_told(capsys):
    truth, found = [(1, 1, (0, 0, 10, 10))], [(1, 0.9, (0, 0, 10, 8))]  # an IoU of 0.8
    mean = utils.compute_ap_range(instances(*truth), instances(*found))
    assert mean == pytest.approx(7 / 10)  # 0.5, 0.55 ... 0.8
    out = capsys.readouterr().out
    assert out.startswith("AP @0.50:\t 1.000\n") and "AP @0.50-0.95:\t 0.700" in out
    options = {"iou_thresholds": [0.75, 0.85], "verbose": 0}
    assert utils.compute_ap_range(instances(*truth), instances(*found), **options) == 0.5
    assert capsys.readouterr().out == ""


def test_recall_of_proposals():
    proposals = [(0, 0, 10, 10), (0, 0, 10, 9), (20, 0, 30, 4)]
    recall, rows = utils.compute_recall(proposals, [(0, 0, 10, 10), (20, 0, 30, 10)], iou=0.5)
    assert recall == 0.5 and rows.tolist() == [0, 1]
    assert utils.compute_recall([], [(0, 0, 1, 1)], iou=0.5)[0] == 0


def test_one_instances_alone_is_refused():
    with pytest.raises(ValueError, match="expected two Instances"):
        utils.compute_ap(instances(*TRUTH), [1, 2])
