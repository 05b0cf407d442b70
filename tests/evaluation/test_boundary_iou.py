"""Boundaries of semantic maps, held to the boundaries of single masks."""

import numpy as np
import pytest
from scipy import ndimage

from instseg.evaluation.boundary_iou import boundaries, boundary_overlap

CLASSES = 5


def drawn_labels(rng, height=120, width=160):
    """Rectangles and discs over each other, some across the image's border."""
    labels = np.zeros((height, width), dtype=np.uint8)
    rows, columns = np.ogrid[:height, :width]
    for label in rng.integers(CLASSES, size=12):
        y, x, radius = rng.integers(height), rng.integers(width), rng.integers(3, 40)
        disc = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        square = (abs(rows - y) < radius) & (abs(columns - x) < radius)
        labels[disc if rng.random() < 0.5 else square] = label
    return labels


def reference(mask):
    """The boundary of one mask: pixels at most d from what is not mask, or the image's border."""
    d = max(1, round(0.02 * float(np.hypot(*mask.shape))))
    inside = ndimage.distance_transform_cdt(np.pad(mask, 1), "chessboard")[1:-1, 1:-1]
    return mask & (inside <= d)


@pytest.mark.parametrize("size_hw", [(120, 160), (160, 120), (75, 300), (20, 24), (600, 801)])
def test_each_region_has_the_boundary_of_its_mask(size_hw):
    labels = drawn_labels(np.random.default_rng(0), *size_hw)
    near = boundaries(labels)
    assert near.any()
    assert not near.all()
    for label in np.unique(labels):
        np.testing.assert_array_equal(near & (labels == label), reference(labels == label))


def test_overlap_is_that_of_the_masks_class_by_class():
    rng = np.random.default_rng(1)
    truth = drawn_labels(rng)
    prediction = np.roll(truth, (2, -3), axis=(0, 1))
    right, true, predicted = boundary_overlap(truth, prediction, CLASSES + 1)
    for label in range(CLASSES):
        first, second = reference(truth == label), reference(prediction == label)
        assert 0 < right[label] < true[label]
        assert right[label] == np.count_nonzero(first & second)
        assert (true[label], predicted[label]) == (first.sum(), second.sum())
    assert (right[CLASSES], true[CLASSES], predicted[CLASSES]) == (0, 0, 0)


def test_the_image_border_is_an_edge():
    whole = np.zeros((120, 160), dtype=np.uint8)  # 2% of the diagonal are 4 pixels
    right, true, _ = boundary_overlap(whole, whole, 1)
    assert right[0] == true[0] == 120 * 160 - 112 * 152


def test_thin_objects_are_all_boundary():
    labels = np.zeros((120, 160), dtype=np.uint8)
    labels[50:57, 20:100] = 1
    assert boundaries(labels)[labels == 1].all()


def test_tiny_maps():
    assert boundaries(np.zeros((1, 1), dtype=np.uint8)).all()
    assert boundaries(np.zeros((3, 40), dtype=np.uint8)).sum() == 3 * 40 - 1 * 38


def test_an_object_that_reaches_into_an_ignored_region_ends_there_in_both_maps():
    truth = np.zeros((120, 160), dtype=np.uint8)
    truth[40:80, 40:100] = 1
    prediction = truth.copy()
    prediction[40:80, 100:140] = 1  # the object goes on, where nobody knows
    truth[:, 100:] = 255
    right, true, predicted = boundary_overlap(truth, prediction, 2)
    np.testing.assert_array_equal(right, true)
    np.testing.assert_array_equal(right, predicted)
    assert right[1] == 40 * 60 - 32 * 52


def test_nothing_predicted_in_an_ignored_region_counts():
    rng = np.random.default_rng(2)
    truth, prediction, noise = (drawn_labels(rng) for _ in range(3))
    truth[30:70, 50:] = 255
    expected = boundary_overlap(truth, prediction, CLASSES)
    prediction[truth == 255] = noise[truth == 255]
    np.testing.assert_array_equal(boundary_overlap(truth, prediction, CLASSES), expected)
    assert not boundary_overlap(np.full_like(truth, 255), prediction, CLASSES).any()
