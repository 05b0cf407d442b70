"""Losses by name, and weighted sums of them."""

import sys

import pytest
import torch

from instseg.core.errors import InputError
from instseg.training.losses import LOSS_NAMES, parse_loss

LOGITS = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(0, 3, (2, 6, 6), generator=torch.Generator().manual_seed(0))


def value(text, counts=(5, 3, 2)):
    return parse_loss(text, class_counts=lambda: counts)(LOGITS, LABELS).item()


@pytest.mark.parametrize(
    "text", ["ce + 0.5*dice", "ce+.5*dice", " ce  + 0.5 * dice() ", "0.5*dice + 1e0*ce"]
)
def test_a_sum(text):
    assert value(text) == pytest.approx(value("ce") + 0.5 * value("dice"))


def test_arguments():
    assert value("tversky(alpha=0.5,beta=0.5)") == pytest.approx(value("dice"))
    assert value("ce(weights=inverse) + dice") == pytest.approx(
        value("ce(weights=inverse)") + value("dice")
    )


def test_parts_are_named_as_they_were_written():
    loss = parse_loss("ce + 0.5*dice", class_counts=list)
    parts = loss.parts(LOGITS, LABELS)
    assert list(parts) == ["ce", "0.5*dice"]
    assert parts["0.5*dice"].item() == pytest.approx(0.5 * value("dice"))
    assert sum(parts.values()) == loss(LOGITS, LABELS)


def test_classes_are_counted_once_and_only_when_a_loss_needs_it():
    calls = []

    def class_counts():
        calls.append(1)
        return [5, 3, 2]

    parse_loss("ce + dice", class_counts=class_counts)
    assert not calls
    parse_loss("ce(weights=inverse) + exponential-logarithmic", class_counts=class_counts)
    assert len(calls) == 1


def test_a_class_that_the_data_has_not_is_harmless():
    for text in ("ce(weights=inverse)", "ce(weights=effective)", "exponential-logarithmic"):
        assert 0 < value(text, (5, 3, 0)) < float("inf")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dise", f"'dise' is none: choose from {', '.join(LOSS_NAMES)}; a sum is"),
        ("ce + ", "'' is none: choose from ce, bce"),
        ("ce - dice", "'ce - dice' is none: choose from"),
        ("-1*dice", "is none: choose from"),
        ("dice + ce + dice", "a loss appears twice"),
        ("tversky(gamma=1)", r"tversky\(gamma=1\): its arguments are alpha, beta$"),
        ("ce(class_counts=1)", "its arguments are weights, beta$"),
        ("dice(1)", "its arguments are none$"),
        ("focal(gamma=high)", r"focal\(gamma=high\): gamma is a number from 0 on"),
        ("focal(gamma=-1)", "gamma is a number from 0 on"),
        ("ce(weights=log)", "weights=log: choose one of equal, inverse, effective"),
        ("ce(weights=effective, beta=1)", "beta=1: between 0 and 1, with weights=effective"),
        ("ce(beta=0.9)", "beta=0.9: between 0 and 1, with weights=effective"),
        ("combo(alpha=1.5)", r"combo\(alpha=1.5, beta=0.5\): both are from 0 to 1"),
        ("combo(beta=2)", r"combo\(alpha=0.5, beta=2\): both are from 0 to 1"),
        ("sensitivity-specificity(sensitivity=5)", "sensitivity=5: a number from 0 to 1"),
        ("tversky(alpha=0, beta=0)", "tversky needs an alpha or beta above 0"),
        ("focal-tversky(alpha=0, beta=0)", "focal-tversky needs gamma above 0, and alpha or beta"),
        ("focal-tversky(gamma=0)", "focal-tversky needs gamma above 0, and alpha or beta"),
        ("exponential-logarithmic(gamma=0)", "logarithmic needs gamma above 0, and dice or ce"),
        (
            "exponential-logarithmic(dice=0, ce=0)",
            "logarithmic needs gamma above 0, and dice or ce",
        ),
    ],
)
def test_what_cannot_be_understood_is_named(text, message):
    with pytest.raises(InputError, match=message) as error:
        value(text)
    assert "\n" not in str(error.value)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "monai.losses", None)
    with pytest.raises(InputError, match=r'hausdorff needs MONAI: pip install "instseg\[semantic'):
        value("hausdorff")
