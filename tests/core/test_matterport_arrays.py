"""Boxes, overlaps and matches of Matterport's arrays."""

import numpy as np
import pytest

from instseg.core.matterport_arrays import (
    arrays_of,
    compute_overlaps,
    compute_overlaps_masks,
    extract_bboxes,
    match_arrays,
    trim_zeros,
)


def squares(*corners, size=(20, 20)):
    """Masks (H, W, N) of the boxes y1 x1 y2 x2."""
    masks = np.zeros((*size, len(corners)), bool)
    for i, (y1, x1, y2, x2) in enumerate(corners):
        masks[y1:y2, x1:x2, i] = True
    return masks


def test_boxes_of_masks_end_after_the_last_pixel():
    boxes = extract_bboxes(squares((2, 3, 8, 13), (0, 0, 0, 0), (19, 19, 20, 20)))
    assert boxes.tolist() == [[2, 3, 8, 13], [0, 0, 0, 0], [19, 19, 20, 20]]
    assert boxes.dtype == np.int32


def test_overlaps_of_boxes_and_masks_are_ious():
    one, other = [(0, 0, 10, 10)], [(0, 5, 10, 15), (10, 10, 20, 20), (0, 0, 10, 10)]
    expected = [[1 / 3, 0, 1]]
    assert compute_overlaps(one, other) == pytest.approx(np.array(expected))
    assert compute_overlaps_masks(squares(*one), squares(*other)) == pytest.approx(
        np.array(expected)
    )
    soft = np.where(squares(*one), 0.6, 0.4)
    assert compute_overlaps_masks(soft, squares(*other)) == pytest.approx(np.array(expected))


def test_no_masks_have_no_overlaps():
    assert compute_overlaps_masks(squares(), squares((0, 0, 2, 2))).shape == (0, 1)
    assert compute_overlaps([], [(0, 0, 2, 2)]).shape == (0, 1)


def test_a_prediction_takes_the_free_object_of_its_class_of_highest_iou():
    truth = arrays_of(
        [(0, 0, 10, 10), (0, 4, 10, 14)], [1, 1], squares((0, 0, 10, 10), (0, 4, 10, 14))
    )
    found = squares((0, 4, 10, 14), (0, 4, 10, 13), (0, 0, 10, 10))
    arrays = arrays_of(extract_bboxes(found), [1, 1, 2], found, [0.9, 0.8, 0.7])
    matches = match_arrays(truth, arrays, 0.3)
    assert matches.pred_match.tolist() == [1, 0, -1]  # the second gets what is left
    assert matches.gt_match.tolist() == [1, 0]
    assert match_arrays(truth, arrays, 0.3, 0.85).pred_match.tolist() == [1, -1, -1]


def test_rows_of_zeros_are_padding():
    padded = np.array([[1, 2, 3, 4], [0, 0, 0, 0]])
    assert trim_zeros(padded).tolist() == [[1, 2, 3, 4]]
    kept = arrays_of(padded, [5, 0], np.ones((6, 6, 2)))
    assert len(kept) == 1 and kept.class_ids.tolist() == [5]


@pytest.mark.parametrize(
    ("class_ids", "masks", "said"),
    [
        ([1, 2], np.ones((6, 6, 1)), "gt_class_ids: expected 1, one for each box, got 2"),
        ([1], np.ones((6, 6, 3)), "gt_masks: expected 1, one for each box, got 3"),
        ([1], np.ones((6, 6)), r"gt_masks: expected shape \(H, W, N\), got \(6, 6\)"),
    ],
)
def test_what_does_not_fit_is_named(class_ids, masks, said):
    with pytest.raises(ValueError, match=said):
        arrays_of([(0, 0, 2, 2)], class_ids, masks, name="gt_")
