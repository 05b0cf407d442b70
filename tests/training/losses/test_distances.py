"""Losses of distances: values known in closed form."""

import importlib.util
from math import log

import pytest
import torch

from instseg.training.losses import parse_loss
from instseg.training.losses.distances import contours

needs_monai = pytest.mark.skipif(
    importlib.util.find_spec("monai") is None, reason="needs the extra `semantic`"
)
# Eight pixels in a row, the second class from the fifth on, found from the seventh on with a
# probability of 3/4.
LABELS = torch.tensor([[[0, 0, 0, 0, 1, 1, 1, 1]]])
FOUND = torch.tensor([[[0, 0, 0, 0, 0, 0, 1, 1]]])
LOGITS = log(3) * torch.stack([1.0 - FOUND, 1.0 * FOUND], 1)
ERRORS = torch.where(LABELS == FOUND, 1 / 4, 3 / 4)[0] ** 2


def value(text, logits, labels):
    return parse_loss(text, class_counts=list)(logits, labels).item()


def test_shape_aware_counts_the_predicted_contour_by_its_distance():
    entropies = 6 * log(4 / 3) + 2 * log(4)
    contour = 1 * log(4) + 2 * log(4 / 3)  # the sixth pixel and the seventh
    assert value("shape-aware", LOGITS, LABELS) == pytest.approx((entropies + contour) / 8)


def test_shape_aware_without_a_true_contour_is_cross_entropy():
    labels = torch.zeros_like(LABELS)
    assert value("shape-aware", LOGITS, labels) == pytest.approx(value("ce", LOGITS, labels))


def test_contours():
    labels = torch.tensor([[[0, 0, 1, 1], [0, 0, 1, 2], [0, 0, 0, 0]]])
    valid = torch.ones_like(labels, dtype=torch.bool)
    valid[0, 0, 1] = False
    expected = torch.tensor([[[0, 0, 0, 1], [0, 1, 1, 1], [0, 0, 1, 1]]])
    assert torch.equal(contours(labels, valid).long(), expected)


@needs_monai
@pytest.mark.parametrize("alpha", [1, 2])
def test_hausdorff_weighs_errors_with_distances_to_both_boundaries(alpha):
    true = torch.tensor([4, 3, 2, 1, 1, 2, 3, 4])
    found = torch.tensor([6, 5, 4, 3, 2, 1, 1, 2])
    expected = (ERRORS * (true**alpha + found**alpha)).mean().item()
    assert value(f"hausdorff(alpha={alpha})", LOGITS, LABELS) == pytest.approx(expected)


@needs_monai
def test_hausdorff_is_blind_to_one_class_in_place_of_another():
    assert value("hausdorff", LOGITS[..., 6:], torch.zeros(1, 1, 2, dtype=torch.int64)) == 0


@needs_monai
def test_hausdorff_of_absent_classes_and_ignored_pixels():
    logits = torch.nn.functional.pad(LOGITS, (0, 8))
    logits = torch.cat([logits, torch.full_like(logits[:, :1], -1e9)], 1)
    labels = torch.nn.functional.pad(LABELS, (0, 8), value=255)
    true = torch.tensor([[4, 3, 2, 1, 1, 2, 3, 4], [4, 3, 2, 1, 1, 2, 2, 1]])
    found = torch.tensor([[6, 5, 4, 3, 2, 1, 1, 2], [6, 5, 4, 3, 2, 1, 1, 1]])
    expected = (ERRORS * (true**2 + found**2)).mean().item()
    assert value("hausdorff", logits, labels) == pytest.approx(expected)
