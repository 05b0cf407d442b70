"""Losses of overlaps: values known in closed form, and other packages' losses."""

from math import cosh, log, sqrt

import pytest
import torch

from instseg.training.losses import parse_loss

LABELS = torch.tensor([[[0, 0, 255], [0, 1, 255]]])  # areas 3 and 1, and none of a third class
UNSURE = torch.zeros(1, 3, 2, 3)
UNSURE[:, 2] = -1e9  # the first two classes have a probability of a half each
DICE = 1 - (2 * 1.5 / (2 + 3) + 2 * 0.5 / (2 + 1)) / 2
TVERSKY = [1.5 / (1.5 + 0.3 * 0.5 + 0.7 * 1.5), 0.5 / (0.5 + 0.3 * 1.5 + 0.7 * 0.5)]


def value(text, logits=UNSURE, labels=LABELS):
    return parse_loss(text, class_counts=lambda: [3, 1, 0])(logits, labels).item()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dice", DICE),
        ("log-cosh-dice", log(cosh(DICE))),
        ("tversky", 1 - sum(TVERSKY) / 2),
        ("tversky(alpha=1, beta=1)", 1 - (1.5 / (2 + 3 - 1.5) + 0.5 / (2 + 1 - 0.5)) / 2),
        ("focal-tversky", sum((1 - index) ** 0.75 for index in TVERSKY) / 2),
        ("focal-tversky(gamma=1)", 1 - sum(TVERSKY) / 2),
        ("sensitivity-specificity", 1 / 4),
        ("combo(alpha=0)", DICE),
        (
            "exponential-logarithmic",
            0.8 * (log(6 / 4) ** 0.3 + log(4 / 2) ** 0.3) / 2
            + 0.2 * log(2) ** 0.3 * (3 * sqrt(4 / 3) + sqrt(4)) / 4,
        ),
        ("exponential-logarithmic(gamma=1, dice=1, ce=0)", (log(6 / 4) + log(4 / 2)) / 2),
    ],
)
def test_value_of_no_knowledge(text, expected):
    assert value(text) == pytest.approx(expected)


def test_sensitivity_is_weighed_against_specificity():
    first = torch.tensor([1e9, 0, -1e9])[None, :, None, None].expand_as(UNSURE)
    # the first class has no errors among its own pixels and only errors outside, the second only
    # errors among its own and none outside
    expected = ((1 - 0.2) * 1 + 0.2 * 1) / 2
    assert value("sensitivity-specificity(sensitivity=0.2)", first) == pytest.approx(expected)


@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_combo_weighs_cross_entropies_and_dice(beta):
    two_classes = UNSURE[:, :2]
    entropy = log(2) * (beta * 3 + (1 - beta) * 1 + beta * 1 + (1 - beta) * 3) / 8
    expected = 0.3 * entropy + 0.7 * DICE
    assert value(f"combo(alpha=0.3, beta={beta})", two_classes) == pytest.approx(expected)


@pytest.fixture()
def maps():
    """Logits and labels of three classes, all present, with ignored pixels."""
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 8, 8)
    labels = torch.randint(0, 3, (2, 8, 8))
    labels[0, :3] = 255
    return logits, labels


def test_overlaps_are_those_of_segmentation_models_pytorch(maps):
    losses = pytest.importorskip("segmentation_models_pytorch.losses")
    settings = {"mode": "multiclass", "ignore_index": 255}
    dice = losses.DiceLoss(**settings)
    tversky = losses.TverskyLoss(**settings, alpha=0.2, beta=0.8)
    assert value("dice", *maps) == pytest.approx(dice(*maps).item())
    assert value("tversky(alpha=0.2, beta=0.8)", *maps) == pytest.approx(tversky(*maps).item())


def test_overlaps_are_those_of_monai(maps):
    losses = pytest.importorskip("monai.losses")
    settings = {"softmax": True, "to_onehot_y": True, "batch": True, "ignore_index": 255}
    settings |= {"smooth_nr": 0, "smooth_dr": 0}
    logits, labels = maps
    dice = losses.DiceLoss(**settings)(logits, labels[:, None])
    tversky = losses.TverskyLoss(**settings, alpha=0.2, beta=0.8)(logits, labels[:, None])
    assert value("dice", *maps) == pytest.approx(dice.item())
    assert value("tversky(alpha=0.2, beta=0.8)", *maps) == pytest.approx(tversky.item())
