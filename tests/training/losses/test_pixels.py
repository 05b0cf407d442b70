"""Losses that are means over pixels: values known in closed form, and other packages' losses."""

from math import log

import pytest
import torch
from torch.nn.functional import cross_entropy
from torchvision.ops import sigmoid_focal_loss

from instseg.training.losses import parse_loss

LABELS = torch.tensor([[[0, 0, 255], [0, 1, 255]]])  # counts 3 and 1
UNSURE = torch.zeros(1, 2, 2, 3)  # all probabilities are a half, by softmax and by sigmoid


def value(text, logits=UNSURE, labels=LABELS):
    return parse_loss(text, class_counts=lambda: [3, 1])(logits, labels).item()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ce", log(2)),
        ("focal", log(2) / 4),
        ("focal(gamma=1)", log(2) / 2),
        ("focal(gamma=0)", log(2)),
        ("bce", log(2)),
        ("weighted-bce(weights=equal)", log(2)),
        # the weights are 1/2 and 3/2
        ("weighted-bce", log(2) * ((3 * 1 / 2 + 1) + (1 * 3 / 2 + 3)) / 8),
        ("balanced-ce", log(2) * 2 * 3 / 16),
    ],
)
def test_value_of_no_knowledge(text, expected):
    assert value(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("weights", "first", "second"),
    [
        ("equal", 1, 1),
        ("inverse", 1, 3),
        ("effective", 1, 7 / 4),  # beta is 1/2: (1 - 1/8) / (1 - 1/2)
        ("effective, beta=0.25", 1, 21 / 16),
    ],
)
def test_weights_make_a_weighted_mean(weights, first, second):
    logits = torch.stack([torch.full((1, 2, 3), log(3)), torch.zeros(1, 2, 3)], 1)  # 3/4 and 1/4
    expected = (3 * first * log(4 / 3) + second * log(4)) / (3 * first + second)
    assert value(f"ce(weights={weights})", logits) == pytest.approx(expected)
    expected = 3 * first * log(4 / 3) / 4 + second * log(4) * 3 / 4
    expected /= 3 * first + second
    assert value(f"focal(gamma=1, weights={weights})", logits) == pytest.approx(expected)


def test_cross_entropy_is_torchs():
    logits = torch.randn(1, 2, 2, 3, generator=torch.Generator().manual_seed(0))
    expected = cross_entropy(logits, LABELS, ignore_index=255)
    assert value("ce", logits) == pytest.approx(expected.item())
    expected = cross_entropy(logits, LABELS, torch.tensor([1.0, 3.0]), ignore_index=255)
    assert value("ce(weights=inverse)", logits) == pytest.approx(expected.item())


@pytest.mark.parametrize("gamma", [0.5, 1, 2])
def test_focal_of_two_classes_is_torchvisions(gamma):
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 5, 5)
    labels = torch.randint(0, 2, (2, 5, 5))
    expected = sigmoid_focal_loss(
        logits[:, 1] - logits[:, 0], labels.float(), alpha=-1, gamma=gamma, reduction="mean"
    )
    assert value(f"focal(gamma={gamma})", logits, labels) == pytest.approx(expected.item())


def test_focal_is_monais():
    losses = pytest.importorskip("monai.losses")
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5, 5)
    labels = torch.randint(0, 3, (2, 5, 5))
    labels[0, :2] = 255
    monai = losses.FocalLoss(use_softmax=True, to_onehot_y=True, ignore_index=255)
    assert value("focal", logits, labels) == pytest.approx(monai(logits, labels[:, None]).item())
